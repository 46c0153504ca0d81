package kernel

import (
	"slices"
	"syscall"
	"testing"
	"unsafe"
)

// fenced copies s to where an unreadable page follows its last element, or
// precedes its first: whoever reads or writes beyond dies.
func fenced(t *testing.T, s []float32, behind bool) []float32 {
	t.Helper()
	page := syscall.Getpagesize()
	pages := max(1, (4*len(s)+page-1)/page)
	mem, err := syscall.Mmap(-1, 0, (pages+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatalf("map pages: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Errorf("unmap pages: %v", err)
		}
	})
	for _, fence := range [][]byte{mem[:page], mem[(pages+1)*page:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatalf("protect page: %v", err)
		}
	}
	from := page
	if behind {
		from = (pages+1)*page - 4*len(s)
	}
	out := unsafe.Slice((*float32)(unsafe.Pointer(&mem[from])), len(s))
	copy(out, s)
	return out
}

func TestReadsNothingOutside(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for m := 1; m <= 8; m++ {
			for _, n := range []int{1, 3, 8, 13, 16, 17, 64, 70} {
				for _, k := range []int{1, 5, 257} {
					a := fenced(t, noise(1, m*k), behind)
					b := fenced(t, noise(2, k*n), behind)
					c := fenced(t, noise(3, m*n), behind)
					packed := fenced(t, make([]float32, PackedLen(k, n)), behind)
					Gemm(m, n, k, a, k, b, n, c, n)
					GemmTA(m, n, k, a, m, b, n, c, n)
					PackBT(packed, k, n, b, k)
					PackB(packed, k, n, b, n)
					GemmPacked(m, n, k, a, k, packed, c, n)
					SumRows(k, n, b, n, c[:n])
					bias := fenced(t, noise(4, n), behind)
					Affine(m, n, k, a, k, 0, nil, 0, b, n, bias, c, n)
					if k > 1 {
						Affine(m, n, 1, fenced(t, noise(5, m), behind), 1, k-1, fenced(t, noise(6, m*(k-1)), behind), k-1, b, n, bias, c, n)
					}
					Exp(a)
				}
			}
			h, batch := 3*m-2, 3
			for _, first := range []bool{false, true} {
				s := newCell(1, h, batch)
				f := cell{}
				for i, p := range []*[]float32{&f.z, &f.prevC, &f.c, &f.tanhC, &f.hOut, &f.dh, &f.dHnext, &f.dC, &f.dGates} {
					x := s.arrays()[i]
					*p = fenced(t, x[:len(x)-guard], behind)
				}
				s.step(h, batch, first, false)
				f.step(h, batch, first, false)
				if !slices.Equal(f.dGates, s.dGates[:4*h*batch]) {
					t.Errorf("h=%d: other gradients beside an unreadable page", h)
				}
			}
		}
	}
}
