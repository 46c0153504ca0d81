package scaler

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/plan"
)

// shelf is a store of models in memory.
type shelf struct {
	mu       sync.Mutex // guards the rest
	champion string
	models   map[string]forecast.Forecaster
	fail     error
	loads    int
}

func (s *shelf) Champion(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return "", s.fail
	}
	if s.champion == "" {
		return "", ErrNoModel
	}
	return s.champion, nil
}

func (s *shelf) Load(_ context.Context, version string) (forecast.Forecaster, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	m, ok := s.models[version]
	if !ok {
		return nil, time.Time{}, errors.New("not found")
	}
	if m == nil {
		panic("slice bounds out of range")
	}
	return m, noon.Add(-time.Hour), nil
}

// broken gives forecasts that are not, in one way or another.
type broken struct {
	forecast.Forecaster
	how func([]forecast.Forecast) []forecast.Forecast
}

func (b broken) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out, err := b.Forecaster.Forecast(batch)
	return b.how(out), err
}

func TestWatcher(t *testing.T) {
	good := baseline.LastValue()
	s := &shelf{models: map[string]forecast.Forecaster{
		"v1": good, "v2": baseline.SeasonalNaiveDay(), "panics": nil,
		"short": broken{good, func(f []forecast.Forecast) []forecast.Forecast { return f[1:] }},
		"nan": broken{good, func(f []forecast.Forecast) []forecast.Forecast {
			f[0].Peaks[7][3] = math.NaN()
			return f
		}},
		"crash": broken{good, func([]forecast.Forecast) []forecast.Forecast { panic("shape") }},
	}}
	w := NewWatcher(s, Model{}, nil)
	if m := w.Model(); m.Forecaster != nil || m.Status.Err == "" {
		t.Errorf("before the first look: %+v, want no model and a reason", m)
	}
	now := noon
	f := func(champion string, fail error, wantVersion, wantErr string) {
		t.Helper()
		now = now.Add(time.Minute)
		s.champion, s.fail = champion, fail
		err := w.Check(t.Context(), now)
		m := w.Model()
		if m.Status.Version != wantVersion || (m.Forecaster != nil) != (wantVersion != "") {
			t.Errorf("champion %q: serving %q, want %q", champion, m.Status.Version, wantVersion)
		}
		if (err != nil) != (wantErr != "") || (m.Status.Err == "") != (wantErr == "") || !strings.Contains(m.Status.Err, wantErr) {
			t.Errorf("champion %q: %v and status %q, want %q", champion, err, m.Status.Err, wantErr)
		}
		if wantVersion != "" && m.Forecaster.Name() != s.models[wantVersion].Name() {
			t.Errorf("champion %q: the weights of %q and the name of %q", champion, m.Forecaster.Name(), wantVersion)
		}
	}
	f("", nil, "", "no trained model yet")
	f("", errors.New("connection refused"), "", "read champion: connection refused")
	f("gone", nil, "", `load model "gone": not found`)
	f("v1", nil, "v1", "")
	if m := w.Model().Status; !m.Loaded.Equal(now) || !m.Trained.Equal(noon.Add(-time.Hour)) {
		t.Errorf("status %+v, want loaded at %v", m, now)
	}
	loads := s.loads
	f("v1", nil, "v1", "")
	if s.loads != loads {
		t.Error("the model that serves was loaded again")
	}
	for champion, want := range map[string]string{
		"gone":   `load model "gone": not found`,
		"panics": "load model: panic: slice bounds",
		"short":  `try model "short": last-value: 0 forecasts for 1 histories`,
		"nan":    "peak 8 has quantiles",
		"crash":  "panic: shape",
	} {
		f(champion, nil, "v1", want)
	}
	f("v1", errors.New("connection refused"), "v1", "read champion: connection refused")
	f("", nil, "v1", "read champion: no trained model yet") // the store was emptied
	f("v2", nil, "v2", "")
	f("v1", nil, "v1", "") // rolled back
}

