package replica

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
)

var origin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// ramp is a forecast whose step h has every quantile equal to h times slope.
func ramp(slope float64) *forecast.Forecast {
	steps := make([]forecast.Quantiles, forecast.Horizon)
	for i := range steps {
		for j := range steps[i] {
			steps[i][j] = slope * float64(i+1)
		}
	}
	return &forecast.Forecast{Origin: origin, Steps: steps, Peaks: forecast.RunningPeaks(steps), By: "ramp"}
}

func TestTarget(t *testing.T) {
	nan := math.NaN()
	policy := Policy{TargetPerPod: 10, Quantile: 0.95, LeadTime: 5 * time.Minute, Mode: Max, ActivationThreshold: 50}
	f := func(name string, change func(*Policy), after time.Duration, observed float64, fc *forecast.Forecast, want Target) {
		t.Helper()
		p := policy
		if change != nil {
			change(&p)
		}
		if err := p.Check(); err != nil && p.TargetPerPod > 0 {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := p.Target(origin.Add(after), observed, fc, Pods{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// At 12:01 with a lead of 5 minutes the step stamped 12:06 is the last.
	f("forecast above", nil, time.Minute, 33, ramp(10),
		Target{Value: 60, Planned: 60, Predicted: 60, Level: 0.95, Window: 6, Replicas: 6, PlannedReplicas: 6, Active: true, Binding: ByForecast})
	f("observed above", nil, time.Minute, 61, ramp(10),
		Target{Value: 61, Planned: 61, Predicted: 60, Level: 0.95, Window: 6, Replicas: 7, PlannedReplicas: 7, Active: true, Binding: ByObserved})
	f("the window slides", nil, 10*time.Minute, 33, ramp(10),
		Target{Value: 150, Planned: 150, Predicted: 150, Level: 0.95, Window: 15, Replicas: 15, PlannedReplicas: 15, Active: true, Binding: ByForecast})
	f("a later one than the forecast ends at its end", nil, 59*time.Minute, 33, ramp(1),
		Target{Value: 60, Planned: 60, Predicted: 60, Level: 0.95, Window: 60, Replicas: 6, PlannedReplicas: 6, Active: true, Binding: ByForecast})
	f("no observation", nil, time.Minute, nan, ramp(1),
		Target{Value: 6, Planned: 6, Predicted: 6, Level: 0.95, Window: 6, Replicas: 1, PlannedReplicas: 1, Binding: ByForecast})
	f("no observation and a forecast of nothing", nil, time.Minute, nan, ramp(0), Target{Level: 0.95, Window: 6, Binding: ByForecast})
	f("no forecast", nil, time.Minute, 51, nil,
		Target{Value: 51, Planned: 51, Predicted: nan, Level: nan, Replicas: 6, PlannedReplicas: 6, Active: true, Binding: ByObserved})
	f("activation is strictly above", nil, time.Minute, 50, nil,
		Target{Value: 50, Planned: 50, Predicted: nan, Level: nan, Replicas: 5, PlannedReplicas: 5, Binding: ByObserved})
	f("zero", nil, time.Minute, 0, nil, Target{Predicted: nan, Level: nan, Binding: ByObserved})
	f("forecast-only publishes and does not act", func(p *Policy) { p.Mode = ForecastOnly }, time.Minute, 33, ramp(10),
		Target{Value: 33, Planned: 60, Predicted: 60, Level: 0.95, Window: 6, Replicas: 4, PlannedReplicas: 6, Binding: ByMode})
	f("no target per pod, no replicas", func(p *Policy) { p.TargetPerPod = 0 }, time.Minute, 33, ramp(10),
		Target{Value: 60, Planned: 60, Predicted: 60, Level: 0.95, Window: 6, Active: true, Binding: ByForecast})
	f("more pods than can be", func(p *Policy) { p.TargetPerPod = 1e-3 }, time.Minute, 1e15, nil,
		Target{Value: 1e15, Planned: 1e15, Predicted: nan, Level: nan, Replicas: math.MaxInt32, PlannedReplicas: math.MaxInt32, Active: true, Binding: ByObserved})
}

func TestTargetOfNothingIsAnError(t *testing.T) {
	p := Policy{TargetPerPod: 10, Quantile: 0.95, LeadTime: 5 * time.Minute, Mode: Max}
	if _, err := p.Target(origin, math.NaN(), nil, Pods{}); !errors.Is(err, ErrNothingKnown) {
		t.Errorf("error %v, want %v", err, ErrNothingKnown)
	}
	p.Mode = ForecastOnly
	for _, slope := range []float64{0, 1} {
		if got, err := p.Target(origin, math.NaN(), ramp(slope), Pods{}); !errors.Is(err, ErrNothingKnown) {
			t.Errorf("forecast-only without an observation, forecast of slope %v: %+v, %v; want %v", slope, got, err, ErrNothingKnown)
		}
	}
}

// TestRoundingForgivesArithmetic: 0.3 req/s at 0.1 a pod is 3 pods, though the
// quotient lies a hair above 3.
func TestRoundingForgivesArithmetic(t *testing.T) {
	p := Policy{TargetPerPod: 0.1, Quantile: 0.95, LeadTime: time.Minute, Mode: Max}
	got, err := p.Target(origin, 0.1+0.2, nil, Pods{})
	if err != nil || got.Replicas != 3 {
		t.Errorf("replicas %d, %v; want 3", got.Replicas, err)
	}
}

func TestCheckNamesEveryField(t *testing.T) {
	err := Policy{TargetPerPod: math.Inf(1), Quantile: 0.999, ShortMinute: -1, LeadTime: time.Hour, Mode: "guess", ActivationThreshold: -1}.Check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"targetPerPod", "quantile", "shortMinute", "leadTime", "mode", "activationThreshold"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q does not name %s", err, field)
		}
	}
	p := Defaults()
	p.TargetPerPod = 1
	if err := p.Check(); err != nil {
		t.Errorf("the defaults with a target per pod: %v", err)
	}
}
