//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"
	"gonum.org/v1/gonum/blas"
)

const (
	// size is that of a float32, in bytes: the assembly takes strides so.
	size = 4
	// rowWidth is the number of columns that rowAVX2 takes at once.
	rowWidth = 64
	// depth is how much of k is summed in registers before it is added to c.
	// Every product is cut at the same places, so that a result's bits depend
	// on nothing but its row and column. A panel this deep takes 16 KiB, half
	// of the first cache.
	depth = 256
	// height is how many rows pass all panels of b before the next rows do, so
	// that a and c stay in the second cache however many rows there are. It is
	// a multiple of the tile's six.
	height = 96
)

// accelerated tells whether processor and operating system know the instructions
// and registers of the assembly.
func accelerated() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// left and right are the two sides of a product. Strides are in elements.
type (
	left struct {
		v        []float32
		row, col int
	}
	right struct {
		v          []float32
		row, panel int // panel leads to the next 16 columns
	}
)

func gemm(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	if !accelerated() {
		plainGemm(blas.NoTrans, m, n, k, a, lda, b, ldb, c, ldc)
		return
	}
	multiply(m, n, k, left{a, lda, 1}, right{b, ldb, panelWidth}, c, ldc)
}

func affine(m, n, k int, a []float32, lda, k2 int, a2 []float32, lda2 int, b []float32, ldb int, bias, c []float32, ldc int) {
	if !accelerated() {
		plainAffine(m, n, k, a, lda, k2, a2, lda2, b, ldb, bias, c, ldc)
		return
	}
	// In one go where the sums of a row are no longer than others, and for whole
	// panels; else one after the other.
	whole := 0
	if k+k2 <= depth {
		whole = n / panelWidth * panelWidth
		affineWhole(m, whole, k, a, lda, k2, a2, lda2, b, ldb, bias, c, ldc)
	}
	if whole == n {
		return
	}
	n, b, c = n-whole, b[whole:], c[whole:]
	spread(m, n, bias[whole:], c, ldc)
	multiply(m, n, k, left{a, lda, 1}, right{b, ldb, panelWidth}, c, ldc)
	if k2 > 0 {
		multiply(m, n, k2, left{a2, lda2, 1}, right{b[k*ldb:], ldb, panelWidth}, c, ldc)
	}
}

// affineWhole is affine for whole panels.
func affineWhole(m, n, k int, a []float32, lda, k2 int, a2 []float32, lda2 int, b []float32, ldb int, bias, c []float32, ldc int) {
	for i := 0; i < m; i += height {
		high := min(height, m-i)
		var more *float32
		if k2 > 0 {
			more = &a2[i*lda2]
		}
		j := 0
		for ; high == 1 && j+rowWidth <= n; j += rowWidth {
			affineRowAVX2(k, &a[i*lda], k2, more, &b[j], ldb*size, panelWidth*size, &bias[j], &c[i*ldc+j])
		}
		for ; j < n; j += panelWidth {
			affineAVX2(high, k, &a[i*lda], lda*size, k2, more, lda2*size, &b[j], ldb*size, &bias[j], &c[i*ldc+j], ldc*size)
		}
	}
}

func gemmTA(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	if !accelerated() {
		plainGemm(blas.Trans, m, n, k, a, lda, b, ldb, c, ldc)
		return
	}
	multiply(m, n, k, left{a, 1, lda}, right{b, ldb, panelWidth}, c, ldc)
}

func gemmPacked(m, n, k int, a []float32, lda int, b []float32, c []float32, ldc int) {
	if !accelerated() {
		plainGemm(blas.NoTrans, m, n, k, a, lda, b, n, c, ldc)
		return
	}
	multiply(m, n, k, left{a, lda, 1}, right{b, panelWidth, panelWidth * k}, c, ldc)
}

// sumRows multiplies by a row of ones, which is a single one that is never
// stepped beyond.
func sumRows(m, n int, a []float32, lda int, sum []float32) {
	if !accelerated() {
		plainSumRows(m, n, a, lda, sum)
		return
	}
	one := [1]float32{1}
	multiply(1, n, m, left{one[:], 0, 0}, right{a, lda, panelWidth}, sum, n)
}

