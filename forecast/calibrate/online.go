package calibrate

import (
	"time"

	"github.com/foretide/foretide/forecast"
)

// catchUp is how far back an Online looks for steps that it has not observed:
// what is older says nothing about forecasts that are waiting.
const catchUp = 2 * forecast.Horizon * forecast.Step

// Online is what is held of one workload to calibrate its forecasts: a
// [Calibrator] of a network, or whatever else is trusted most, and of the
// simple experts beside it, which are last value, and the same time of the day
// and of the week before. It is not safe for concurrent use.
type Online struct {
	calibrator *Calibrator
	courses    []course
	now        []forecast.Forecast
}

// NewOnline holds nothing yet; network names the most trusted forecaster.
func NewOnline(network string) *Online {
	names := []string{network}
	for _, c := range courses() {
		names = append(names, c.name)
	}
	return &Online{calibrator: New(names...), courses: courses(), now: make([]forecast.Forecast, len(names))}
}

// Calibrator is the one in use, to inspect.
func (o *Online) Calibrator() *Calibrator { return o.calibrator }

// Forecast observes what is new in h and mixes and corrects f with what the
// simple experts say from h's last step on. f is the forecast of the most
// trusted forecaster from there, the zero Forecast if it has none. The error is
// that of [Calibrator.Combine].
func (o *Online) Forecast(h forecast.History, f forecast.Forecast) (forecast.Forecast, error) {
	o.observe(h.Series)
	o.now[0] = f
	for k := range o.courses {
		wanted := o.calibrator.wanted(k+1, h.Origin())
		if f.Steps == nil {
			// Without the first expert the shares of all others grow.
			wanted = [NumBuckets]bool{true, true, true, true, true, true}
		}
		o.now[k+1] = o.courses[k].forecast(h, &wanted)
	}
	out, err := o.calibrator.Combine(o.now)
	clear(o.now)
	return out, err
}

// observe takes in the steps of s that came since the last one.
func (o *Online) observe(s forecast.Series) {
	from := s.End().Add(-catchUp)
	if last := o.calibrator.Last(); last.After(from) {
		from = last.Add(time.Nanosecond)
	}
	fresh := s.Between(from, s.End())
	for i, v := range fresh.Values {
		o.calibrator.Observe(fresh.Time(i), v)
	}
}
