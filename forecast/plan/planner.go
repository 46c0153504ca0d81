package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

const (
	// Batch is how many histories are forecast in one call.
	Batch = 256
	// MinKnown is how many known steps the network wants. With fewer it would
	// forecast from its training mesh rather than from the workload, and the
	// baseline, which repeats what was seen, is the safer one.
	MinKnown = 10
	// Fresh is how long an observed rate counts as observed. No forecast is
	// made and no decision rests on the observed rate alone when nothing newer
	// is known: silence is not load.
	Fresh = 5 * time.Minute
)

// Planner makes forecasts and decisions. It is a value, holds no state and may
// be used concurrently if its forecasters may.
type Planner struct {
	// Network is the trained network, or, where Prior says so, the one that the
	// program brings; nil while there is neither. NoNetwork says why it is not a
	// trained one, in a few words, such as "no trained model yet".
	Network   forecast.Forecaster
	Prior     bool
	NoNetwork string
	// Version is the version of the network's weights.
	Version string
	// Baseline forecasts what the network cannot; nil is legal.
	Baseline forecast.Forecaster
}

// Outlook is the forecast made for one workload, or why there is none. It is
// kept and decided on until a newer one is made.
type Outlook struct {
	// Forecast passes [forecast.Forecast.Check]; nil where nothing could be
	// forecast.
	Forecast *forecast.Forecast
	// Rung, Model and Why are as in [Decision].
	Rung  Rung
	Model string
	Why   string
}

// Forecast makes one Outlook a history, in their order, each from the history's
// last step on. A history that a forecaster cannot take never spoils another's:
// a batch that fails is asked again one by one, and a panic is an error.
func (p Planner) Forecast(histories []forecast.History) []Outlook {
	out := make([]Outlook, len(histories))
	untrained := cmp.Or(p.NoNetwork, "no trained model yet")
	var network, baseline []int
	for i, h := range histories {
		known := h.Known()
		switch {
		case known == 0:
			out[i] = Outlook{Rung: RungObserved, Why: "nothing is known of its load yet"}
		case silent(h) > Fresh:
			out[i] = Outlook{Rung: RungObserved, Why: fmt.Sprintf("its load was not observed for %s", age(silent(h)))}
		case p.Network == nil:
			out[i].Why = untrained
			baseline = append(baseline, i)
		case known < MinKnown:
			out[i].Why = fmt.Sprintf("history too short: %d known minutes, the model wants %d", known, MinKnown)
			baseline = append(baseline, i)
		default:
			network = append(network, i)
		}
	}
	for chunk := range slices.Chunk(network, Batch) {
		for k, r := range ask(p.Network, pick(histories, chunk)) {
			i := chunk[k]
			switch {
			case r.err != nil && p.Prior:
				out[i].Why = untrained + "; prior failed: " + r.err.Error()
				baseline = append(baseline, i)
			case r.err != nil:
				out[i].Why = "model failed: " + r.err.Error()
				baseline = append(baseline, i)
			case p.Prior:
				out[i] = Outlook{Forecast: r.forecast, Rung: RungPrior, Model: p.Version, Why: untrained}
			default:
				out[i] = Outlook{Forecast: r.forecast, Rung: RungNetwork, Model: p.Version}
			}
		}
	}
	slices.Sort(baseline)
	for chunk := range slices.Chunk(baseline, Batch) {
		for k, r := range ask(p.Baseline, pick(histories, chunk)) {
			o := &out[chunk[k]]
			if r.err != nil {
				o.Rung, o.Why = RungObserved, o.Why+"; baseline failed: "+r.err.Error()
				continue
			}
			o.Rung, o.Forecast = RungBaseline, r.forecast
		}
	}
	return out
}

// Observation is a rate in requests per second and the end of the time it was
// measured over, and the pods that there are. NaN and the zero Pods say that
// none is known.
type Observation struct {
	Rate float64
	At   time.Time
	Pods replica.Pods
}

// Input is what Plan decides from.
type Input struct {
	History forecast.History
	Policy  replica.Policy
}

// Result is a decision, or why there is none.
type Result struct {
	Decision
	Err error
}

// Plan forecasts and decides at now, one result an input, in their order: what
// a live loop does in two paces, in one. Steps of a history that were not
// complete at now are not looked at.
func (p Planner) Plan(now time.Time, batch []Input) []Result {
	histories := make([]forecast.History, len(batch))
	for i, in := range batch {
		histories[i] = in.History
		histories[i].Series = in.History.Through(now.Add(-forecast.Step))
	}
	results := make([]Result, len(batch))
	for i, o := range p.Forecast(histories) {
		h := histories[i]
		rate, at, ok := h.Last()
		obs := Observation{Rate: rate}
		if ok {
			obs.At = at.Add(forecast.Step)
		}
		results[i].Decision, results[i].Err = Decide(now, h.Workload, batch[i].Policy, obs, o)
	}
	return results
}

// silent is for how long the history has known nothing when it ends.
func silent(h forecast.History) time.Duration {
	_, at, _ := h.Last()
	return h.Origin().Sub(at)
}

// Try tells whether f forecasts each history as it promises to, or what is wrong
// with the first that it does not: what a planner would find out too late.
func Try(f forecast.Forecaster, histories []forecast.History) error {
	for _, a := range ask(f, histories) {
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

type answer struct {
	forecast *forecast.Forecast
	err      error
}

// ask asks f for all at once and, where that fails, for each alone.
func ask(f forecast.Forecaster, batch []forecast.History) []answer {
	out := make([]answer, len(batch))
	forecasts, err := call(f, batch)
	for i, h := range batch {
		if err != nil && len(batch) > 1 {
			out[i] = ask(f, []forecast.History{h})[0]
			continue
		}
		if err != nil {
			out[i].err = err
			continue
		}
		if out[i].err = fits(forecasts[i], h); out[i].err == nil {
			out[i].forecast = &forecasts[i]
		}
	}
	return out
}

// call calls f and turns a panic into an error: linear algebra panics on shapes
// it did not expect, and one odd history must not take the scaler down.
func call(f forecast.Forecaster, batch []forecast.History) (out []forecast.Forecast, err error) {
	if f == nil {
		return nil, errors.New("there is none")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic: %v", f.Name(), r)
		}
	}()
	out, err = f.Forecast(batch)
	if err == nil && len(out) != len(batch) {
		err = fmt.Errorf("%s: %d forecasts for %d histories", f.Name(), len(out), len(batch))
	}
	return out, err
}

// fits tells whether f is a usable forecast of h.
func fits(f forecast.Forecast, h forecast.History) error {
	if f.Workload != h.Workload || !f.Origin.Equal(h.Origin()) {
		return fmt.Errorf("forecast of %s from %v by %s: want one of %s from %v", f.Workload, f.Origin, f.By, h.Workload, h.Origin())
	}
	return f.Check()
}

func pick(histories []forecast.History, index []int) []forecast.History {
	out := make([]forecast.History, len(index))
	for k, i := range index {
		out[k] = histories[i]
	}
	return out
}
