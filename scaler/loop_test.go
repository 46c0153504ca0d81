package scaler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
)

// minuteOf gives each minute another rate, so that a shifted or lost step
// shows.
func minuteOf(at time.Time) float64 { return float64(at.Unix()/60%10007) + 1 }

// held checks that the history of a workload of the snapshot is what the store
// has for steps [from, to), but for what missing says.
func (r *rig) held(t *testing.T, name string, from, to time.Time, missing func(time.Time) bool) {
	t.Helper()
	w := state(t, r.Snapshot(), name)
	if !w.History.Start.Equal(from) || !w.History.End().Equal(to) {
		t.Errorf("%s: history from %v to %v, want %v to %v", name, w.History.Start, w.History.End(), from, to)
	}
	for i, v := range w.History.Values {
		at := w.History.Time(i)
		want := r.store.rate[shop(name)](at)
		if missing != nil && missing(at) {
			want = math.NaN()
		}
		if v != want && !(math.IsNaN(v) && math.IsNaN(want)) {
			t.Fatalf("%s: rate %v at %v, want %v", name, v, at, want)
		}
	}
}

func state(t *testing.T, s *Snapshot, name string) *WorkloadState {
	t.Helper()
	for _, w := range s.Workloads {
		if w.Workload == shop(name) {
			return w
		}
	}
	t.Fatalf("no workload %s in the snapshot", name)
	return nil
}

func TestHistoryIsReadAtTheStartAndGoesOn(t *testing.T) {
	s := newStore(map[string]float64{"cart": 0})
	s.rate[shop("cart")] = minuteOf
	r := newRig(t, s, nil)
	if err := r.at(t, 0); err != nil {
		t.Fatal(err)
	}
	r.held(t, "cart", noon.Add(-Retain), noon, nil)
	if src := r.Snapshot().Source; !src.Filled || src.Err != "" || !src.Answered.Equal(noon) || !src.Since.Equal(noon.Add(-Retain)) {
		t.Errorf("source %+v, want filled", src)
	}
	// From then on the rate of the full minute is the step: nothing else is
	// asked for.
	histories := s.histories
	r.steps(t, 0, 90*time.Minute)
	if s.histories != histories {
		t.Errorf("%d more histories asked for, want none", s.histories-histories)
	}
	r.held(t, "cart", noon.Add(time.Hour-Retain), noon.Add(90*time.Minute), nil)
}

// TestGapIsFilledLater: an outage leaves no hole when the store has the data
// after all, and missing steps where it has not.
func TestGapIsFilledLater(t *testing.T) {
	s := newStore(map[string]float64{"cart": 0, "pay": 0})
	s.rate[shop("cart")] = minuteOf
	lost := func(at time.Time) bool {
		return !at.Before(noon.Add(4*time.Minute)) && at.Before(noon.Add(20*time.Minute))
	}
	s.rate[shop("pay")] = func(at time.Time) float64 {
		if lost(at) {
			return math.NaN()
		}
		return minuteOf(at)
	}
	r := newRig(t, s, nil)
	_ = r.at(t, 0)
	s.set(func(s *store) { s.fail = errors.New("connection refused") })
	r.steps(t, 0, 30*time.Minute)
	if err := r.Snapshot().Source.Err; !strings.Contains(err, "read rates from the default preset: connection refused") {
		t.Errorf("source error %q", err)
	}
	s.set(func(s *store) { s.fail = nil })
	r.steps(t, 30*time.Minute, 31*time.Minute)
	r.held(t, "cart", noon.Add(-Retain), noon.Add(31*time.Minute), nil)
	r.held(t, "pay", noon.Add(-Retain), noon.Add(31*time.Minute), lost)
}

// TestLongOutageBeginsAnew: after more than is kept there is nothing to join.
func TestLongOutageBeginsAnew(t *testing.T) {
	s := newStore(map[string]float64{"cart": 0})
	s.rate[shop("cart")] = minuteOf
	r := newRig(t, s, nil)
	_ = r.at(t, 0)
	_ = r.at(t, Retain+3*time.Hour)
	r.held(t, "cart", noon.Add(3*time.Hour), noon.Add(Retain+3*time.Hour), nil)
}

