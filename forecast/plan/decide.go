package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

// Decide decides at now from the newest observation and the newest outlook. It
// is pure and quick: memory in, memory out.
//
// While the metrics store is silent both grow old, and age counts so:
//
//   - A forecast is used while it covers the lead window, which slides through
//     it; with a lead of 5 minutes that is about 55 minutes from its origin.
//   - As long as there is such a forecast, the last observed rate stays a floor
//     however old it is: nothing is scaled in on missing data.
//   - Without one, the observed rate counts while it is at most [Fresh] old.
//   - In mode forecast-only only a fresh observation counts.
//   - That a workload is not active is never concluded without a fresh
//     observation: a service that was idle when the store fell silent may not
//     be any more.
//
// When nothing counts any more the error is [replica.ErrNothingKnown], wrapped
// with what is missing, and the caller answers KEDA with an error, so that the
// HPA holds. A number is never made up.
func Decide(now time.Time, w forecast.Workload, policy replica.Policy, obs Observation, o Outlook) (Decision, error) {
	d := Decision{At: now, Workload: w, Policy: policy, Observed: math.NaN(), Pods: obs.Pods, Rung: o.Rung, Model: o.Model, Why: o.Why, Forecast: o.Forecast}
	if obs.Rate >= 0 && !math.IsInf(obs.Rate, 0) {
		d.Observed, d.ObservedAt = obs.Rate, obs.At
	}
	if f := d.Forecast; f != nil && !covers(f, now.Add(policy.LeadTime)) {
		d.Forecast, d.Rung, d.Model = nil, RungObserved, ""
		d.Why = fmt.Sprintf("the newest forecast is from %s and no longer covers the lead window of %v",
			clock(f.Origin), policy.LeadTime)
	}
	if d.Forecast == nil {
		d.Rung = RungObserved
		if d.Why == "" {
			d.Why = "no forecast was made yet"
		}
	}
	counts := d.Observed
	fresh := now.Sub(d.ObservedAt) <= Fresh
	if !fresh && (d.Forecast == nil || policy.Mode == replica.ForecastOnly) {
		counts = math.NaN()
	}
	var err error
	d.Target, err = policy.Target(now, counts, d.Forecast, d.Pods)
	if err == nil && !fresh && !d.Active {
		err = replica.ErrNothingKnown
	}
	if err != nil {
		return Decision{}, fmt.Errorf("decide on %s: %w: %s", w, err, missing(d, fresh))
	}
	return d, nil
}

// covers tells whether the step under way at t lies within f.
func covers(f *forecast.Forecast, t time.Time) bool {
	return t.Before(f.Time(forecast.Horizon + 1))
}

// missing says why neither of the two counts.
func missing(d Decision, fresh bool) string {
	var s string
	switch {
	case math.IsNaN(d.Observed):
		s = "its load was never observed"
	case !fresh:
		s = fmt.Sprintf("its load was last observed %s ago, more than %v", age(d.At.Sub(d.ObservedAt)), Fresh)
	}
	switch {
	case d.Forecast != nil && d.Policy.Mode == replica.ForecastOnly:
		return s + "; mode " + string(d.Policy.Mode) + " keeps the forecast from acting"
	case d.Forecast != nil:
		return s + "; that it is idle is not concluded from a forecast alone"
	}
	return s + "; " + d.Why
}
