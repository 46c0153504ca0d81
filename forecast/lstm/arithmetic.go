package lstm

import "github.com/foretide/foretide/forecast/lstm/kernel"

// float is what the network can be computed in: float32 in the product, float64
// where gradients are checked.
type float interface{ float32 | float64 }

// arithmetic is what the layers are computed with. Matrices are row-major and
// without gaps; products are added to c. See package kernel for the contracts.
type arithmetic[F float] interface {
	gemmTA(m, n, k int, a, b, c []F) // a [k, m], transposed, times b [k, n]
	// affine sets c to rows of bias and adds the product of a [m, k] and a2 [m, k2],
	// side by side, with b [k+k2, n].
	affine(m, n, k, k2 int, a, a2, b, bias, c []F)
	packedLen(k, n int) int
	packT(dst []F, k, n int, b []F) // the transpose of b [n, k], for gemmPacked
	gemmPacked(m, n, k int, a, packed, c []F)
	sumRows(m, n int, a, sum []F)
	exp(x []F) // in place
	gates(h, batch int, z, prevC, c, tanhC, out []F)
	gatesGradient(h, batch int, z, tanhC, prevC, dh, dhNext, dC, dZ []F)
}

// fast is arithmetic on the kernels.
type fast struct{}

func (fast) affine(m, n, k, k2 int, a, a2, b, bias, c []float32) {
	kernel.Affine(m, n, k, a, k, k2, a2, k2, b, n, bias, c, n)
}
func (fast) exp(x []float32)                       { kernel.Exp(x) }
func (fast) gemmTA(m, n, k int, a, b, c []float32) { kernel.GemmTA(m, n, k, a, m, b, n, c, n) }
func (fast) packedLen(k, n int) int                { return kernel.PackedLen(k, n) }
func (fast) packT(dst []float32, k, n int, b []float32) {
	kernel.PackBT(dst, k, n, b, k)
}
func (fast) gemmPacked(m, n, k int, a, packed, c []float32) {
	kernel.GemmPacked(m, n, k, a, k, packed, c, n)
}
func (fast) sumRows(m, n int, a, sum []float32) { kernel.SumRows(m, n, a, n, sum) }
func (fast) gates(h, batch int, z, prevC, c, tanhC, out []float32) {
	kernel.Gates(h, batch, z, prevC, c, tanhC, out)
}
func (fast) gatesGradient(h, batch int, z, tanhC, prevC, dh, dhNext, dC, dZ []float32) {
	kernel.GatesGradient(h, batch, z, tanhC, prevC, dh, dhNext, dC, dZ)
}