// multiply adds a*b to c, for dimensions of at least 1.
func multiply(m, n, k int, a left, b right, c []float32, ldc int) {
	if m <= 2 {
		for i := range m {
			multiplyRow(n, k, left{a.v[i*a.row:], a.row, a.col}, b, c[i*ldc:])
		}
		return
	}
	for p := 0; p < k; p += depth {
		deep := min(depth, k-p)
		for i := 0; i < m; i += height {
			high := min(height, m-i)
			from := &a.v[i*a.row+p*a.col]
			for j := 0; j < n; j += panelWidth {
				multiplyPanel(high, n-j, deep, from, a, b, p, j, &c[i*ldc+j], ldc)
			}
		}
	}
}

// panelAt points to row p of the panel that begins with column j.
func (b right) panelAt(p, j int) *float32 { return &b.v[j/panelWidth*b.panel+p*b.row] }

// multiplyPanel adds to the 16 columns from j on, or the n left of them.
func multiplyPanel(m, n, k int, from *float32, a left, b right, p, j int, c *float32, ldc int) {
	if n >= panelWidth {
		panelAVX2(m, k, from, a.row*size, a.col*size, b.panelAt(p, j), b.row*size, c, ldc*size)
	} else {
		edgeAVX2(m, k, from, a.row*size, a.col*size, b.panelAt(p, j), b.row*size, c, ldc*size, n)
	}
}

// multiplyRow is multiply for one row.
func multiplyRow(n, k int, a left, b right, c []float32) {
	for p := 0; p < k; p += depth {
		deep := min(depth, k-p)
		from := &a.v[p*a.col]
		j := 0
		for ; j+rowWidth <= n; j += rowWidth {
			rowAVX2(deep, from, a.col*size, b.panelAt(p, j), b.row*size, b.panel*size, &c[j])
		}
		for ; j < n; j += panelWidth {
			multiplyPanel(1, n-j, deep, from, a, b, p, j, &c[j], n)
		}
	}
}

func packB(dst []float32, k, n int, b []float32, ldb int) {
	if !accelerated() {
		plainPackB(dst, k, n, b, ldb)
		return
	}
	for j := 0; j < n; j += panelWidth {
		wide := min(panelWidth, n-j)
		for p := range k {
			row := dst[:panelWidth]
			clear(row[copy(row, b[p*ldb+j:p*ldb+j+wide]):])
			dst = dst[panelWidth:]
		}
	}
}

func packBT(dst []float32, k, n int, bt []float32, ldbt int) {
	if !accelerated() {
		plainPackBT(dst, k, n, bt, ldbt)
		return
	}
	for j := 0; j < n; j += panelWidth {
		panel := dst[j*k : (j+panelWidth)*k]
		i := min(n-j, panelWidth)
		if i < panelWidth {
			clear(panel)
		}
		// Four rows at a time, or most of the time goes by between two of them.
		for i -= 4; i >= 0; i -= 4 {
			at := (j + i) * ldbt
			a, b, c, d := bt[at:at+k], bt[at+ldbt:][:k], bt[at+2*ldbt:][:k], bt[at+3*ldbt:][:k]
			for p := range a {
				to := (*[4]float32)(panel[p*panelWidth+i:])
				to[0], to[1], to[2], to[3] = a[p], b[p], c[p], d[p]
			}
		}
		for i += 3; i >= 0; i-- {
			for p, v := range bt[(j+i)*ldbt:][:k] {
				panel[p*panelWidth+i] = v
			}
		}
	}
}

func exp(x []float32) {
	if !accelerated() {
		plainExp(x)
		return
	}
	expAVX2(len(x), &x[0])
}

func gates(h, batch int, z, prevC, c, tanhC, hOut []float32) {
	if !accelerated() {
		plainGates(h, batch, z, prevC, c, tanhC, hOut)
		return
	}
	gatesAVX2(h, batch, &z[0], first(prevC), &c[0], &tanhC[0], &hOut[0])
}

func gatesGradient(h, batch int, gates, tanhC, prevC, dh, dHnext, dC, dGates []float32) {
	if !accelerated() {
		plainGatesGradient(h, batch, gates, tanhC, prevC, dh, dHnext, dC, dGates)
		return
	}
	gatesGradientAVX2(h, batch, &gates[0], &tanhC[0], first(prevC), &dh[0], &dHnext[0], &dC[0], &dGates[0])
}

func adam(w, g, m, v []float32, by *[7]float32) {
	if !accelerated() {
		plainAdam(w, g, m, v, by)
		return
	}
	adamAVX2(len(w), &w[0], &g[0], &m[0], &v[0], &by[0])
}

// first points to the first element of s, nil if it has none.
func first(s []float32) *float32 {
	if s == nil {
		return nil
	}
	return &s[0]
}
