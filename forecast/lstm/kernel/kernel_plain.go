//go:build !amd64 || purego

package kernel

import "gonum.org/v1/gonum/blas"

// accelerated is false: no assembly is built in.
func accelerated() bool { return false }

func gemm(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	plainGemm(blas.NoTrans, m, n, k, a, lda, b, ldb, c, ldc)
}

func affine(m, n, k int, a []float32, lda, k2 int, a2 []float32, lda2 int, b []float32, ldb int, bias, c []float32, ldc int) {
	plainAffine(m, n, k, a, lda, k2, a2, lda2, b, ldb, bias, c, ldc)
}

func gemmTA(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	plainGemm(blas.Trans, m, n, k, a, lda, b, ldb, c, ldc)
}

func packB(dst []float32, k, n int, b []float32, ldb int) { plainPackB(dst, k, n, b, ldb) }

func packBT(dst []float32, k, n int, bt []float32, ldbt int) { plainPackBT(dst, k, n, bt, ldbt) }

func gemmPacked(m, n, k int, a []float32, lda int, b []float32, c []float32, ldc int) {
	plainGemm(blas.NoTrans, m, n, k, a, lda, b, n, c, ldc)
}

func sumRows(m, n int, a []float32, lda int, sum []float32) { plainSumRows(m, n, a, lda, sum) }

func exp(x []float32) { plainExp(x) }

func gates(h, batch int, z, prevC, c, tanhC, hOut []float32) {
	plainGates(h, batch, z, prevC, c, tanhC, hOut)
}

func gatesGradient(h, batch int, gates, tanhC, prevC, dh, dHnext, dC, dGates []float32) {
	plainGatesGradient(h, batch, gates, tanhC, prevC, dh, dHnext, dC, dGates)
}

func adam(w, g, m, v []float32, by *[7]float32) { plainAdam(w, g, m, v, by) }
