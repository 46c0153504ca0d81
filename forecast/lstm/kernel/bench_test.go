package kernel

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/blas"
)

// BenchmarkGemm times products of the shapes that training and forecasting
// meet, each round ours and gonum's one after the other, so that the ratio
// means something on a machine that others use too.
func BenchmarkGemm(b *testing.B) {
	run := func(name string, m, n, k int, ours, gonum func(a, w, c []float32)) {
		b.Run(fmt.Sprintf("%s/m=%d,n=%d,k=%d", name, m, n, k), func(b *testing.B) {
			a, w, c := noise(1, m*k), noise(2, k*n), make([]float32, m*n)
			compare(b, 2*float64(m)*float64(n)*float64(k), func() { ours(a, w, c) }, func() { gonum(a, w, c) })
		})
	}
	plain := func(m, n, k int) {
		run("plain", m, n, k,
			func(a, w, c []float32) { Gemm(m, n, k, a, k, w, n, c, n) },
			func(a, w, c []float32) { plainGemm(blas.NoTrans, m, n, k, a, k, w, n, c, n) })
	}
	packed := func(m, n, k int) {
		p := make([]float32, PackedLen(k, n))
		PackB(p, k, n, noise(2, k*n), n)
		run("packed", m, n, k,
			func(a, _, c []float32) { GemmPacked(m, n, k, a, k, p, c, n) },
			func(a, w, c []float32) { plainGemm(blas.NoTrans, m, n, k, a, k, w, n, c, n) })
	}
	ta := func(m, n, k int) {
		run("ta", m, n, k,
			func(a, w, c []float32) { GemmTA(m, n, k, a, m, w, n, c, n) },
			func(a, w, c []float32) { plainGemm(blas.Trans, m, n, k, a, m, w, n, c, n) })
	}
	for _, m := range []int{64, 256} { // the recurrence
		plain(m, 256, 64)
		packed(m, 256, 64)
	}
	plain(3840, 256, 9) // the inputs of all steps
	plain(3840, 256, 24)
	ta(64, 256, 3840) // the weights' gradients
	ta(9, 256, 3840)
	plain(64, 64, 256) // the hidden state's
	packed(64, 64, 256)
	plain(64, 128, 64) // dense layers
	plain(64, 900, 400)
	plain(64, 60, 128)
	plain(1, 256, 64) // a single workload
	plain(1, 900, 400)
	packed(1, 900, 400)
}

// BenchmarkGates times a step's non-linearities, forward and back, against the
// plain Go.
func BenchmarkGates(b *testing.B) {
	for _, batch := range []int{1, 64, 256} {
		const h = 64
		s := newCell(1, h, batch)
		b.Run(fmt.Sprintf("forward/h=%d,batch=%d", h, batch), func(b *testing.B) {
			compare(b, 0,
				func() { Gates(h, batch, s.z, s.prevC, s.c, s.tanhC, s.hOut) },
				func() { plainGates(h, batch, s.z, s.prevC, s.c, s.tanhC, s.hOut) })
		})
		b.Run(fmt.Sprintf("back/h=%d,batch=%d", h, batch), func(b *testing.B) {
			compare(b, 0,
				func() { GatesGradient(h, batch, s.z, s.tanhC, s.prevC, s.dh, s.dHnext, s.dC, s.dGates) },
				func() { plainGatesGradient(h, batch, s.z, s.tanhC, s.prevC, s.dh, s.dHnext, s.dC, s.dGates) })
			clear(s.dC) // lest it grow without end
		})
	}
}

// compare runs ours and the other alternately and reports the median time of
// ours, and how many times that of the other it fits into.
func compare(b *testing.B, flops float64, ours, other func()) {
	ours()
	other()
	var of, og []float64
	for b.Loop() {
		at := time.Now()
		ours()
		mid := time.Now()
		other()
		of, og = append(of, mid.Sub(at).Seconds()), append(og, time.Since(mid).Seconds())
	}
	slices.Sort(of)
	slices.Sort(og)
	o, g := of[len(of)/2], og[len(og)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(o*1e6, "us")
	if flops > 0 {
		b.ReportMetric(flops/o/1e9, "GFLOPS")
	}
	b.ReportMetric(g/o, "times-faster")
}
