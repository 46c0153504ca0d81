package scaler

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
)

// slow forecasts only after a while.
type slow struct {
	forecast.Forecaster
	takes time.Duration
}

func (s slow) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	time.Sleep(s.takes)
	return s.Forecaster.Forecast(batch)
}

// running runs a loop of its own in virtual time. The bubble begins at
// midnight UTC.
func running(t *testing.T, s *store, o Options) (*Loop, func()) {
	t.Helper()
	s.since = time.Time{}
	if o.Open == nil {
		o.Open = func(LoadSpec) (Source, error) { return s, nil }
	}
	l, err := NewLoop(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { _ = l.Run(ctx) })
	return l, func() { cancel(); g.Wait() }
}

// TestRunStepsByTheClock: every full quarter of a minute, whatever the store
// and the model take.
func TestRunStepsByTheClock(t *testing.T) {
	f := func(name string, upset func(*store), model forecast.Forecaster) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(7 * time.Second) // the clock is not at a full interval
			s := newStore(map[string]float64{"cart": 7})
			l, stop := running(t, s, Options{Baseline: baseline.LastValue(), Model: func() Model { return Model{Forecaster: model} }})
			defer stop()
			time.Sleep(time.Minute)
			synctest.Wait()
			s.set(upset)
			for range 40 {
				time.Sleep(15 * time.Second)
				snap := l.Snapshot()
				// A store that hangs is waited for as long as a step may take.
				if age := time.Since(snap.At); age > 25*time.Second {
					t.Fatalf("%s: the snapshot is %v old", name, age)
				}
				if snap.At.Nanosecond() != 0 || snap.At.Second()%15 != 0 {
					t.Fatalf("%s: a step at %v", name, snap.At)
				}
				if len(state(t, snap, "cart").Decisions) != 1 {
					t.Fatalf("%s: %s", name, state(t, snap, "cart").Err)
				}
			}
		})
	}
	f("all is well", func(*store) {}, nil)
	f("the store fails", func(s *store) { s.fail = errors.New("refused") }, baseline.LastValue())
	f("the store hangs", func(s *store) { s.hang = true }, baseline.LastValue())
	f("the model takes minutes", func(*store) {}, slow{baseline.LastValue(), 3 * time.Minute})
}

// TestFirstContactIsTakenUpAtOnce: a trigger on what is known is answered by
// its first request, one with a source of its own before the next step is due.
func TestFirstContactIsTakenUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := running(t, newStore(map[string]float64{"cart": 7}), Options{})
		defer stop()
		time.Sleep(16 * time.Second)
		r := &rig{Loop: l, server: NewServer(l, []string{"istio", "linkerd"})}
		if v, err := metricOf(t, r, ref("cart")); err != nil || v.MetricValueFloat != 7 {
			t.Errorf("first request: %v, %v; want 7", v, err)
		}
		before := l.Snapshot().At
		if _, err := metricOf(t, r, ref("cart", "query", "up")); status.Code(err) != codes.Unavailable {
			t.Errorf("first request with a query: %v, want unavailable", err)
		}
		synctest.Wait() // no time passes
		if v, err := metricOf(t, r, ref("cart", "query", "up")); err != nil || v.MetricValueFloat != 7 {
			t.Errorf("second request with a query: %v, %v; want 7", v, err)
		}
		if after := l.Snapshot().At; after.Sub(before) > 2*time.Second {
			t.Errorf("answered by the step of %v", after)
		}
	})
}

func TestNewLoopRefusesWhatCannotBe(t *testing.T) {
	open := func(LoadSpec) (Source, error) { return newStore(nil), nil }
	for _, interval := range []time.Duration{7 * time.Second, time.Millisecond, 2 * time.Minute} {
		if _, err := NewLoop(Options{Open: open, Interval: interval}); err == nil || !strings.Contains(err.Error(), "divisor of a minute") {
			t.Errorf("interval %v: %v", interval, err)
		}
	}
	closed := func(LoadSpec) (Source, error) { return nil, errors.New("no such preset") }
	if _, err := NewLoop(Options{Open: closed}); err == nil || !strings.Contains(err.Error(), "no such preset") {
		t.Errorf("a default source that cannot be opened: %v", err)
	}
}
