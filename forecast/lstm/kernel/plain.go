package kernel

import (
	"math"

	"gonum.org/v1/gonum/blas"
	gblas "gonum.org/v1/gonum/blas/gonum"
)

// The functions of this file are what runs without the assembly, and what the
// tests hold the assembly against.

func plainGemm(trans blas.Transpose, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	gblas.Implementation{}.Sgemm(trans, blas.NoTrans, m, n, k, 1, a, lda, b, ldb, 1, c, ldc)
}

func plainAffine(m, n, k int, a []float32, lda, k2 int, a2 []float32, lda2 int, b []float32, ldb int, bias, c []float32, ldc int) {
	spread(m, n, bias, c, ldc)
	plainGemm(blas.NoTrans, m, n, k, a, lda, b, ldb, c, ldc)
	if k2 > 0 {
		plainGemm(blas.NoTrans, m, n, k2, a2, lda2, b[k*ldb:], ldb, c, ldc)
	}
}

// Packed, here, is merely without gaps: gonum reads rows.
func plainPackB(dst []float32, k, n int, b []float32, ldb int) {
	for p := range k {
		copy(dst[p*n:(p+1)*n], b[p*ldb:])
	}
}

func plainPackBT(dst []float32, k, n int, bt []float32, ldbt int) {
	for j := range n {
		for p, v := range bt[j*ldbt : j*ldbt+k] {
			dst[p*n+j] = v
		}
	}
}

func plainSumRows(m, n int, a []float32, lda int, sum []float32) {
	for i := range m {
		for j, v := range a[i*lda : i*lda+n] {
			sum[j] += v
		}
	}
}

func plainExp(x []float32) {
	for i, v := range x {
		x[i] = float32(math.Exp(max(float64(v), -87)))
	}
}

func plainGates(h, batch int, z, prevC, c, tanhC, hOut []float32) {
	for r := range batch {
		row := z[r*4*h : (r+1)*4*h]
		gi, gf, gg, gout := row[:h], row[h:2*h], row[2*h:3*h], row[3*h:]
		for j := range h {
			at := r*h + j
			i, f, g, o := sigmoid(gi[j]), sigmoid(gf[j]), tanh(gg[j]), sigmoid(gout[j])
			gi[j], gf[j], gg[j], gout[j] = i, f, g, o
			v := i * g
			if prevC != nil {
				v += f * prevC[at]
			}
			t := tanh(v)
			c[at], tanhC[at], hOut[at] = v, t, o*t
		}
	}
}

func plainGatesGradient(h, batch int, gates, tanhC, prevC, dh, dHnext, dC, dGates []float32) {
	for r := range batch {
		row, drow := gates[r*4*h:(r+1)*4*h], dGates[r*4*h:(r+1)*4*h]
		for j := range h {
			at := r*h + j
			i, f, g, o := row[j], row[h+j], row[2*h+j], row[3*h+j]
			t := tanhC[at]
			d := dh[at] + dHnext[at]
			dc := dC[at] + d*o*(1-t*t)
			var forget float32
			if prevC != nil {
				forget = dc * prevC[at] * f * (1 - f)
			}
			drow[j] = dc * g * i * (1 - i)
			drow[h+j] = forget
			drow[2*h+j] = dc * i * (1 - g*g)
			drow[3*h+j] = d * t * o * (1 - o)
			dC[at] = dc * f
		}
	}
}

func plainAdam(w, g, m, v []float32, by *[7]float32) {
	keepM, addM, keepV, addV, unbias, epsilon, rate := by[0], by[1], by[2], by[3], by[4], by[5], by[6]
	for i := range w {
		m[i] = keepM*m[i] + addM*g[i]
		v[i] = keepV*v[i] + addV*g[i]*g[i]
		w[i] -= rate * m[i] / (float32(math.Sqrt(float64(unbias*v[i]))) + epsilon)
		g[i] = 0
	}
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

// tanh by way of exp is several times faster than math.Tanh, and in float64
// exact to float32's last bit but near zero, where the series takes over.
func tanh(x float32) float32 {
	v := float64(x)
	if v > -1e-3 && v < 1e-3 {
		return float32(v - v*v*v/3)
	}
	return float32(1 - 2/(1+math.Exp(2*v)))
}
