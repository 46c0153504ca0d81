// Package mask finds in a history what says nothing about the days to come:
// outages, gaps in the metrics, lasting changes of level, and single dips and
// surges. Beside them stands what somebody labelled by hand. Training leaves
// most kinds out, or it would learn an outage as a season; README.md beside it
// says by what each kind is told, and what is left out.
//
// It looks both ways from each step, so it is for the past only: a forecast may
// use what it finds in the history up to its origin, and nothing found later.
//
// Every threshold is a ratio to what the same history shows elsewhere: at the
// same time of other days, in the minutes around, and how often the like comes
// up. So what recurs, as quiet nights, weekends, jobs on the hour or the
// silence of a function that is seldom called, is no find, and a history in
// other units gives the same spans.
package mask

import (
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Kind says what a span is.
type Kind string

// The kinds, by rank: where spans overlap, the earlier kind has the time.
const (
	// Labelled is what somebody marked, in the trace or in a file of spans.
	Labelled Kind = "labelled"
	// Gap is time without metrics, with the half-counted minutes at its edges,
	// and minutes counted late: a dip and the spike that makes up for it.
	Gap Kind = "gap"
	// Outage is load that falls away for ten minutes or more, or a value that no
	// longer moves, and then is back.
	Outage Kind = "outage"
	// Step is the hour from a lasting change of level on. Nothing before it
	// could have told.
	Step Kind = "step"
	// Dip is load that falls away for minutes. It is no season, but of a kind
	// that forecasts meet again.
	Dip Kind = "dip"
	// Surge is a one-off excursion upwards. It is load all the same.
	Surge Kind = "surge"
)

// Kinds are all kinds, by rank.
func Kinds() []Kind { return []Kind{Labelled, Gap, Outage, Step, Dip, Surge} }

// Span is the steps stamped in [From, To), at least one.
type Span struct {
	Kind Kind      `json:"kind"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Minutes is how long the span is.
func (s Span) Minutes() int { return int(s.To.Sub(s.From) / forecast.Step) }

// Find gives the spans of h, sorted and disjoint, all within it. What the
// history carries as labelled is among them. Less than a day of history shows
// nothing but gaps and labels.
func Find(h forecast.History) []Span {
	f := newFinder(h.Values)
	f.gaps()
	f.flats()
	f.outages()
	f.steps()
	f.blips()
	f.surges()
	for _, r := range labels(h) {
		f.found[r] = Labelled
	}
	return spans(h.Series, f.found)
}

// Labels gives the labelled spans of h alone.
func Labels(h forecast.History) []Span {
	found := map[run]Kind{}
	for _, r := range labels(h) {
		found[r] = Labelled
	}
	return spans(h.Series, found)
}

// labels are h's labels in steps: each step that a label covers a part of.
func labels(h forecast.History) []run {
	var runs []run
	for _, l := range h.Labelled {
		part := h.Between(l.From.Add(1-forecast.Step), l.To)
		if from := h.Index(part.Start); part.Len() > 0 {
			runs = append(runs, run{from, from + part.Len()})
		}
	}
	return runs
}

// Hide is s without the steps of the spans that are of one of kinds: they are
// NaN in the copy that it gives.
func Hide(s forecast.Series, spans []Span, kinds ...Kind) forecast.Series {
	s.Values = slices.Clone(s.Values)
	for _, span := range spans {
		if slices.Contains(kinds, span.Kind) {
			part := s.Between(span.From, span.To)
			for i := range part.Values {
				part.Values[i] = math.NaN()
			}
		}
	}
	return s
}

// run is the steps from from up to, not including, to.
type run struct{ from, to int }

func (r run) len() int { return r.to - r.from }

// spans makes spans of the runs: each step goes to the kind of the highest rank
// that holds it.
func spans(s forecast.Series, found map[run]Kind) []Span {
	if len(found) == 0 {
		return nil
	}
	rank := make([]uint8, s.Len())
	kinds := Kinds()
	for r, kind := range found {
		k := uint8(slices.Index(kinds, kind) + 1)
		for i := r.from; i < r.to; i++ {
			if rank[i] == 0 || k < rank[i] {
				rank[i] = k
			}
		}
	}
	var spans []Span
	for i := 0; i < len(rank); {
		j := i + 1
		for j < len(rank) && rank[j] == rank[i] {
			j++
		}
		if rank[i] > 0 {
			spans = append(spans, Span{kinds[rank[i]-1], s.Time(i), s.Time(j)})
		}
		i = j
	}
	return spans
}
