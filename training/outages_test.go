package training_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/training"
)

// troubled gives histories the incidents of a bad fortnight: outages of half an
// hour to ten, one of a day, gaps with half-counted edges, and a level that is
// lower before the middle.
func troubled(histories []forecast.History) []forecast.History {
	histories = slices.Clone(histories)
	for k, h := range histories {
		r := rand.New(rand.NewPCG(9, uint64(k)))
		v := slices.Clone(h.Values)
		histories[k].Values = v
		scale := func(from, steps int, by float64) {
			for i := from; i < min(from+steps, len(v)); i++ {
				v[i] *= by
			}
		}
		scale(0, len(v)/3+r.IntN(len(v)/3), 0.5)
		for range 4 {
			scale(r.IntN(len(v)), int(30*math.Pow(20, r.Float64())), 0)
		}
		scale(r.IntN(len(v)), 1440, 0)
		for range 4 {
			from, steps := 1+r.IntN(len(v)-300), 10+r.IntN(170)
			scale(from-1, 1, 0.4)
			scale(from+steps, 1, 3)
			scale(from, steps, math.NaN())
		}
	}
	return histories
}

// BenchmarkOutages trains on two weeks of the shop, and on the same with
// incidents, with and without masking, and scores each network on the three
// days that follow, which have none: CRPS as a ratio to the seasonal naive's.
func BenchmarkOutages(b *testing.B) {
	all := synthetic.Shop(1, start).History(start, start.AddDate(0, 0, 17))
	var past []forecast.History
	var plans []backtest.Plan
	for _, h := range all {
		past = append(past, forecast.History{Workload: h.Workload, Series: h.Between(start, start.AddDate(0, 0, 14))})
		p := backtest.Plan{History: h, TrainEnd: start.AddDate(0, 0, 14).Add(-forecast.Step)}
		for i := range 70 {
			p.Origins = append(p.Origins, p.TrainEnd.Add(time.Duration(i)*61*forecast.Step))
		}
		plans = append(plans, p)
	}
	score := func(histories []forecast.History, find func(forecast.History) []mask.Span) float64 {
		r := open(b, "mem://")
		o := options(r, histories)
		o.Budget, o.Mask = 90*time.Second, find
		report, err := training.Run(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		_, weights, err := r.Get(b.Context(), report.Version.ID)
		if err != nil {
			b.Fatal(err)
		}
		model, err := lstm.Decode(bytes.NewReader(weights))
		if err != nil {
			b.Fatal(err)
		}
		result, err := backtest.Run(b.Context(), plans, model, backtest.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return float64(result.Overall.Horizons[accuracy.All].CRPSRatio)
	}
	for b.Loop() {
		clean := score(past, nil)
		learnt := score(troubled(past), nil)
		masked := score(troubled(past), mask.Find)
		b.ReportMetric(clean, "crps-clean")
		b.ReportMetric(learnt, "crps-learnt")
		b.ReportMetric(masked, "crps-masked")
	}
}
