package replica

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
)

func TestReach(t *testing.T) {
	for _, c := range []struct{ now, need, want int }{
		{0, 7, 7}, {10, 10, 10}, {10, 9, 9}, {10, 0, 0}, {10, 11, 12}, {10, 12, 12}, {20, 21, 23}, {20, 22, 23}, {1, 2, 2}, {9, 10, 10},
	} {
		if got := (Pods{Now: c.now}).reach(c.need); got != c.want {
			t.Errorf("%d pods, %d needed: asked for %d, want %d", c.now, c.need, got, c.want)
		}
	}
}

// An answer holds for five minutes, and so for fewer until a pod serves.
func TestHeld(t *testing.T) {
	var a Asked
	if got := a.Held(origin, time.Minute, 2*time.Minute); got != 0 {
		t.Errorf("nothing was asked for, and %d are held", got)
	}
	at := func(m int) time.Time { return origin.Add(time.Duration(m) * time.Minute) }
	for m, n := range []int{20, 5, 8, 3, 3, 3, 3} {
		a.Note(at(m), n, Pods{Now: 20})
		var want int
		switch m {
		case 0, 1:
			want = 20
		case 2, 3:
			want = 8
		default:
			want = 3
		}
		// A pod asked for a minute later serves two minutes after that: what
		// was asked for two minutes before now holds until then.
		if got := a.Held(at(m+1), time.Minute, 2*time.Minute); got != want {
			t.Errorf("after minute %d: %d are held, want %d", m, got, want)
		}
	}
	if got := a.Held(at(7), time.Minute, 5*time.Minute); got != 0 {
		t.Errorf("with a lead of five minutes %d are held, want none", got)
	}
	a.Note(at(7), 19, Pods{Now: 20})
	if got := a.Held(at(8), time.Minute, 2*time.Minute); got != 20 {
		t.Errorf("an answer within the tolerance holds %d, want 20", got)
	}
}

// falling is a forecast that knows the rate to fall by 2 a step, from 100.
func falling() *forecast.Forecast {
	steps := make([]forecast.Quantiles, forecast.Horizon)
	for i := range steps {
		for j := range steps[i] {
			steps[i][j] = max(100-2*float64(i+1), 0)
		}
	}
	return &forecast.Forecast{Origin: origin, Steps: steps, Peaks: forecast.RunningPeaks(steps), By: "falling"}
}

func TestTargetWhereThePodsAreKnown(t *testing.T) {
	now := origin.Add(time.Minute)
	f := func(name string, p Policy, observed float64, fc *forecast.Forecast, there Pods, want Target) {
		t.Helper()
		got, err := p.Target(now, observed, fc, there)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		near := cmpopts.EquateApprox(1e-5, 0)
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	p := Policy{TargetPerPod: 10, Quantile: 0.95, LeadTime: 2 * time.Minute, Mode: Max}
	f("a step up beyond the tolerance", p, 33, ramp(37), Pods{Now: 11},
		Target{Value: 130, Planned: 130, Predicted: 111, Level: 0.95, Window: 3, Replicas: 13, PlannedReplicas: 13, Active: true, Binding: ByForecast})
	f("enough of them", p, 33, ramp(33), Pods{Now: 10, Held: 9},
		Target{Value: 100, Planned: 100, Predicted: 99, Level: 0.95, Window: 3, Replicas: 10, PlannedReplicas: 10, Active: true, Binding: ByForecast})
	// Held are 10, which 98 need; in five minutes it will be 88.
	f("a fall that is sure", p, 20, falling(), Pods{Now: 12, Held: 10},
		Target{Value: 90, Planned: 90, Predicted: 98, Level: 0.95, Window: 3, Replicas: 9, PlannedReplicas: 9, Active: true, Binding: ByHold})
	f("a fall never below what is observed", p, 95, falling(), Pods{Now: 12, Held: 10},
		Target{Value: 100, Planned: 100, Predicted: 98, Level: 0.95, Window: 3, Replicas: 10, PlannedReplicas: 10, Active: true, Binding: ByForecast})
	f("nothing announced that is not held", p, 20, falling(), Pods{Now: 12, Held: 9},
		Target{Value: 100, Planned: 100, Predicted: 98, Level: 0.95, Window: 3, Replicas: 10, PlannedReplicas: 10, Active: true, Binding: ByForecast})
	f("no forecast", p, 91, nil, Pods{Now: 9, Held: 9},
		Target{Value: 100, Planned: 100, Predicted: math.NaN(), Level: math.NaN(), Replicas: 10, PlannedReplicas: 10, Active: true, Binding: ByObserved})
	p.Mode = ForecastOnly
	f("what does not act stays a rate", p, 33, ramp(37), Pods{Now: 11},
		Target{Value: 33, Planned: 111, Predicted: 111, Level: 0.95, Window: 3, Replicas: 4, PlannedReplicas: 12, Active: true, Binding: ByMode})
}

// A higher price is a higher level, and never fewer pods.
func TestPriceOfAShortMinute(t *testing.T) {
	var steps []forecast.Quantiles
	for range forecast.Horizon {
		steps = append(steps, forecast.Quantiles{20, 40, 60, 80, 100, 110, 150})
	}
	f := &forecast.Forecast{Origin: origin, Steps: steps, Peaks: forecast.RunningPeaks(steps)}
	last := Target{}
	for _, price := range []float64{1, 10, 30, 100, 300, 1000, 10000} {
		p := Policy{TargetPerPod: 10, Quantile: 0.5, ShortMinute: price, LeadTime: 2 * time.Minute, Mode: Max}
		got, err := p.Target(origin.Add(time.Minute), 5, f, Pods{})
		if err != nil || got.Replicas < last.Replicas || got.Level < last.Level {
			t.Errorf("at %v: %+v after %+v, %v", price, got, last, err)
		}
		last = got
	}
	if last.Replicas < 15 || last.Level < 0.99 {
		t.Errorf("at the highest price %+v, want more than the 0.99 quantile", last)
	}
	// The price is put on the last minute of the window, and on each of a window
	// that is longer than the HPA holds.
	steps[0] = forecast.Quantiles{200, 200, 200, 200, 200, 200, 200}
	f.Peaks = forecast.RunningPeaks(steps)
	for lead, want := range map[time.Duration]int{2 * time.Minute: 11, 6 * time.Minute: 20} {
		p := Policy{TargetPerPod: 10, Quantile: 0.5, ShortMinute: 100, LeadTime: lead, Mode: Max}
		if got, err := p.Target(origin.Add(time.Minute), 5, f, Pods{}); err != nil || got.Replicas != want {
			t.Errorf("lead %v: %d pods, %v; want %d", lead, got.Replicas, err, want)
		}
	}
	p := Policy{Quantile: 0.5, ShortMinute: 100, LeadTime: 2 * time.Minute, Mode: Max}
	if got, _ := p.Target(origin.Add(time.Minute), 5, f, Pods{}); got.Value != 200 || got.Level != 0.5 {
		t.Errorf("without a target per pod: %v at %v, want the quantile, 200", got.Value, got.Level)
	}
}
