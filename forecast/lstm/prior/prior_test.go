package prior_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/forecasttest"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/synthetic"
)

func load(t *testing.T) *lstm.Model {
	t.Helper()
	m, err := prior.Load()
	if errors.Is(err, lstm.ErrFormat) {
		t.Fatalf("%v\nThe features or the format have changed: make the weights again with 'make prior TRACES=DIR'.", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestIsUpToDate fails until the weights are made again for new features.
func TestIsUpToDate(t *testing.T) {
	load(t)
	if v := prior.Version(); len(v) != len("prior-12345678") || !strings.HasPrefix(v, "prior-") || !strings.HasPrefix(prior.Digest(), v[len("prior-"):]) {
		t.Errorf("version %q of digest %q: want prior- and its first eight digits", v, prior.Digest())
	}
}

func TestConformance(t *testing.T) {
	m := load(t)
	forecasttest.Conformance(t, func() forecast.Forecaster { return m })
}

func TestNoLeak(t *testing.T) {
	m := load(t)
	forecasttest.NoLeak(t, func() forecast.Forecaster { return m })
}

// TestBeatsSimpleForecasts scores an hour and a day of traffic that no seed of
// the prior made against the simple forecasts of the same history.
func TestBeatsSimpleForecasts(t *testing.T) {
	opening := time.Date(2027, time.May, 3, 0, 0, 0, 0, time.UTC)
	var plans []backtest.Plan
	for _, h := range synthetic.Assorted(977, 40, opening, 7).History(opening, opening.AddDate(0, 0, 7)) {
		if p, err := backtest.Choose(h); err == nil {
			plans = append(plans, p)
		}
	}
	for _, h := range synthetic.Shop(977, opening).History(opening, opening.AddDate(0, 0, 7)) {
		if p, err := backtest.Choose(h); err == nil {
			plans = append(plans, p)
		}
	}
	if len(plans) < 30 {
		t.Fatalf("%d series can be scored, want 30 or more", len(plans))
	}
	for i, p := range plans { // a few origins of each are enough
		few := p.Origins[:0]
		for k := i % 5; k < len(p.Origins); k += 5 {
			few = append(few, p.Origins[k])
		}
		plans[i].Origins = few
	}
	crps := func(f forecast.Forecaster, known time.Duration) float64 {
		result, err := backtest.Run(t.Context(), plans, f, backtest.Options{History: known})
		if err != nil {
			t.Fatal(err)
		}
		return float64(result.Overall.Horizons[3].CRPSRatio)
	}
	m := load(t)
	f := func(known time.Duration, want float64) {
		t.Helper()
		ours := crps(m, known)
		best := math.Min(crps(baseline.LastValue(), known), crps(baseline.EWMA(), known))
		t.Logf("%v of history: CRPS %.4f, the better of last value and EWMA %.4f", known, ours, best)
		if !(ours <= want*best) {
			t.Errorf("%v of history: CRPS %.4f, want at most %v of %.4f", known, ours, want, best)
		}
	}
	f(time.Hour, 1)
	f(24*time.Hour, 0.9)
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := prior.Load(); err != nil {
			b.Fatal(err)
		}
	}
}
