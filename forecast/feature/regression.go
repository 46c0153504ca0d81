package feature

import "math"

const (
	// terms is how many inputs a regression has.
	terms = 5
	// ridge is how many rows' worth of doubt there is that an input matters. Rows
	// overlap, so that a day of them is worth some dozens.
	ridge = 12
)

// doubt makes least squares over n rows a ridge regression (Hoerl and Kennard,
// 1970). xx are the inputs' products; those above the diagonal are not used.
func (c *Cutter) doubt(xx *[terms][terms]float64, n int) {
	for i := range xx {
		// The last term only keeps what never moves from a division by zero.
		xx[i][i] += ridge*xx[i][i]/float64(n) + 1e-6*c.Unit*c.Unit*float64(n)
	}
}

// solve puts x of a*x = b in b's place, for a symmetric, positive a of which
// what lies above the diagonal is not used, by Cholesky's decomposition, which
// takes a's place.
func solve(a *[terms][terms]float64, b *[terms]float64) {
	decompose(a)
	substitute(a, b)
}

// decompose puts L of a = L*L' in a's place.
func decompose(a *[terms][terms]float64) {
	for i := range terms {
		for j := range i + 1 {
			s := a[i][j]
			for k := range j {
				s -= a[i][k] * a[j][k]
			}
			if i == j {
				a[i][i] = math.Sqrt(max(s, math.SmallestNonzeroFloat32))
			} else {
				a[i][j] = s / a[j][j]
			}
		}
	}
}

// substitute puts x of L*L'*x = b in b's place.
func substitute(l *[terms][terms]float64, b *[terms]float64) {
	for i := range terms {
		for k := range i {
			b[i] -= l[i][k] * b[k]
		}
		b[i] /= l[i][i]
	}
	for i := terms - 1; i >= 0; i-- {
		for k := i + 1; k < terms; k++ {
			b[i] -= l[k][i] * b[k]
		}
		b[i] /= l[i][i]
	}
}
