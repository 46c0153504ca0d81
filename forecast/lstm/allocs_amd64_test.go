//go:build !purego

package lstm

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/foretide/foretide/forecast"
)

// TestForecastAllocations: a run of the network allocates nothing, and a
// forecast only what it gives away: the slice of forecasts, and each one's
// steps and peaks.
func TestForecastAllocations(t *testing.T) {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		t.Skip("without AVX2 and FMA, gonum multiplies, and allocates")
	}
	z := standard()
	p := z.initial(rand.New(rand.NewPCG(1, 2)))
	e := newEngine(z, chunk)
	for _, n := range []int{1, 7, chunk} {
		e.resize(n)
		if a := testing.AllocsPerRun(10, func() { e.run(p) }); a != 0 {
			t.Errorf("a run of %d allocates %v times, want never", n, a)
		}
	}

	m := newModel(z, p)
	batch := make([]forecast.History, 100)
	for i := range batch {
		batch[i] = daily("cart", 8, float64(1+i))
	}
	// A garbage collection in between takes the engine out of its pool, which
	// then costs some 20 more; the race detector does so at random.
	least := 1e9
	for range 10 {
		least = min(least, testing.AllocsPerRun(1, func() {
			if _, err := m.Forecast(batch); err != nil {
				t.Fatal(err)
			}
		}))
	}
	if want := float64(1 + 2*len(batch)); least > want {
		t.Errorf("forecasting %d workloads allocates %v times, want %v", len(batch), least, want)
	}
}
