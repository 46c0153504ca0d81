package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// noise is n normal numbers.
func noise(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// matrix is rows x cols of noise with NaN between and behind the rows, where
// nothing may be read into a result or written.
func matrix(seed uint64, rows, cols, ld int) []float32 {
	s := noise(seed, rows*ld+32)
	for i := range s {
		if i >= rows*ld || i%ld >= cols {
			s[i] = float32(math.NaN())
		}
	}
	return s
}

// product is a way to add op(a)*b to c.
type product struct {
	name    string
	trans   bool
	compute func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int)
}

func products() []product {
	return []product{
		{"Gemm", false, Gemm},
		{"GemmTA", true, GemmTA},
		{"PackB and GemmPacked", false, func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
			packed := slices.Repeat([]float32{float32(math.NaN())}, PackedLen(k, n))
			PackB(packed, k, n, b, ldb)
			GemmPacked(m, n, k, a, lda, packed, c, ldc)
		}},
		{"PackBT and GemmPacked", false, func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
			bt := make([]float32, n*k)
			for p := range k {
				for j := range n {
					bt[j*k+p] = b[p*ldb+j]
				}
			}
			packed := slices.Repeat([]float32{float32(math.NaN())}, PackedLen(k, n))
			PackBT(packed, k, n, bt, k)
			GemmPacked(m, n, k, a, lda, packed, c, ldc)
		}},
	}
}

// verify compares one product with its definition, summed in float64.
func verify(t *testing.T, p product, m, n, k, gap int) {
	t.Helper()
	lda, ldb, ldc := k+gap, n+gap, n+gap
	a := matrix(1, m, k, lda)
	if p.trans {
		lda = m + gap
		a = matrix(1, k, m, lda)
	}
	b, c := matrix(2, k, n, ldb), matrix(3, m, n, ldc)
	before := slices.Clone(c)
	p.compute(m, n, k, a, lda, b, ldb, c, ldc)
	for at, got := range c {
		i, j := at/ldc, at%ldc
		if i >= m || j >= n {
			if !math.IsNaN(float64(got)) {
				t.Fatalf("%s of m=%d n=%d k=%d: wrote %v at [%d, %d]", p.name, m, n, k, got, i, j)
			}
			continue
		}
		want, scale := float64(before[at]), math.Abs(float64(before[at]))
		for q := range k {
			atA := i*lda + q
			if p.trans {
				atA = q*lda + i
			}
			v := float64(a[atA]) * float64(b[q*ldb+j])
			want += v
			scale += math.Abs(v)
		}
		// The bound on the error of k sums and products, in any order.
		if bound := float64(k+1) * 0x1p-24 * scale; !(math.Abs(float64(got)-want) <= bound) {
			t.Fatalf("%s of m=%d n=%d k=%d at [%d, %d]: got %v, want %v within %.2g", p.name, m, n, k, i, j, got, want, bound)
		}
	}
}

func TestProducts(t *testing.T) {
	for _, p := range products() {
		t.Run(p.name, func(t *testing.T) {
			for m := 1; m <= 14; m++ {
				for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 80, 129} {
					for _, k := range []int{1, 2, 3, 33} {
						verify(t, p, m, n, k, m%2*3)
					}
				}
			}
			verify(t, p, 64, 256, 64, 0)
			verify(t, p, 1, 131, 513, 1)
			verify(t, p, 2, 70, 300, 0)
			verify(t, p, 97, 33, 257, 0)
			verify(t, p, 200, 17, 31, 5)
			verify(t, p, 65, 60, 1000, 2)
		})
	}
}

// A row's result must not depend on the rows it is computed with, nor on
// whether b was packed.
func TestRowsAloneAndTogether(t *testing.T) {
	if !accelerated() {
		t.Skip("only the assembly promises it, and this processor or build runs without")
	}
	for _, s := range [][3]int{{7, 256, 64}, {64, 60, 300}, {101, 75, 513}} {
		m, n, k := s[0], s[1], s[2]
		a, b := noise(1, m*k), noise(2, k*n)
		together, alone, packed := make([]float32, m*n), make([]float32, m*n), make([]float32, m*n)
		Gemm(m, n, k, a, k, b, n, together, n)
		for i := range m {
			Gemm(1, n, k, a[i*k:], k, b, n, alone[i*n:], n)
		}
		p := make([]float32, PackedLen(k, n))
		PackB(p, k, n, b, n)
		GemmPacked(m, n, k, a, k, p, packed, n)
		if !slices.Equal(together, alone) || !slices.Equal(together, packed) {
			t.Errorf("m=%d n=%d k=%d: the bits depend on the batch or on packing", m, n, k)
		}
	}
}

