// Package replica turns a forecast into the number KEDA is answered with: the
// rate to be ready for until a pod started now would serve, at the risk that
// the user chose, and never less than what is observed. Where the pods are
// known it also says it so that the HPA does what is meant: a step up is larger
// than the tolerance, and a fall is announced as early as the HPA holds the pods
// anyway.
package replica

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Mode says what a workload's forecast may do.
type Mode string

const (
	// Max answers with the larger of forecast and observed rate.
	Max Mode = "max"
	// ForecastOnly answers with the observed rate and only publishes what Max
	// would have answered, so that a user can watch before it acts.
	ForecastOnly Mode = "forecast-only"
)

// Policy is what a user decides for one workload.
type Policy struct {
	// TargetPerPod is the rate one pod is meant to carry, in requests per
	// second, above 0.
	TargetPerPod float64
	// Quantile is the level of the peak to be ready for, from 0.5 to 0.99: 0.95
	// means that one lead window in twenty may exceed the forecast.
	Quantile float64
	// ShortMinute is what a minute in which the load is above what the pods are
	// meant to carry costs, counted in minutes of one pod; not negative. If it is
	// not 0 it takes the place of Quantile: as many pods are asked for as cost
	// least together with the risk.
	ShortMinute float64
	// LeadTime is how long a new pod takes to serve, from the answer to its
	// first request: polling, HPA sync, scheduling and start-up. From 1 to 45
	// minutes.
	LeadTime time.Duration
	// Mode is Max or ForecastOnly.
	Mode Mode
	// ActivationThreshold is the rate in requests per second above which the
	// workload is active; KEDA scales to zero only below it. Not negative.
	ActivationThreshold float64
}

// Bounds of a Policy.
const (
	MinQuantile    = 0.5
	MaxQuantile    = 0.99
	MaxShortMinute = 1e6
	MinLeadTime    = time.Minute
	MaxLeadTime    = 45 * time.Minute
)

// Defaults is the policy of a workload that nobody set one for. It has no
// TargetPerPod: only the user knows that.
func Defaults() Policy {
	return Policy{Quantile: 0.95, LeadTime: 5 * time.Minute, Mode: Max}
}

// Check names every field that is out of bounds, and the bounds.
func (p Policy) Check() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s %v: want %s", field, value, want))
	}
	if !(p.TargetPerPod > 0) || math.IsInf(p.TargetPerPod, 0) {
		bad("targetPerPod", p.TargetPerPod, "the requests per second one pod carries, above 0")
	}
	if !(p.Quantile >= MinQuantile && p.Quantile <= MaxQuantile) {
		bad("quantile", p.Quantile, fmt.Sprintf("from %v to %v", MinQuantile, MaxQuantile))
	}
	if !(p.ShortMinute >= 0 && p.ShortMinute <= MaxShortMinute) {
		bad("shortMinute", p.ShortMinute, fmt.Sprintf("the pod-minutes that a short minute costs, from 0 to %v", MaxShortMinute))
	}
	if p.LeadTime < MinLeadTime || p.LeadTime > MaxLeadTime {
		bad("leadTime", p.LeadTime, fmt.Sprintf("from %v to %v", MinLeadTime, MaxLeadTime))
	}
	if p.Mode != Max && p.Mode != ForecastOnly {
		bad("mode", fmt.Sprintf("%q", p.Mode), fmt.Sprintf("%q or %q", Max, ForecastOnly))
	}
	if !(p.ActivationThreshold >= 0) || math.IsInf(p.ActivationThreshold, 0) {
		bad("activationThreshold", p.ActivationThreshold, "0 or more requests per second")
	}
	return errors.Join(errs...)
}

// Binding is what decided a target.
type Binding string

const (
	// ByForecast: the forecast peak is the larger number.
	ByForecast Binding = "forecast"
	// ByObserved: the observed rate is the larger number, or all there is.
	ByObserved Binding = "observed"
	// ByMode: the forecast asks for more, and the mode keeps it from acting.
	ByMode Binding = "mode"
	// ByHold: the HPA holds the pods for the lead window anyway, so that what
	// counts is what will be needed after.
	ByHold Binding = "hold"
)

// Target is what a policy makes of one moment.
type Target struct {
	// Value is the rate to answer KEDA with, in requests per second. KEDA
	// divides it by TargetPerPod.
	Value float64
	// Planned is what Value would be in mode Max; the two differ only in mode
	// ForecastOnly.
	Planned float64
	// Predicted is the rate to be ready for in the lead window, and Level the
	// probability that no minute of it is above, by the forecast; NaN without
	// one. Level is Policy.Quantile, or what follows from ShortMinute.
	Predicted, Level float64
	// Window is how many steps of the forecast the lead window takes in, 0
	// without a forecast.
	Window int
	// Replicas and PlannedReplicas are Value and Planned in pods, before the
	// ScaledObject's bounds; 0 where the policy has no TargetPerPod.
	Replicas, PlannedReplicas int
	// Active says whether the activation threshold is exceeded: by Value, before
	// that was put in pods.
	Active bool
	// Binding is what decided Value.
	Binding Binding
}

