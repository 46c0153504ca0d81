//go:build unix

package lstm

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/foretide/foretide/forecast"
)

// BenchmarkLoop is what the forecast loop does once a minute: every workload's
// next hour from its last eight days, in batches as the planner makes them. It
// reports the processor time of ten thousand workloads, and how much more one
// of them takes than one of a hundred.
func BenchmarkLoop(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const (
		workloads = 10_000
		batch     = 256 // plan.Batch
		// The histories are a tenth of what the workloads would have: still
		// more than any cache holds, so each is read from memory, as a minute
		// after the last time.
		histories = 1000
		days      = 8
	)
	all := make([]forecast.History, histories)
	for i := range all {
		all[i] = daily(fmt.Sprintf("w%d", i), days, float64(1+i))
	}
	z := standard()
	m := newModel(z, z.initial(rand.New(rand.NewPCG(1, 2))))
	next := 0
	// each is the processor time a workload of n takes.
	each := func(b *testing.B, n int) float64 {
		return processorTime(b, func() {
			for left := n; left > 0; left -= min(batch, left) {
				part := make([]forecast.History, min(batch, left))
				for i := range part {
					part[i] = all[next]
					next = (next + 1) % histories
				}
				if _, err := m.Forecast(part); err != nil {
					b.Fatal(err)
				}
			}
		}) / float64(n)
	}
	b.Run("forecast-loop-10000", func(b *testing.B) {
		var spent []float64
		for b.Loop() {
			spent = append(spent, workloads*each(b, workloads))
		}
		for len(spent) < 5 {
			spent = append(spent, workloads*each(b, workloads))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(spent), "core-seconds")
	})
	b.Run("forecast-loop-10000/forecast-loop-100", func(b *testing.B) {
		var many, few, ratios []float64
		round := func() {
			// As long a time for both, alternately.
			var f float64
			for range workloads / 100 {
				f += each(b, 100) / (workloads / 100)
			}
			m := each(b, workloads)
			many, few, ratios = append(many, m), append(few, f), append(ratios, m/f)
		}
		for b.Loop() {
			round()
		}
		for len(ratios) < 5 {
			round()
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(1e6*median(many), "us")
		b.ReportMetric(1e6*median(few), "us-of-100")
		b.ReportMetric(median(ratios), "ratio")
	})
}
