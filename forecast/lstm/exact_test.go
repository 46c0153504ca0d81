package lstm

import (
	"math"

	"gonum.org/v1/gonum/blas"
	gblas "gonum.org/v1/gonum/blas/gonum"
)

// exact is arithmetic in float64 by the textbook, to check gradients with.
type exact struct{}

func (exact) gemm(m, n, k int, a, b, c []float64) {
	gblas.Implementation{}.Dgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 1, c, n)
}

func (exact) gemmTA(m, n, k int, a, b, c []float64) {
	gblas.Implementation{}.Dgemm(blas.Trans, blas.NoTrans, m, n, k, 1, a, m, b, n, 1, c, n)
}

func (e exact) affine(m, n, k, k2 int, a, a2, b, bias, c []float64) {
	for i := range m {
		copy(c[i*n:(i+1)*n], bias)
	}
	e.gemm(m, n, k, a, b, c)
	if k2 > 0 {
		e.gemm(m, n, k2, a2, b[k*n:], c)
	}
}

func (exact) exp(x []float64) {
	for i, v := range x {
		x[i] = math.Exp(v)
	}
}

func (exact) packedLen(k, n int) int { return k * n }

func (exact) packT(dst []float64, k, n int, b []float64) {
	for i := range n {
		for j := range k {
			dst[j*n+i] = b[i*k+j]
		}
	}
}

func (e exact) gemmPacked(m, n, k int, a, packed, c []float64) { e.gemm(m, n, k, a, packed, c) }

func (exact) sumRows(m, n int, a, sum []float64) {
	for i := range m {
		for j := range n {
			sum[j] += a[i*n+j]
		}
	}
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (exact) gates(h, batch int, z, prevC, c, tanhC, out []float64) {
	for r := range batch {
		for j := range h {
			at, row := r*h+j, z[r*4*h:]
			i, f, g, o := logistic(row[j]), logistic(row[h+j]), math.Tanh(row[2*h+j]), logistic(row[3*h+j])
			row[j], row[h+j], row[2*h+j], row[3*h+j] = i, f, g, o
			prev := 0.0
			if prevC != nil {
				prev = prevC[at]
			}
			c[at] = i*g + f*prev
			tanhC[at] = math.Tanh(c[at])
			out[at] = o * tanhC[at]
		}
	}
}

func (exact) gatesGradient(h, batch int, z, tanhC, prevC, dh, dhNext, dC, dZ []float64) {
	for r := range batch {
		for j := range h {
			at, row, d := r*h+j, z[r*4*h:], dZ[r*4*h:]
			i, f, g, o, tc := row[j], row[h+j], row[2*h+j], row[3*h+j], tanhC[r*h+j]
			prev := 0.0
			if prevC != nil {
				prev = prevC[at]
			}
			dOut := dh[at] + dhNext[at]
			dCell := dC[at] + dOut*o*(1-tc*tc)
			d[j] = dCell * g * i * (1 - i)
			d[h+j] = dCell * prev * f * (1 - f)
			d[2*h+j] = dCell * i * (1 - g*g)
			d[3*h+j] = dOut * tc * o * (1 - o)
			dC[at] = dCell * f
		}
	}
}
