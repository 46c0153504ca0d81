package training

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/registry"
)

func result(name string, crps float64) backtest.Result {
	r := backtest.Result{Forecaster: name}
	r.Overall.Horizons[accuracy.All].CRPSRatio = accuracy.Figure(crps)
	return r
}

func TestDecide(t *testing.T) {
	nan := math.NaN()
	f := func(challenger, champion float64, c holder, want bool, reason string) {
		t.Helper()
		x := contest{results: []backtest.Result{result("lstm", challenger), result("last-value", 0.9), result("holt-winters", 0.5)}, champion: result("champion", champion)}
		if c.entry.Version == "beside a prior" {
			x.results = append(x.results, result(priorName, 0.4))
		}
		got, why := x.decide(c)
		if got != want || !strings.Contains(why, reason) {
			t.Errorf("decided %v, %q; want %v, %q", got, why, want, reason)
		}
	}
	none := holder{}
	there := holder{entry: registry.Promotion{Seq: 3, Version: "v3"}, model: &lstm.Model{}}
	broken := holder{entry: registry.Promotion{Seq: 3, Version: "v3"}, unreadable: errors.New("corrupt")}
	f(0.4, 0, none, true, "there is no champion, and CRPS 0.4000 is below the best baseline's 0.5000 (holt-winters)")
	f(0.5, 0, none, false, "but CRPS 0.5000 is not below the best baseline's 0.5000 (holt-winters)")
	f(nan, 0, none, false, "nothing could be measured")
	prior := none
	prior.entry.Version = "beside a prior"
	f(0.4, 0, prior, false, "there is no champion, but CRPS 0.4000 is not below the prior's 0.4000")
	f(0.39, 0, prior, true, "there is no champion, and CRPS 0.3900 is below the prior's 0.4000")
	f(0.4, 0.41, there, true, "below the champion's 0.4100 (v3)")
	f(0.6, 0.61, there, true, "below the champion's")
	f(0.4, 0.4, there, false, "not below the champion's 0.4000 (v3)")
	f(nan, 0.4, there, false, "nothing could be measured")
	f(0.4, 0, broken, true, "the champion cannot be used (corrupt)")
	f(0.6, 0, broken, false, "the champion cannot be used (corrupt)")
}

// Origins lie in the held-back time, each with its whole horizon, at every
// minute of the hour, and are as many as the budget pays for.
func TestPlans(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var histories []forecast.History
	for i := range 30 {
		h := forecast.History{Workload: forecast.Workload{Name: string(rune('a' + i))}, Series: forecast.Series{Start: start}}
		for j := range 30 * 1440 {
			h.Values = append(h.Values, float64(j%37))
		}
		histories = append(histories, h)
	}
	count := func(budget time.Duration) int {
		x := newContest(histories, 0.1, budget)
		if len(x.plans) != len(histories) {
			t.Fatalf("%d plans, want %d", len(x.plans), len(histories))
		}
		n := 0
		minutes := map[int]bool{}
		for _, p := range x.plans {
			fitted := p.History.Time(27 * 1440)
			if !p.TrainEnd.Before(fitted) {
				t.Errorf("train part ends %v, want before %v", p.TrainEnd, fitted)
			}
			for _, at := range p.Origins {
				if at.Before(fitted) || p.History.Index(at)+forecast.Horizon >= p.History.Len() {
					t.Errorf("origin %v, want from %v on with an hour after it", at, fitted)
				}
				minutes[at.Minute()] = true
			}
			n += len(p.Origins)
		}
		if n > 1000 && len(minutes) != 60 {
			t.Errorf("origins at %d minutes of the hour, want 60", len(minutes))
		}
		return n
	}
	if n := count(time.Hour); n < 2000 || n > maxOrigins {
		t.Errorf("%d origins with all the time there is", n)
	}
	if n := count(0); n > 2*minOrigins || n < len(histories) {
		t.Errorf("%d origins with no time", n)
	}
}
