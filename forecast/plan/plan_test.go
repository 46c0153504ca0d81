package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// script is a forecaster that forecasts level at every step, and can fail.
type script struct {
	name  string
	level float64
	// fail is asked for each history; nil never fails.
	fail func(forecast.History) error
	// bend changes a forecast before it is given.
	bend func(*forecast.Forecast)
	// calls are the sizes of the batches asked for.
	calls *[]int
}

func (s script) Name() string { return s.name }

func (s script) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	if s.calls != nil {
		*s.calls = append(*s.calls, len(batch))
	}
	var out []forecast.Forecast
	for _, h := range batch {
		if s.fail != nil {
			if err := s.fail(h); err != nil {
				return nil, err
			}
		}
		steps := make([]forecast.Quantiles, forecast.Horizon)
		for i := range steps {
			for j := range steps[i] {
				steps[i][j] = s.level
			}
		}
		f := forecast.Forecast{Workload: h.Workload, Origin: h.Origin(), Steps: steps, Peaks: forecast.RunningPeaks(steps), By: s.name}
		if s.bend != nil {
			s.bend(&f)
		}
		out = append(out, f)
	}
	return out, nil
}

// history has n known steps of rate, the last one complete at noon.
func history(name string, n int, rate float64) forecast.History {
	return forecast.History{
		Workload: forecast.Workload{Namespace: "shop", Name: name},
		Series:   forecast.Series{Start: noon.Add(-time.Duration(n) * time.Minute), Values: slices.Repeat([]float64{rate}, n)},
	}
}

func policy() replica.Policy {
	p := replica.Defaults()
	p.TargetPerPod = 10
	return p
}

func TestLadder(t *testing.T) {
	net := script{name: "net", level: 200}
	base := script{name: "base", level: 100}
	sick := errors.New("sick")
	failing := func(forecast.History) error { return sick }
	f := func(name string, p Planner, h forecast.History, wantRung Rung, wantValue float64, wantWhy string) {
		t.Helper()
		r := p.Plan(noon, []Input{{h, policy()}})[0]
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
			return
		}
		if r.Rung != wantRung || r.Value != wantValue {
			t.Errorf("%s: rung %q with value %v, want %q with %v", name, r.Rung, r.Value, wantRung, wantValue)
		}
		if (wantWhy == "") != (r.Why == "") || !strings.Contains(r.Why, wantWhy) {
			t.Errorf("%s: why %q, want %q", name, r.Why, wantWhy)
		}
		if (r.Forecast == nil) != (r.Rung == RungObserved) {
			t.Errorf("%s: forecast %v on rung %q", name, r.Forecast, r.Rung)
		}
		if (r.Model == "v1") != (r.Rung == RungNetwork || r.Rung == RungPrior) {
			t.Errorf("%s: model %q on rung %q", name, r.Model, r.Rung)
		}
	}
	f("network", Planner{Network: net, Version: "v1", Baseline: base}, history("a", 60, 50), RungNetwork, 200, "")
	f("no model", Planner{Version: "v1", Baseline: base}, history("a", 60, 50), RungBaseline, 100, "no trained model yet")
	f("prior", Planner{Network: net, Prior: true, Version: "v1", NoNetwork: "the store is empty", Baseline: base}, history("a", 60, 50), RungPrior, 200, "the store is empty")
	f("prior and no why", Planner{Network: net, Prior: true, Version: "v1"}, history("a", 60, 50), RungPrior, 200, "no trained model yet")
	f("prior fails", Planner{Network: script{name: "net", fail: failing}, Prior: true, Baseline: base}, history("a", 60, 50), RungBaseline, 100, "no trained model yet; prior failed: sick")
	f("no model and why", Planner{NoNetwork: "the store is empty", Baseline: base}, history("a", 60, 50), RungBaseline, 100, "the store is empty")
	f("short", Planner{Network: net, Baseline: base}, history("a", 9, 50), RungBaseline, 100, "history too short: 9 known minutes, the model wants 10")
	f("model fails", Planner{Network: script{name: "net", fail: failing}, Baseline: base}, history("a", 60, 50), RungBaseline, 100, "model failed: sick")
	f("model panics", Planner{Network: script{name: "net", fail: func(forecast.History) error { panic("shape") }}, Baseline: base},
		history("a", 60, 50), RungBaseline, 100, "model failed: net: panic: shape")
	f("forecast fails its check", Planner{Network: script{name: "net", bend: func(f *forecast.Forecast) { f.Steps[3][2] = math.NaN() }}, Baseline: base},
		history("a", 60, 50), RungBaseline, 100, "step 4 has quantiles")
	f("forecast of another", Planner{Network: script{name: "net", bend: func(f *forecast.Forecast) { f.Workload.Name = "b" }}, Baseline: base},
		history("a", 60, 50), RungBaseline, 100, "want one of shop/a")
	f("both fail", Planner{Network: script{name: "net", fail: failing}, Baseline: script{name: "base", fail: failing}},
		history("a", 60, 50), RungObserved, 50, "model failed: sick; baseline failed: sick")
	f("neither exists", Planner{}, history("a", 60, 50), RungObserved, 50, "no trained model yet; baseline failed: there is none")
	f("never below observed", Planner{Network: net, Version: "v1"}, history("a", 60, 321), RungNetwork, 321, "")

	for name, h := range map[string]forecast.History{
		"empty":   {Workload: forecast.Workload{Name: "a"}},
		"unknown": history("a", 60, math.NaN()),
	} {
		r := Planner{Network: net, Baseline: base}.Plan(noon, []Input{{h, policy()}})[0]
		if !errors.Is(r.Err, replica.ErrNothingKnown) {
			t.Errorf("%s history: %v, want %v", name, r.Err, replica.ErrNothingKnown)
		}
	}
}

