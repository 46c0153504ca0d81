package backtest

import (
	"math"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Oracle is what somebody would have who knows the load, has each pod begin just
// in time and is bound by no HPA: the least that can be paid for no short
// minute, unless that takes more pods than there may be.
func Oracle(w Window, s Scaling) (Course, error) {
	g, err := w.begin(s, w.PerPod)
	if err != nil {
		return Course{}, err
	}
	need := make([]int, g.load.Len())
	for i, rate := range g.load.Values {
		need[i] = min(max(int(math.Ceil(rate/w.PerPod-1e-9)), s.Min), s.Max)
	}
	for i := range need {
		pods := 0
		for t := g.load.Time(i); t.Before(g.load.Time(i + 1)); t = t.Add(SyncPeriod) {
			pods = need[i]
			for j := i + 1; j < len(need) && !g.load.Time(j).After(t.Add(s.Startup)); j++ {
				pods = max(pods, need[j])
			}
			g.count(t, pods, need[i])
		}
		g.course.Pods, g.course.Ready = append(g.course.Pods, pods), append(g.course.Ready, need[i])
	}
	return g.course, nil
}

// Metric is what a trigger without Foretide would answer at an instant, in
// requests per second; NaN is an error.
type Metric func(now time.Time) float64

// ReactiveMetric is the load's rate over a minute, as KEDA's Prometheus trigger
// has it.
func ReactiveMetric(w Window) Metric {
	return func(now time.Time) float64 { return Reactive(w.History.Series, now, forecast.Step) }
}

// SeasonalMetric is the largest rate of the day before in the next lead, or the
// reactive one if that is larger: the simplest trigger that looks ahead.
func SeasonalMetric(w Window, lead time.Duration) Metric {
	const day = 24 * time.Hour
	reactive := ReactiveMetric(w)
	return func(now time.Time) float64 {
		value := reactive(now)
		for t := now; !t.After(now.Add(lead)); t = t.Add(forecast.Step) {
			if before := w.History.At(t.Add(-day)); before > value || math.IsNaN(value) {
				value = before
			}
		}
		return value
	}
}

// Tuned is what comes of a metric with a target of so much of what a pod
// carries.
type Tuned struct {
	Utilisation float64
	Course
}

// Tune tries the targets of a metric: a utilisation from 95 percent down to 20,
// in steps of five.
func Tune(w Window, s Scaling, metric Metric) ([]Tuned, error) {
	load := w.Load()
	// Asked for once, as each target sees the same.
	values := make([]float64, 0, load.Len()*int(forecast.Step/SyncPeriod))
	for t := w.From; t.Before(load.End()); t = t.Add(SyncPeriod) {
		values = append(values, metric(t))
	}
	var all []Tuned
	for percent := 95; percent >= 20; percent -= 5 {
		u := float64(percent) / 100
		g, err := w.begin(s, w.PerPod*u)
		if err != nil {
			return nil, err
		}
		for i := range g.load.Len() {
			g.minute(g.load.Time(i), func(t time.Time) float64 { return values[t.Sub(w.From)/SyncPeriod] })
		}
		all = append(all, Tuned{u, g.course})
	}
	return all, nil
}

// Match is the cheapest that is short in at most so many minutes; ok is false
// where none is, and then it is the one that is short in fewest.
func Match(all []Tuned, short int) (best Tuned, ok bool) {
	for i, x := range all {
		within := x.Short <= short
		switch {
		case i == 0, within && !ok,
			within && x.PodHours < best.PodHours,
			!within && !ok && x.Short < best.Short:
			best = x
		}
		ok = ok || within
	}
	return best, ok
}