// TestNewModelForecastsFromTheNextMinute on, without a restart.
func TestNewModelForecastsFromTheNextMinute(t *testing.T) {
	s := &shelf{models: map[string]forecast.Forecaster{"v1": high{baseline.LastValue()}}}
	w := NewWatcher(s, Prior(nil, "", noon, ""), nil)
	_ = w.Check(t.Context(), noon)
	r := newRig(t, newStore(map[string]float64{"cart": 7}), func(o *Options) { o.Model = w.Model })
	f := func(after time.Duration, wantRung plan.Rung, wantModel, wantWhy string) {
		t.Helper()
		if err := r.at(t, after); err != nil {
			t.Fatal(err)
		}
		d := state(t, r.Snapshot(), "cart").Decisions[0]
		if d.Rung != wantRung || d.Model != wantModel || d.Why != wantWhy {
			t.Errorf("after %v: rung %q by %q, %q; want %q by %q, %q", after, d.Rung, d.Model, d.Why, wantRung, wantModel, wantWhy)
		}
	}
	f(0, plan.RungBaseline, "", "no trained model yet")
	s.champion = "v1"
	_ = w.Check(t.Context(), noon)
	f(time.Minute, plan.RungNetwork, "v1", "")
}

// TestPriorServesUntilAModelDoes through an empty store, one that is gone and a
// champion that cannot be read, and says why; it does not come back.
func TestPriorServesUntilAModelDoes(t *testing.T) {
	s := &shelf{models: map[string]forecast.Forecaster{"v1": baseline.LastValue()}}
	w := NewWatcher(s, Prior(high{baseline.LastValue()}, "prior-1a2b3c4d", noon, ""), nil)
	r := newRig(t, newStore(map[string]float64{"cart": 7}), func(o *Options) { o.Model = w.Model })
	minutes := time.Duration(0)
	f := func(wantRung plan.Rung, wantModel, wantWhy string) {
		t.Helper()
		if err := r.at(t, minutes*time.Minute); err != nil {
			t.Fatal(err)
		}
		minutes++
		d := state(t, r.Snapshot(), "cart").Decisions[0]
		if d.Rung != wantRung || d.Model != wantModel || d.Why != wantWhy {
			t.Errorf("rung %q by %q, %q; want %q by %q, %q", d.Rung, d.Model, d.Why, wantRung, wantModel, wantWhy)
		}
		if m := r.Snapshot().Model; m.Version != wantModel || m.Prior != (wantRung == plan.RungPrior) || m.Err != wantWhy {
			t.Errorf("status is %+v", m)
		}
	}
	f(plan.RungPrior, "prior-1a2b3c4d", "the model store was not read yet")
	check := func(champion string, fail error) {
		s.champion, s.fail = champion, fail
		_ = w.Check(t.Context(), noon)
	}
	check("", nil)
	f(plan.RungPrior, "prior-1a2b3c4d", "no trained model yet")
	check("", errors.New("connection refused"))
	f(plan.RungPrior, "prior-1a2b3c4d", "read champion: connection refused")
	check("gone", nil)
	f(plan.RungPrior, "prior-1a2b3c4d", `load model "gone": not found`)
	check("v1", nil)
	f(plan.RungNetwork, "v1", "")
	check("gone", nil)
	if m := w.Model().Status; m.Version != "v1" || m.Prior {
		t.Errorf("a model that was loaded gave way to %+v", m)
	}
}

// TestWatcherRunLooksAgainAndAgain, and a store that hangs holds it up no
// longer than one turn.
func TestWatcherRunLooksAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{models: map[string]forecast.Forecaster{"v1": baseline.LastValue()}}
		w := NewWatcher(s, Model{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx, 30*time.Second, time.Now) }()
		synctest.Wait()
		if err := w.Model().Status.Err; err != ErrNoModel.Error() {
			t.Errorf("at once: %q", err)
		}
		s.mu.Lock()
		s.champion = "v1"
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if m := w.Model(); m.Status.Version != "v1" || !m.Status.Loaded.Equal(time.Now()) {
			t.Errorf("after half a minute: %+v", m.Status)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}
