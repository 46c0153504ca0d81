package backtest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
)

// calibrated are the forecasts of origins, in order, as a live loop would have
// made them.
func calibrated(t *testing.T, plans []backtest.Plan, f forecast.Forecaster) []forecast.Forecast {
	t.Helper()
	var out []forecast.Forecast
	result, err := backtest.Run(t.Context(), plans, f, backtest.Options{
		Online: 15 * time.Minute, Batch: 7, Calls: 3,
		OnForecast: func(_ forecast.Series, f forecast.Forecast) error {
			out = append(out, f)
			return f.Check()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Forecaster != f.Name()+", calibrated" || result.Forecasts != len(out) {
		t.Errorf("%d forecasts by %q, want %d by %q", result.Forecasts, result.Forecaster, len(out), f.Name()+", calibrated")
	}
	return out
}

// low says half of what it should.
type low struct{ forecast.Forecaster }

func (l low) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out, err := l.Forecaster.Forecast(batch)
	for _, f := range out {
		for _, rows := range [][]forecast.Quantiles{f.Steps, f.Peaks} {
			for i := range rows {
				for j := range rows[i] {
					rows[i][j] /= 2
				}
			}
		}
	}
	return out, err
}

// Only origins are scored, and what was learned before them counts.
func TestRunOnline(t *testing.T) {
	plans := choose(t, history("a", 5000), history("b", 4500))
	plans[1].Origins[0] = plans[1].Origins[0].Add(2 * time.Minute) // off the grid of the others
	by := low{baseline.LastValue()}
	var want, got []time.Time
	for _, p := range plans {
		want = append(want, p.Origins...)
	}
	for _, f := range calibrated(t, plans, by) {
		got = append(got, f.Origin)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	plain, err := backtest.Run(t.Context(), plans, by, backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	online, err := backtest.Run(t.Context(), plans, by, backtest.Options{Online: 15 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, b := plain.Overall.Horizons[3], online.Overall.Horizons[3]
	if b.CRPSRatio > a.CRPSRatio/2 || b.Coverage[1].Share < 0.9 {
		t.Errorf("calibrated: CRPS %.3f, 0.95 covers %.3f; not: %.3f, %.3f; want half the CRPS and 0.9", b.CRPSRatio, b.Coverage[1].Share, a.CRPSRatio, a.Coverage[1].Share)
	}
	for _, every := range []time.Duration{-time.Minute, 90 * time.Second} {
		if _, err := backtest.Run(context.Background(), plans, by, backtest.Options{Online: every}); err == nil {
			t.Errorf("no error for forecasts every %v", every)
		}
	}
}

// What is learned online is from before each origin: scrambling what follows
// one changes no forecast up to it, and those after it.
func TestOnlineDoesNotLeak(t *testing.T) {
	plans := choose(t, history("a", 5000), history("bb", 5000))
	scrambled := slices.Clone(plans)
	cut := map[forecast.Workload]time.Time{}
	r := rand.New(rand.NewPCG(3, 3))
	for i, p := range plans {
		at := p.Origins[len(p.Origins)/2]
		cut[p.History.Workload] = at
		values := slices.Clone(p.History.Values)
		for k := p.History.Index(at) + 1; k < len(values); k++ {
			values[k] *= 4 * r.Float64()
		}
		scrambled[i].History.Values = values
	}
	before, after := calibrated(t, plans, baseline.LastValue()), calibrated(t, scrambled, baseline.LastValue())
	for i, f := range before {
		same := cmp.Equal(f, after[i])
		if late := f.Origin.After(cut[f.Workload]); same == late {
			t.Errorf("%s at %v, cut at %v: the same is %v", f.Workload, f.Origin, cut[f.Workload], same)
		}
	}
}
