package scaler

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
)

const (
	// Retain is how much history is kept of a workload: a week, which the
	// forecasters compare with, and a day for the gaps in it.
	Retain = 8 * 24 * time.Hour
	// largestPage and smallestPage bound how much history is asked for at once.
	// A page that does not come in time is halved.
	largestPage  = 24 * time.Hour
	smallestPage = 30 * time.Minute
)

// feed is one source and all that is remembered from it. The loop's mutex
// guards every field but source; only an observing step writes to since, until
// and page, so that step may read them without it.
type feed struct {
	spec   LoadSpec
	source Source
	// Every track has the steps stamped in [since, until), as far as the
	// source knew them. Both are zero before the first answer.
	since, until time.Time
	page         time.Duration
	answered     time.Time
	err          error
	leftOut      int
	tracks       map[forecast.Workload]*track
}

// track is what is remembered of one workload.
type track struct {
	workload forecast.Workload
	// series ends at the feed's until. Snapshots hold views of it: values are
	// appended or the slice is replaced, but never written to.
	series   forecast.Series
	observed plan.Observation
	outlook  plan.Outlook
	// tried is the origin that was last forecast from, if in vain.
	tried       time.Time
	calibration calibration
	// ahead are the forecasts of steps to come, past of those that have begun.
	ahead, past []Past
}

func newFeed(spec LoadSpec, source Source) *feed {
	return &feed{spec: spec, source: source, page: largestPage, tracks: map[forecast.Workload]*track{}}
}

// track gives the track of w, a new one if there is none.
func (f *feed) track(w forecast.Workload) *track {
	t, ok := f.tracks[w]
	if !ok {
		t = &track{workload: w, series: forecast.Series{Start: f.until}, observed: plan.Observation{Rate: math.NaN()}}
		f.tracks[w] = t
	}
	return t
}

// filled tells whether the history reaches as far back as is kept at now.
func (f *feed) filled(now time.Time) bool {
	return !f.since.IsZero() && !f.since.After(horizonOf(now))
}

// turn orders the feeds of a step: the default one first, then those that
// answered last time, those of all workloads before those of one.
func (f *feed) turn() int {
	turn := 0
	if f.spec != (LoadSpec{}) {
		turn++
	}
	if f.spec.Query != "" {
		turn++
	}
	if turn > 0 && f.err != nil {
		turn += 2
	}
	return turn
}

// horizonOf is the stamp of the oldest step that is kept at now. It moves by
// the hour only, so that a feed that is filled stays so.
func horizonOf(now time.Time) time.Time { return now.Truncate(time.Hour).Add(-Retain) }

// apply takes over what was read at now. admit is asked about each workload
// that has no track yet.
func (f *feed) apply(r reading, now time.Time, admit func(forecast.Workload) bool) {
	f.err, f.page = r.err, r.size
	if !r.answered {
		return
	}
	f.answered = now
	if f.until.Before(horizonOf(now)) {
		complete := now.Truncate(forecast.Step)
		f.since, f.until = complete, complete
		for _, t := range f.tracks {
			t.series = forecast.Series{Start: complete}
		}
	}
	out := map[forecast.Workload]bool{}
	find := func(w forecast.Workload) *track {
		if t, ok := f.tracks[w]; ok {
			return t
		}
		if out[w] || !admit(w) {
			out[w] = true
			return nil
		}
		return f.track(w)
	}
	for _, w := range slices.SortedFunc(maps.Keys(r.rates), forecast.Workload.Compare) {
		if t := find(w); t != nil && known(r.rates[w]) {
			t.observed = plan.Observation{Rate: r.rates[w], At: now}
		}
	}
	for _, p := range r.pages {
		for _, h := range p.histories {
			find(h.Workload)
		}
		if p.from.Equal(f.until) {
			f.extend(p)
		} else {
			f.fill(p)
		}
	}
	f.leftOut = len(out)
}

// extend adds a page at the end of every track. A workload that the page does
// not have was not seen: missing, not zero.
func (f *feed) extend(p page) {
	oldest := horizonOf(p.to)
	seen := byWorkload(p.histories)
	for _, t := range f.tracks {
		h, ok := seen[t.workload]
		for at := p.from; at.Before(p.to); at = at.Add(forecast.Step) {
			v := math.NaN()
			if ok {
				v = clean(h.At(at))
			}
			t.series.Values = append(t.series.Values, v)
		}
		if n := t.series.Index(oldest); n > 0 {
			t.series = forecast.Series{Start: t.series.Time(n), Values: t.series.Values[n:]}
		}
		t.observe()
	}
	f.until = p.to
	f.since = later(f.since, oldest)
}

// fill adds a page before the tracks that it knows.
func (f *feed) fill(p page) {
	for _, h := range p.histories {
		t, ok := f.tracks[h.Workload]
		if !ok || h.Between(p.from, p.to).Known() == 0 {
			continue
		}
		var front []float64
		for at := p.from; at.Before(t.series.Start); at = at.Add(forecast.Step) {
			v := math.NaN() // the track is younger than the page's end
			if at.Before(p.to) {
				v = clean(h.At(at))
			}
			front = append(front, v)
		}
		t.series = forecast.Series{Start: p.from, Values: slices.Concat(front, t.series.Values)}
		t.observe()
	}
	f.since = p.from
}

// observe takes the newest step as the observation where there is no newer.
func (t *track) observe() {
	if v, at, ok := t.series.Last(); ok && at.Add(forecast.Step).After(t.observed.At) {
		t.observed = plan.Observation{Rate: v, At: at.Add(forecast.Step)}
	}
}

// view is the series as it is now, for as long as anybody wants to read it.
func (t *track) view() forecast.Series {
	return forecast.Series{Start: t.series.Start, Values: slices.Clip(t.series.Values)}
}

func byWorkload(histories []forecast.History) map[forecast.Workload]forecast.History {
	m := make(map[forecast.Workload]forecast.History, len(histories))
	for _, h := range histories {
		m[h.Workload] = h
	}
	return m
}

// known tells whether v is a rate. Whatever a query makes up besides is not.
func known(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }

func clean(v float64) float64 {
	if known(v) {
		return v
	}
	return math.NaN()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