// TestOneSpoilsNobody: what one history does to a batch stays its own.
func TestOneSpoilsNobody(t *testing.T) {
	var calls []int
	p := Planner{
		Network: script{name: "net", level: 200, calls: &calls, fail: func(h forecast.History) error {
			if h.Workload.Name == "w7" {
				return errors.New("odd")
			}
			return nil
		}},
		Baseline: script{name: "base", level: 100},
	}
	var batch []forecast.History
	for i := range Batch + 10 {
		batch = append(batch, history(fmt.Sprintf("w%d", i), 60, 50))
	}
	for i, o := range p.Forecast(batch) {
		want := RungNetwork
		if i == 7 {
			want = RungBaseline
		}
		if o.Rung != want || o.Forecast.Workload != batch[i].Workload {
			t.Errorf("history %d: rung %q of %v, want %q", i, o.Rung, o.Forecast.Workload, want)
		}
	}
	if calls[0] != Batch || calls[len(calls)-1] != 10 {
		t.Errorf("batches of %v, want first %d and last 10", calls, Batch)
	}
}

// TestFutureIsNotSeen: Plan at an instant is the same whatever comes after it.
func TestFutureIsNotSeen(t *testing.T) {
	p := Planner{Network: script{name: "net", level: 1}}
	h := history("a", 60, 50)
	h.Values = append(slices.Clip(h.Values), 9e9, 9e9)
	r := p.Plan(noon.Add(30*time.Second), []Input{{h, policy()}})[0]
	if r.Err != nil || r.Value != 50 || !r.Forecast.Origin.Equal(noon.Add(-time.Minute)) || !r.ObservedAt.Equal(noon) {
		t.Errorf("value %v from %v, observed at %v, %v; want 50 from 11:59, observed at 12:00", r.Value, r.Forecast.Origin, r.ObservedAt, r.Err)
	}
}

// TestSilence walks through an outage of the metrics store that begins at noon.
func TestSilence(t *testing.T) {
	o := Planner{Network: script{name: "net", level: 40}}.Forecast([]forecast.History{history("a", 60, 50)})[0]
	obs := Observation{Rate: 50, At: noon}
	f := func(after time.Duration, mode replica.Mode, o Outlook, wantRung Rung, wantValue float64, wantErr string) {
		t.Helper()
		p := policy()
		p.Mode = mode
		d, err := Decide(noon.Add(after), forecast.Workload{Name: "a"}, p, obs, o)
		if wantErr != "" {
			if !errors.Is(err, replica.ErrNothingKnown) || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("after %v: error %v, want %v with %q", after, err, replica.ErrNothingKnown, wantErr)
			}
			return
		}
		if err != nil || d.Rung != wantRung || d.Value != wantValue {
			t.Errorf("after %v: rung %q, value %v, %v; want %q, %v", after, d.Rung, d.Value, err, wantRung, wantValue)
		}
	}
	// With a forecast the last observation is a floor as long as it holds: the
	// origin is 11:59, its last step ends at 13:00, the lead is 5 minutes.
	f(0, replica.Max, o, RungNetwork, 50, "")
	f(30*time.Minute, replica.Max, o, RungNetwork, 50, "")
	f(55*time.Minute-time.Second, replica.Max, o, RungNetwork, 50, "")
	f(55*time.Minute, replica.Max, o, "", 0, "last observed 55 min ago, more than 5m0s; the newest forecast is from 2026-03-02 11:59 UTC and no longer covers the lead window of 5m0s")
	// Without one it counts while it is fresh.
	none := Outlook{Rung: RungObserved, Why: "no trained model yet"}
	f(Fresh, replica.Max, none, RungObserved, 50, "")
	f(Fresh+time.Second, replica.Max, none, "", 0, "no trained model yet")
	// Where the forecast must not act, only a fresh observation does.
	f(Fresh, replica.ForecastOnly, o, RungNetwork, 50, "")
	f(Fresh+time.Second, replica.ForecastOnly, o, "", 0, "mode forecast-only keeps the forecast from acting")

	// An idle workload is idle while that is fresh, and then unknown.
	idle := Planner{Network: script{name: "net", level: 0}}.Forecast([]forecast.History{history("a", 60, 0)})[0]
	obs = Observation{Rate: 0, At: noon}
	f(Fresh, replica.Max, idle, RungNetwork, 0, "")
	f(Fresh+time.Second, replica.Max, idle, "", 0, "that it is idle is not concluded from a forecast alone")

	obs = Observation{Rate: math.NaN()}
	f(0, replica.Max, o, RungNetwork, 40, "")
	f(0, replica.Max, Outlook{}, "", 0, "its load was never observed; no forecast was made yet")
	for _, bad := range []float64{-1, math.Inf(1), math.Inf(-1)} {
		obs = Observation{Rate: bad, At: noon}
		f(0, replica.Max, o, RungNetwork, 40, "")
	}
}

