package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAdam holds a few steps against the method as it is published, in float64,
// for lengths that fill no vector.
func TestAdam(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 64, 1001} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		// A number beyond the end shows whether anything touches it.
		w, m, v, g := noise(2, n+1), make([]float32, n+1), make([]float32, n+1), make([]float32, n+1)
		past := w[n]
		want, wantM, wantV := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range want {
			want[i] = float64(w[i])
		}
		for step := 1; step <= 5; step++ {
			s := AdamStep{
				Rate: 0.01, Decay1: 0.9, Decay2: 0.999, Epsilon: 1e-8,
				Bias1: 1 - math.Pow(0.9, float64(step)), Bias2: 1 - math.Pow(0.999, float64(step)),
			}
			for i := range want {
				// Some gradients are nothing: no division by zero.
				g[i] = float32(r.IntN(3)) * float32(r.NormFloat64())
				wantM[i] = 0.9*wantM[i] + 0.1*float64(g[i])
				wantV[i] = 0.999*wantV[i] + 0.001*float64(g[i])*float64(g[i])
				want[i] -= 0.01 * wantM[i] / s.Bias1 / (math.Sqrt(wantV[i]/s.Bias2) + 1e-8)
			}
			Adam(w[:n], g[:n], m[:n], v[:n], s)
			if slices.ContainsFunc(g, func(x float32) bool { return x != 0 }) {
				t.Fatalf("n=%d: the gradient is not cleared", n)
			}
		}
		for i := range want {
			if math.Abs(float64(w[i])-want[i]) > 1e-6*max(1, math.Abs(want[i])) {
				t.Fatalf("n=%d: weight %d is %v, want %v", n, i, w[i], want[i])
			}
		}
		if w[n] != past || m[n] != 0 || v[n] != 0 {
			t.Errorf("n=%d: written beyond the end", n)
		}
	}
}
