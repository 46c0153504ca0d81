// Package kernel computes what fitting an LSTM spends its time on, in float32:
// matrix products, the cell's non-linearities, forward and back, and the
// solver's steps.
//
// On amd64 with AVX2 and FMA it runs assembly, which the module in asm writes;
// elsewhere, and under the build tag purego, plain Go over gonum's BLAS. The
// two agree to within rounding, not to the last bit. On one machine results
// are the same from run to run; in assembly, moreover, a row of a product does
// not depend on the other rows, so that a forecast is the same in any batch.
//
// Matrices are row-major slices with a leading dimension, the distance from a
// row to the next. An output must not overlap an input, save where a function
// says so. Nothing is kept between calls: all functions may be called
// concurrently on different outputs. The assembly allocates nothing; gonum may.
// Slices too short for the dimensions panic before anything is touched.
package kernel

//go:generate go -C asm run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg kernel

import "fmt"

// panelWidth is the number of columns that a packed matrix keeps together.
const panelWidth = 16

// Gemm adds a*b to c, for a [m, k], b [k, n] and c [m, n].
func Gemm(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	check("a", a, m, k, lda)
	check("b", b, k, n, ldb)
	check("c", c, m, n, ldc)
	if m > 0 && n > 0 && k > 0 {
		gemm(m, n, k, a, lda, b, ldb, c, ldc)
	}
}

// Affine sets each row of c to bias, n long, and adds two products: of a [m, k]
// and the first k rows of b [k+k2, n], and of a2 [m, k2] and the others. k2 may be
// 0. It is a product of the two side by side, wherever they lie, and takes one
// pass over c.
func Affine(m, n, k int, a []float32, lda, k2 int, a2 []float32, lda2 int, b []float32, ldb int, bias, c []float32, ldc int) {
	check("a", a, m, k, lda)
	check("a2", a2, m, k2, lda2)
	check("b", b, k+k2, n, ldb)
	check("bias", bias, 1, n, n)
	check("c", c, m, n, ldc)
	if k == 0 {
		k, a, lda, k2 = k2, a2, lda2, 0
	}
	switch {
	case m == 0 || n == 0:
	case k == 0:
		spread(m, n, bias, c, ldc)
	default:
		affine(m, n, k, a, lda, k2, a2, lda2, b, ldb, bias, c, ldc)
	}
}

// spread sets each row of c to bias.
func spread(m, n int, bias, c []float32, ldc int) {
	for i := range m {
		copy(c[i*ldc:i*ldc+n], bias)
	}
}

// GemmTA is Gemm with a transposed: it adds aᵀ*b to c, for a [k, m].
func GemmTA(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	check("a", a, k, m, lda)
	check("b", b, k, n, ldb)
	check("c", c, m, n, ldc)
	if m > 0 && n > 0 && k > 0 {
		gemmTA(m, n, k, a, lda, b, ldb, c, ldc)
	}
}

// PackedLen is the length that a matrix b [k, n] takes once packed.
func PackedLen(k, n int) int { return k * ((n + panelWidth - 1) / panelWidth * panelWidth) }

// PackB writes b [k, n] into dst, PackedLen(k, n) long, in the order in which
// GemmPacked reads it. It pays where the same b serves many products. The
// layout differs between machines: it is not to be stored.
func PackB(dst []float32, k, n int, b []float32, ldb int) {
	check("b", b, k, n, ldb)
	check("dst", dst, 1, PackedLen(k, n), PackedLen(k, n))
	if n > 0 && k > 0 {
		packB(dst, k, n, b, ldb)
	}
}

// PackBT packs, as PackB does, the transpose of bt [n, k].
func PackBT(dst []float32, k, n int, bt []float32, ldbt int) {
	check("bt", bt, n, k, ldbt)
	check("dst", dst, 1, PackedLen(k, n), PackedLen(k, n))
	if n > 0 && k > 0 {
		packBT(dst, k, n, bt, ldbt)
	}
}

// GemmPacked is Gemm with a packed b: it gives the very bits of Gemm.
func GemmPacked(m, n, k int, a []float32, lda int, b []float32, c []float32, ldc int) {
	check("a", a, m, k, lda)
	check("b", b, 1, PackedLen(k, n), PackedLen(k, n))
	check("c", c, m, n, ldc)
	if m > 0 && n > 0 && k > 0 {
		gemmPacked(m, n, k, a, lda, b, c, ldc)
	}
}

