package forecasttest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

// NoLeak checks that a backtest of the forecaster uses nothing that comes after
// an origin. It forecasts histories twice, the second time with all that
// follows a cut scrambled: shuffled, multiplied, and some of it missing.
// Forecasts from origins up to the cut must be the same, and those from later
// ones must not be, or the check would show nothing. Without histories it takes
// some of its own, which last ten days.
func NoLeak(t *testing.T, newForecaster func() forecast.Forecaster, histories ...forecast.History) {
	t.Helper()
	if len(histories) == 0 {
		histories = []forecast.History{
			history("small", rhythm(10*day, 0.5)),
			history("large", rhythm(10*day, 300)),
			history("gaps", missing(rhythm(10*day, 20), 8*day, 8*day+3*hour)),
		}
	}
	var plans, scrambled []backtest.Plan
	cut := map[forecast.Workload]time.Time{}
	for i, h := range histories {
		p, err := backtest.Choose(h)
		if err != nil {
			t.Fatal(err)
		}
		p.Origins = everyThird(p.Origins)
		at := p.Origins[len(p.Origins)/2]
		cut[h.Workload] = at
		plans = append(plans, p)
		p.History.Values = scramble(h.Values, h.Index(at)+1, uint64(i))
		scrambled = append(scrambled, p)
	}
	before, after := collect(t, plans, newForecaster()), collect(t, scrambled, newForecaster())
	if len(before) != len(after) {
		t.Fatalf("%d forecasts before and %d after what follows the cut was scrambled", len(before), len(after))
	}
	later, changed := 0, 0
	for i, f := range before {
		d := Difference(after[i], f)
		switch {
		case f.Origin.After(cut[f.Workload]):
			later++
			if d > 1e-6 {
				changed++
			}
		case d > 1e-6:
			t.Errorf("%s at %v: what comes after %v changes the forecast by %g of the rate", f.Workload, f.Origin, cut[f.Workload], d)
		}
	}
	if 2*changed < later {
		t.Errorf("%d of %d forecasts changed with the history they are from, want most: the check shows nothing", changed, later)
	}
}

func collect(t *testing.T, plans []backtest.Plan, f forecast.Forecaster) []forecast.Forecast {
	t.Helper()
	var out []forecast.Forecast
	_, err := backtest.Run(t.Context(), plans, f, backtest.Options{
		// Batches hold origins on both sides of the cut.
		Batch: 20,
		OnForecast: func(_ forecast.Series, f forecast.Forecast) error {
			out = append(out, f)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everyThird keeps the check quick.
func everyThird(origins []time.Time) []time.Time {
	var kept []time.Time
	for i := 0; i < len(origins); i += 3 {
		kept = append(kept, origins[i])
	}
	return kept
}

func scramble(values []float64, from int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 23))
	out := slices.Clone(values)
	tail := out[from:]
	r.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
	for i := range tail {
		tail[i] *= math.Exp2(6*r.Float64() - 3)
		if r.Float64() < 0.02 {
			tail[i] = math.NaN()
		}
	}
	return out
}