// TestNoForecastFromSilence: a history that ends in silence is not forecast
// from.
func TestNoForecastFromSilence(t *testing.T) {
	p := Planner{Network: script{name: "net", level: 40}}
	f := func(missing int, want Rung) {
		t.Helper()
		h := history("a", 60, 50)
		for i := range missing {
			h.Values[len(h.Values)-1-i] = math.NaN()
		}
		if o := p.Forecast([]forecast.History{h})[0]; o.Rung != want {
			t.Errorf("%d minutes missing: rung %q (%s), want %q", missing, o.Rung, o.Why, want)
		}
	}
	f(0, RungNetwork)
	f(5, RungNetwork)
	f(6, RungObserved)
}

func TestTry(t *testing.T) {
	batch := []forecast.History{history("a", 60, 50), history("b", 60, 50)}
	if err := Try(script{name: "net", level: 1}, batch); err != nil {
		t.Errorf("a sound forecaster: %v", err)
	}
	odd := script{name: "net", bend: func(f *forecast.Forecast) {
		if f.Workload.Name == "b" {
			f.Peaks = nil
		}
	}}
	if err := Try(odd, batch); err == nil || !strings.Contains(err.Error(), "shop/b") {
		t.Errorf("one that fails on b: %v", err)
	}
	if err := Try(nil, batch); err == nil {
		t.Error("none at all: no error")
	}
}

func TestSentence(t *testing.T) {
	net := Planner{Network: script{name: "net", level: 123.4}, Version: "v1", Baseline: script{name: "seasonal-naive-day", level: 123.4}}
	blind := Planner{Baseline: net.Baseline}
	f := func(name string, p Planner, rate float64, change func(*replica.Policy), after time.Duration, want string) {
		t.Helper()
		pol := policy()
		if change != nil {
			change(&pol)
		}
		h := history("a", 60, rate)
		d, err := Decide(noon.Add(after), h.Workload, pol, Observation{Rate: rate, At: noon}, p.Forecast([]forecast.History{h})[0])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if got := d.Sentence(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("forecast", net, 50, nil, 0,
		"13 replicas for 123 req/s: with 95 % certainty the load stays below 123 req/s for the next 5 min; now it is 50 req/s. One pod carries 10 req/s.")
	f("observed", net, 200, nil, 0,
		"20 replicas for 200 req/s, the load as observed: the forecast peak of the next 5 min, 123 req/s, is not higher. One pod carries 10 req/s.")
	f("one replica", net, 0.05, func(p *replica.Policy) { p.Mode = replica.ForecastOnly }, 0,
		"1 replica for 0.05 req/s, the load as observed: mode forecast-only keeps the forecast from asking for 123 req/s (13 replicas). One pod carries 10 req/s.")
	f("nobody's", net, 50, func(p *replica.Policy) { p.TargetPerPod, p.Quantile = 0, 0.5 }, 0,
		"Ready for 123 req/s: with 50 % certainty the load stays below 123 req/s for the next 5 min; now it is 50 req/s.")
	f("baseline, silent", blind, 150.25, nil, 12*time.Minute,
		"16 replicas for 150 req/s, the load as observed: the forecast peak of the next 5 min, 123 req/s, is not higher. One pod carries 10 req/s."+
			" The forecast is the baseline's (seasonal-naive-day): no trained model yet. The load was last observed 12 min ago.")
	brought := net
	brought.Prior = true
	f("prior", brought, 50, nil, 0,
		"13 replicas for 123 req/s: with 95 % certainty the load stays below 123 req/s for the next 5 min; now it is 50 req/s. One pod carries 10 req/s."+
			" The forecast is that of the network that Foretide brings, which never saw this traffic: no trained model yet.")
	f("observed alone", Planner{}, 50, nil, 30*time.Second,
		"5 replicas for 50 req/s, the load as observed. One pod carries 10 req/s. There is no forecast: no trained model yet; baseline failed: there is none.")
}