// TestSlowStoreIsAskedForLess: pages that do not come in time are halved, and a
// step reads as many as it has time for.
func TestSlowStoreIsAskedForLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(map[string]float64{"cart": 0})
		s.rate[shop("cart")] = minuteOf
		s.most = 4 * time.Hour
		r := newRig(t, s, nil)
		for after := time.Duration(0); after < 3*time.Minute; after += 15 * time.Second {
			_ = r.at(t, after)
			if s := r.Snapshot(); s == nil || !s.At.Equal(noon.Add(after)) {
				t.Fatalf("no snapshot of %v", after)
			}
		}
		r.held(t, "cart", noon.Add(-Retain), noon.Add(2*time.Minute), nil)
	})
}

// TestAbsentIsMissing: a workload that the store no longer has is neither zero
// nor forecast from, and is let go of when nothing is left of it.
func TestAbsentIsMissing(t *testing.T) {
	s := newStore(map[string]float64{"cart": 7, "batch": 7})
	r := newRig(t, s, nil)
	_ = r.at(t, 0)
	s.set(func(s *store) {
		s.rate[shop("batch")] = func(at time.Time) float64 {
			if at.Before(noon) {
				return 7
			}
			return math.NaN()
		}
	})
	r.steps(t, 0, 10*time.Minute)
	w := state(t, r.Snapshot(), "batch")
	if v := w.History.At(noon.Add(5 * time.Minute)); !math.IsNaN(v) {
		t.Errorf("rate %v while absent, want none", v)
	}
	d := w.Decisions[0]
	if d.Value < 7 || d.ObservedAt.After(noon.Add(time.Minute)) || d.Forecast.Origin.After(noon.Add(plan.Fresh)) {
		t.Errorf("decided on %v, observed at %v, forecast from %v", d.Value, d.ObservedAt, d.Forecast.Origin)
	}
	_ = r.at(t, Retain+2*time.Hour)
	_ = r.at(t, Retain+2*time.Hour+time.Minute)
	if n := len(r.Snapshot().Workloads); n != 1 {
		t.Errorf("%d workloads, want cart alone", n)
	}
}

// TestNewWorkloadBeginsWhereItIsSeen first, and is forecast at once.
func TestNewWorkloadBeginsWhereItIsSeen(t *testing.T) {
	s := newStore(map[string]float64{"cart": 7})
	r := newRig(t, s, nil)
	_ = r.at(t, 0)
	s.set(func(s *store) { s.rate[shop("new")] = minuteOf })
	r.steps(t, 0, 2*time.Minute)
	r.held(t, "new", noon, noon.Add(2*time.Minute), nil)
	if w := state(t, r.Snapshot(), "new"); w.Err != "" || w.Decisions[0].Rung != plan.RungBaseline {
		t.Errorf("new workload: %q, %+v", w.Err, w.Decisions)
	}
}

// TestBoundOfWorkloads: beyond it only those that a trigger names are looked at.
func TestBoundOfWorkloads(t *testing.T) {
	load := map[string]float64{"zoo": 5}
	for i := range 20 {
		load[fmt.Sprintf("w%02d", i)] = 1
	}
	r := newRig(t, newStore(load), func(o *Options) { o.MaxWorkloads = 10 })
	if _, err := metricOf(t, r, ref("zoo")); status.Code(err) != codes.Unavailable {
		t.Fatalf("before the first step: %v", err)
	}
	_ = r.at(t, 0)
	if s := r.Snapshot(); len(s.Workloads) != 10 || s.Source.LeftOut != 11 {
		t.Errorf("%d workloads and %d left out, want 10 and 11", len(s.Workloads), s.Source.LeftOut)
	}
	if v, err := metricOf(t, r, ref("zoo")); err != nil || v.MetricValueFloat < 5 {
		t.Errorf("the one that a trigger names: %v, %v", v, err)
	}
}

// TestTriggersAreForgotten when KEDA asks no more, and taken up when it does.
func TestTriggersAreForgotten(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 7}), nil)
	_ = r.at(t, 0)
	for range 2 {
		if _, err := metricOf(t, r, ref("cart")); err != nil {
			t.Fatal(err)
		}
	}
	objects := func() (n int) {
		for _, d := range state(t, r.Snapshot(), "cart").Decisions {
			if d.ScaledObject == shop("cart-scaler") {
				n++
			}
		}
		return n
	}
	_ = r.at(t, forgetTrigger)
	if objects() != 1 {
		t.Errorf("%d decisions for the trigger, want 1", objects())
	}
	_ = r.at(t, forgetTrigger+time.Minute)
	if objects() != 0 {
		t.Errorf("%d decisions for the trigger after it was forgotten, want none", objects())
	}
	if _, err := metricOf(t, r, ref("cart")); err != nil || objects() != 1 {
		t.Errorf("asked for again: %v, %d decisions", err, objects())
	}
}

