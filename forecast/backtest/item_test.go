package backtest_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
)

// young are the forecasts of plans with a bounded history.
func young(t *testing.T, plans []backtest.Plan, o backtest.Options) []forecast.Forecast {
	t.Helper()
	var out []forecast.Forecast
	o.OnForecast = func(_ forecast.Series, f forecast.Forecast) error {
		out = append(out, f)
		return nil
	}
	if _, err := backtest.Run(t.Context(), plans, low{baseline.HoltWinters()}, o); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestHistoryIsAllThatIsKnown holds forecasts with a bounded history against
// those of series that begin there, calibrated and not.
func TestHistoryIsAllThatIsKnown(t *testing.T) {
	plans := choose(t, history("a", 4400), history("bb", 4300))
	for i := range plans {
		plans[i].Origins = plans[i].Origins[:5]
	}
	f := func(known, online time.Duration) {
		t.Helper()
		got := young(t, plans, backtest.Options{History: known, Online: online, Batch: 7})
		var want []forecast.Forecast
		for _, p := range plans {
			for _, at := range p.Origins {
				one := p
				one.Origins = []time.Time{at}
				one.History.Series = p.History.Between(at.Add(forecast.Step-known), p.History.End())
				want = append(want, young(t, []backtest.Plan{one}, backtest.Options{Online: online})...)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v of history, online %v (-want +got):\n%s", known, online, d)
		}
	}
	f(time.Hour, 0)
	f(7*time.Minute, 15*time.Minute)
	f(time.Hour, 15*time.Minute)
	f(24*time.Hour, 15*time.Minute)
}

func TestHistoryThatKnowsNothing(t *testing.T) {
	h := history("a", 4400)
	p := choose(t, h)[0]
	first := h.Index(p.Origins[0])
	for i := first - 90; i <= first; i++ {
		h.Values[i] = math.NaN()
	}
	whole := young(t, []backtest.Plan{p}, backtest.Options{})
	hour := young(t, []backtest.Plan{p}, backtest.Options{History: time.Hour})
	if len(whole) != len(p.Origins) || len(hour) != len(p.Origins)-1 || !hour[0].Origin.Equal(p.Origins[1]) {
		t.Errorf("%d forecasts, and %d of an hour of history from %v; want %d, and all of them but the first", len(whole), len(hour), hour[0].Origin, len(p.Origins))
	}
	for _, known := range []time.Duration{-time.Minute, 90 * time.Second} {
		if _, err := backtest.Run(t.Context(), []backtest.Plan{p}, baseline.LastValue(), backtest.Options{History: known}); err == nil {
			t.Errorf("no error for %v of history", known)
		}
	}
}