// SumRows adds the m rows of a [m, n] to sum, n long: the gradient of a bias.
func SumRows(m, n int, a []float32, lda int, sum []float32) {
	check("a", a, m, n, lda)
	check("sum", sum, 1, n, n)
	if m > 0 && n > 0 {
		sumRows(m, n, a, lda, sum)
	}
}

// Exp sets each x to its exponential, within 1.2e-7 + 4e-9*|x| of it, relatively.
// Beyond 88.3 it may be +Inf already, and below -87 it is what it is there,
// 1.6e-38; a NaN stays one.
func Exp(x []float32) {
	if len(x) > 0 {
		exp(x)
	}
}

// Gates is an LSTM cell's forward step for a batch of rows. z [batch, 4h] holds
// the sums of the input, forget, candidate and output gates, in this order, and
// is overwritten by their activations. prevC [batch, h] is the cell state of
// the step before, nil at the first. It writes the cell state c, its tanh and
// the hidden state hOut, all [batch, h]. c may be prevC itself.
//
// Activations are within 1.2e-7 of the exact ones, which is two units of the
// last place of 1. Infinities give 0 and 1, or -1 and 1; NaN comes of NaN only.
func Gates(h, batch int, z, prevC, c, tanhC, hOut []float32) {
	check("z", z, batch, 4*h, 4*h)
	if prevC != nil {
		check("prevC", prevC, batch, h, h)
	}
	check("c", c, batch, h, h)
	check("tanhC", tanhC, batch, h, h)
	check("hOut", hOut, batch, h, h)
	if h > 0 && batch > 0 {
		gates(h, batch, z, prevC, c, tanhC, hOut)
	}
}

// GatesGradient is Gates backwards. gates, tanhC and prevC are as Gates left
// and took them. dh and dHnext [batch, h] are the loss's gradients by the
// hidden state, directly and through the step after; they are added up. dC
// [batch, h] holds the gradient by the cell state through the step after, and
// is overwritten by that for the step before. dGates [batch, 4h] receives the
// gradients by the sums z. dGates may be gates itself.
func GatesGradient(h, batch int, gates, tanhC, prevC, dh, dHnext, dC, dGates []float32) {
	check("gates", gates, batch, 4*h, 4*h)
	check("tanhC", tanhC, batch, h, h)
	if prevC != nil {
		check("prevC", prevC, batch, h, h)
	}
	check("dh", dh, batch, h, h)
	check("dHnext", dHnext, batch, h, h)
	check("dC", dC, batch, h, h)
	check("dGates", dGates, batch, 4*h, 4*h)
	if h > 0 && batch > 0 {
		gatesGradient(h, batch, gates, tanhC, prevC, dh, dHnext, dC, dGates)
	}
}

// AdamStep is how Adam steps. Decay1 and Decay2 are what is kept of the running
// means a step, Bias1 and Bias2 how much of them is there yet: 1 less the
// decay to the power of the number of the step, which begins at 1.
type AdamStep struct{ Rate, Decay1, Decay2, Bias1, Bias2, Epsilon float64 }

// Adam takes a step of the method of that name (Kingma and Ba, 2015): it moves
// the weights w against their gradient g, by its running mean m over the root
// of that of its square v, and clears g. All are of one length.
func Adam(w, g, m, v []float32, s AdamStep) {
	n := len(w)
	check("g", g, 1, n, n)
	check("m", m, 1, n, n)
	check("v", v, 1, n, n)
	if n > 0 {
		by := [...]float32{
			float32(s.Decay1), float32(1 - s.Decay1), float32(s.Decay2), float32(1 - s.Decay2),
			float32(1 / s.Bias2), float32(s.Epsilon), float32(s.Rate / s.Bias1),
		}
		adam(w, g, m, v, &by)
	}
}

// check panics unless s holds a matrix of these dimensions.
func check(name string, s []float32, rows, cols, ld int) {
	if rows < 0 || cols < 0 || ld < cols {
		panic(fmt.Sprintf("kernel: check %s: %d x %d with leading dimension %d, want none negative and at least the columns", name, rows, cols, ld))
	}
	if rows > 0 && cols > 0 && len(s) < (rows-1)*ld+cols {
		panic(fmt.Sprintf("kernel: check %s: length %d, want at least %d for %d x %d with leading dimension %d",
			name, len(s), (rows-1)*ld+cols, rows, cols, ld))
	}
}