// affineIsGemm checks Affine against what it stands for, and that nothing is
// written between and behind the rows.
func affineIsGemm(t *testing.T, m, n, k, k2, gap int, seed uint64) {
	t.Helper()
	lda, lda2, ldb, ldc := max(1, k+gap), max(1, k2+2*gap), max(1, n+gap), max(1, n+gap)
	a, a2, b, bias := matrix(seed, m, k, lda), matrix(seed+1, m, k2, lda2), matrix(seed+2, k+k2, n, ldb), noise(seed+3, n)
	got, want := matrix(seed+4, m, n, ldc), matrix(seed+5, m, n, ldc)
	Affine(m, n, k, a, lda, k2, a2, lda2, b, ldb, bias, got, ldc)
	for i := range m {
		copy(want[i*ldc:], bias)
	}
	Gemm(m, n, k, a, lda, b, ldb, want, ldc)
	Gemm(m, n, k2, a2, lda2, b[k*ldb:], ldb, want, ldc)
	bound := 1e-6 * float64(k+k2+10)
	for i, w := range want {
		if x, y := float64(got[i]), float64(w); math.IsNaN(x) != math.IsNaN(y) || math.Abs(x-y) > bound {
			t.Fatalf("m=%d n=%d k=%d k2=%d gap=%d: element %d is %v, want %v", m, n, k, k2, gap, i, x, y)
		}
	}
	if !accelerated() {
		return
	}
	for i := range m { // the very bits, of each row alone
		row := make([]float32, n)
		Affine(1, n, k, a[min(i*lda, len(a)):], lda, k2, a2[min(i*lda2, len(a2)):], lda2, b, ldb, bias, row, n)
		if !slices.Equal(row, got[i*ldc:i*ldc+n]) {
			t.Fatalf("m=%d n=%d k=%d k2=%d: row %d has other bits when it is alone", m, n, k, k2, i)
		}
	}
}

func TestAffine(t *testing.T) {
	for m := range 14 {
		for _, n := range []int{0, 1, 15, 16, 17, 64, 83, 129} {
			for _, k := range []int{0, 1, 3, 33} {
				for _, k2 := range []int{0, 1, 9} {
					affineIsGemm(t, m, n, k, k2, m%2*3, 1)
				}
			}
		}
	}
	affineIsGemm(t, 200, 70, 200, 56, 0, 2)
	affineIsGemm(t, 200, 70, 200, 57, 0, 2) // deeper than one pass goes
}

func TestSumRows(t *testing.T) {
	for _, m := range []int{0, 1, 2, 300} {
		for _, n := range []int{1, 5, 16, 64, 100, 256} {
			lda := n + 3
			a, sum := matrix(4, m, n, lda), noise(5, n+4)
			want := make([]float64, n)
			for j := range n {
				want[j] = float64(sum[j])
				for i := range m {
					want[j] += float64(a[i*lda+j])
				}
			}
			behind := slices.Clone(sum[n:])
			SumRows(m, n, a, lda, sum)
			for j := range n {
				if math.Abs(float64(sum[j])-want[j]) > 1e-4 {
					t.Fatalf("SumRows of %d x %d, column %d: got %v, want %v", m, n, j, sum[j], want[j])
				}
			}
			if !slices.Equal(behind, sum[n:]) {
				t.Fatalf("SumRows of %d x %d wrote behind its sums", m, n)
			}
		}
	}
}