// ErrNothingKnown says that neither a forecast nor an observed rate is at
// hand; the caller must answer with an error, so that the HPA holds.
var ErrNothingKnown = errors.New("neither a forecast nor an observed rate is known")

// Target decides at now. observed is the newest known rate in requests per
// second, NaN where none is known; f is nil without a forecast. A forecast
// whose last step ends before the lead window does is used as far as it goes;
// one that ended before now must not be passed in.
//
// In mode Max, where the pods are known and TargetPerPod is, the answer is in
// whole pods; it is never below what is observed.
func (p Policy) Target(now time.Time, observed float64, f *forecast.Forecast, there Pods) (Target, error) {
	t := Target{Predicted: math.NaN(), Level: math.NaN(), Binding: ByObserved}
	unseen := math.IsNaN(observed)
	if unseen && (f == nil || p.Mode == ForecastOnly) {
		return Target{}, ErrNothingKnown // the mode forbids to act on the forecast
	}
	if !unseen {
		t.Planned = observed
	}
	if f != nil {
		// The step under way at now+LeadTime is the last that matters. The
		// steps between origin and now have passed, but a peak in them may
		// still be running, and leaving them in can only raise the target.
		t.Window = stepsTo(f, now.Add(p.LeadTime))
		t.Predicted = p.ready(f, t.Window)
		t.Level = p.Quantile
		if p.priced() {
			t.Level = 1 - exceeds(&f.Peaks[t.Window-1], t.Predicted)
		}
		if unseen || t.Predicted > t.Planned {
			t.Planned, t.Binding = t.Predicted, ByForecast
		}
	}
	t.Value = t.Planned
	if p.Mode == ForecastOnly && t.Binding == ByForecast {
		t.Value, t.Binding = observed, ByMode
	}
	t.Active = t.Value > p.ActivationThreshold
	if p.Mode == Max && there.Now > 0 && p.TargetPerPod > 0 {
		need := pods(t.Planned, p.TargetPerPod)
		ask := there.reach(need)
		if f != nil && !unseen && there.Held >= need {
			if later := max(p.later(now, f), pods(observed, p.TargetPerPod)); later < need {
				ask, t.Binding = later, ByHold
			}
		}
		t.Planned = float64(ask) * p.TargetPerPod * (1 - hair)
		if t.Planned < observed {
			t.Planned = observed
		}
		t.Value = t.Planned
	}
	t.Replicas = pods(t.Value, p.TargetPerPod)
	t.PlannedReplicas = pods(t.Planned, p.TargetPerPod)
	return t, nil
}

// priced tells whether the price of a short minute decides.
func (p Policy) priced() bool { return p.ShortMinute > 0 && p.TargetPerPod > 0 }

// ready is the rate to be ready for in the first window steps of f. A quantile
// is one of their peak. A price is one of a minute, so that it is put on the
// last of them: those before were decided on by earlier answers, which the HPA
// still holds, unless the lead is longer than it does.
func (p Policy) ready(f *forecast.Forecast, window int) float64 {
	switch {
	case !p.priced():
		return f.Peak(window, p.Quantile)
	case p.LeadTime <= Stabilisation:
		return p.cheapest(f, window, window)
	}
	return p.cheapest(f, 1, window)
}

// cheapest is what the pods carry that are worth their price in each of the
// steps.
func (p Policy) cheapest(f *forecast.Forecast, from, to int) float64 {
	need := 0
	for h := from; h <= to; h++ {
		need = max(need, cheapest(&f.Steps[h-1], p.TargetPerPod, p.ShortMinute))
	}
	return float64(need) * p.TargetPerPod
}

// later is how many pods are needed once the HPA no longer holds, until those
// asked for then would serve.
func (p Policy) later(now time.Time, f *forecast.Forecast) int {
	from, to := stepsTo(f, now.Add(Stabilisation)), stepsTo(f, now.Add(Stabilisation+p.LeadTime))
	if p.priced() {
		return pods(p.cheapest(f, from, to), p.TargetPerPod)
	}
	rate := 0.0
	for h := from; h <= to; h++ {
		rate = max(rate, f.Steps[h-1].At(p.Quantile))
	}
	return pods(rate, p.TargetPerPod)
}

// stepsTo is how many steps of f, at least one, have begun by t.
func stepsTo(f *forecast.Forecast, t time.Time) int {
	return min(max(int(t.Sub(f.Origin)/forecast.Step), 1), forecast.Horizon)
}

// pods rounds as the HPA does for an AverageValue metric: up, forgiving what
// floating point adds. Kubernetes counts replicas in 32 bits. Without a target
// per pod there is no number of pods to speak of: 0.
func pods(rate, perPod float64) int {
	if !(perPod > 0) {
		return 0
	}
	return int(min(math.Ceil(rate/perPod-1e-9), math.MaxInt32))
}