// TestTwoTriggersOfOneWorkload are answered each by its own policy, and one
// that reads its load from elsewhere is decided on from there.
func TestTwoTriggersOfOneWorkload(t *testing.T) {
	s, other := newStore(map[string]float64{"cart": 7}), newStore(map[string]float64{"cart": 70, "hidden": 1})
	opened := map[LoadSpec]int{}
	r := newRig(t, s, func(o *Options) {
		o.Preset = "istio"
		o.Open = func(spec LoadSpec) (Source, error) {
			opened[spec]++
			switch {
			case spec.Query == "bad":
				return nil, errors.New("no such query")
			case spec == LoadSpec{}:
				return s, nil
			}
			return other, nil
		}
	})
	_ = r.at(t, 0)
	f := func(want float64, pairs ...string) {
		t.Helper()
		v, err := metricOf(t, r, ref("cart", append(pairs, "mode", "forecast-only")...))
		if err != nil || v.MetricValueFloat != want {
			t.Errorf("%v: %v, %v; want %v", pairs, v, err, want)
		}
	}
	f(7)
	f(7, "preset", "istio", "quantile", "0.5")
	if _, err := metricOf(t, r, ref("cart", "preset", "linkerd", "mode", "forecast-only")); status.Code(err) != codes.Unavailable {
		t.Errorf("a source that was not read yet: %v", err)
	}
	if _, err := metricOf(t, r, ref("cart", "query", "bad")); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a source that cannot be: %v", err)
	}
	_ = r.at(t, 15*time.Second)
	f(70, "preset", "linkerd")
	f(7)
	if opened[LoadSpec{}] != 1 || opened[LoadSpec{Preset: "linkerd"}] != 1 || opened[LoadSpec{Preset: "istio"}] != 0 {
		t.Errorf("sources opened: %v", opened)
	}
	for _, w := range r.Snapshot().Workloads {
		if w.Workload == shop("hidden") {
			t.Errorf("%s is looked at, though no trigger names it in that source", w.Workload)
		}
	}
}

// TestPast holds each forecast against its step, once it has begun.
func TestPast(t *testing.T) {
	s := newStore(map[string]float64{"cart": 7})
	r := newRig(t, s, tenfold)
	_, _ = metricOf(t, r, ref("cart"))
	_ = r.at(t, 0)
	r.steps(t, 0, 8*time.Hour)
	past := state(t, r.Snapshot(), "cart").Past
	if len(past) != PastSteps {
		t.Fatalf("%d steps, want %d", len(past), PastSteps)
	}
	_, _ = metricOf(t, r, ref("cart"))
	for i, p := range past {
		if want := noon.Add(8*time.Hour - time.Duration(PastSteps-1-i)*time.Minute); !p.At.Equal(want) {
			t.Fatalf("past %d is of %v, want %v", i, p.At, want)
		}
		if p.Quantiles[forecast.Median] != 70 {
			t.Fatalf("forecast of %v for %v, want 70", p.Quantiles, p.At)
		}
	}
}

// TestSnapshotsAreImmutable: a reader of old ones races with nothing. The race
// detector is the judge.
func TestSnapshotsAreImmutable(t *testing.T) {
	s := newStore(map[string]float64{"cart": 7, "pay": 8})
	r := newRig(t, s, nil)
	_ = r.at(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				snap := r.Snapshot()
				for _, w := range snap.Workloads {
					if n := w.History.Known(); n != w.History.Len() {
						t.Errorf("%d of %d steps known", n, w.History.Len())
						return
					}
					for _, p := range w.Past {
						if p.At.After(snap.At) {
							t.Errorf("past of %v in a snapshot of %v", p.At, snap.At)
						}
					}
				}
			}
		})
	}
	r.steps(t, 0, 20*time.Minute)
	cancel()
	readers.Wait()
}