func TestShortSlicesPanic(t *testing.T) {
	f := func(name string, call func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s did not panic", name)
			}
		}()
		call()
	}
	s := func(n int) []float32 { return make([]float32, n) }
	f("Gemm, short a", func() { Gemm(2, 3, 4, s(7), 4, s(12), 3, s(6), 3) })
	f("Gemm, short b", func() { Gemm(2, 3, 4, s(8), 4, s(11), 3, s(6), 3) })
	f("Gemm, short c", func() { Gemm(2, 3, 4, s(8), 4, s(12), 3, s(5), 3) })
	f("Gemm, narrow lda", func() { Gemm(2, 3, 4, s(80), 3, s(12), 3, s(6), 3) })
	f("Gemm, negative m", func() { Gemm(-1, 3, 4, s(8), 4, s(12), 3, s(6), 3) })
	f("Affine, short bias", func() { Affine(2, 3, 4, s(8), 4, 0, nil, 0, s(12), 3, s(2), s(6), 3) })
	f("Affine, short b", func() { Affine(2, 3, 4, s(8), 4, 1, s(2), 1, s(14), 3, s(3), s(6), 3) })
	f("Affine, short a2", func() { Affine(2, 3, 4, s(8), 4, 1, s(1), 1, s(15), 3, s(3), s(6), 3) })
	f("GemmTA, short a", func() { GemmTA(2, 3, 4, s(7), 2, s(12), 3, s(6), 3) })
	f("GemmPacked, short b", func() { GemmPacked(2, 3, 4, s(8), 4, s(63), s(6), 3) })
	f("PackB, short dst", func() { PackB(s(63), 4, 3, s(12), 3) })
	f("PackBT, short bt", func() { PackBT(s(64), 4, 3, s(11), 4) })
	f("SumRows, short sum", func() { SumRows(2, 3, s(6), 3, s(2)) })
	f("Gates, short z", func() { Gates(2, 3, s(23), nil, s(6), s(6), s(6)) })
	f("Gates, empty prevC", func() { Gates(2, 3, s(24), s(0), s(6), s(6), s(6)) })
	f("GatesGradient, short dC", func() { GatesGradient(2, 3, s(24), s(6), nil, s(6), s(6), s(5), s(24)) })
}

func TestNothingToDo(t *testing.T) {
	c := []float32{1, 2, 3, 4}
	Gemm(2, 2, 0, nil, 0, nil, 2, c, 2)
	Gemm(0, 2, 2, nil, 2, c, 2, nil, 2)
	GemmTA(2, 0, 2, c, 2, nil, 0, nil, 0)
	GemmPacked(2, 2, 0, nil, 0, nil, c, 2)
	Affine(0, 2, 2, nil, 2, 0, nil, 0, c, 2, c, nil, 2)
	Exp(nil)
	Gates(0, 2, nil, nil, nil, nil, nil)
	GatesGradient(2, 0, nil, nil, nil, nil, nil, nil, nil)
	if !slices.Equal(c, []float32{1, 2, 3, 4}) {
		t.Errorf("empty products changed c to %v", c)
	}
}

// FuzzGemm holds the assembly against gonum.
func FuzzGemm(f *testing.F) {
	if !accelerated() {
		f.Skip("nothing to hold plain Go against: this processor or build runs no assembly")
	}
	f.Add(uint8(7), uint8(17), uint16(65), uint8(0), uint64(1), false)
	f.Add(uint8(1), uint8(130), uint16(300), uint8(5), uint64(2), true)
	f.Fuzz(func(t *testing.T, m8, n8 uint8, k16 uint16, gap8 uint8, seed uint64, trans bool) {
		m, n, k, gap := int(m8), int(n8), int(k16%600), int(gap8%20)
		op, aRows, aCols := blas.NoTrans, m, k
		compute := Gemm
		if trans {
			op, aRows, aCols, compute = blas.Trans, k, m, GemmTA
		}
		lda, ldb, ldc := max(1, aCols+gap), max(1, n+gap), max(1, n+gap)
		a, b := matrix(seed, aRows, aCols, lda), matrix(seed+1, k, n, ldb)
		got := matrix(seed+2, m, n, ldc)
		want := slices.Clone(got)
		affineIsGemm(t, m, n, k, int(k16%37), gap, seed)
		compute(m, n, k, a, lda, b, ldb, got, ldc)
		plainGemm(op, m, n, k, a, lda, b, ldb, want, ldc)
		// Normal factors: a sum's error grows as its number of terms at most.
		bound := 1e-6 * float64(k+10)
		for i := range got {
			if x, y := float64(got[i]), float64(want[i]); math.IsNaN(x) != math.IsNaN(y) || math.Abs(x-y) > bound {
				t.Fatalf("m=%d n=%d k=%d gap=%d trans=%v: element %d is %v, of gonum %v", m, n, k, gap, trans, i, x, y)
			}
		}
	})
}
