package forecast

import (
	"math"
	"time"
)

// Step is the distance of two values of a [Series], and of two horizons.
const Step = time.Minute

// Series is a rate on a regular grid. Values[i] is the mean rate over
// [Start+i*Step, Start+(i+1)*Step) in requests per second; NaN says that it is
// not known, which is never the same as zero. Start need not be a full minute.
//
// The methods that give a Series give a view: it shares Values, with its
// capacity cut, so appending to it never writes into the original.
type Series struct {
	Start  time.Time
	Values []float64
}

// Len is the number of steps, missing ones included.
func (s Series) Len() int { return len(s.Values) }

// Time is the stamp of step i, which may lie outside the series.
func (s Series) Time(i int) time.Time { return s.Start.Add(time.Duration(i) * Step) }

// Index is the step that holds t; it is negative before Start and may be Len
// or more after the end.
func (s Series) Index(t time.Time) int {
	d := t.Sub(s.Start)
	if d < 0 {
		d -= Step - 1
	}
	return int(d / Step)
}

// At is the rate of the step that holds t, NaN where there is none.
func (s Series) At(t time.Time) float64 {
	if i := s.Index(t); i >= 0 && i < len(s.Values) {
		return s.Values[i]
	}
	return math.NaN()
}

// End is the instant at which the last step ends, Start for an empty series.
func (s Series) End() time.Time { return s.Time(len(s.Values)) }

// Origin is the stamp of the last step: what a forecast from this series
// counts its horizons from.
func (s Series) Origin() time.Time { return s.Time(len(s.Values) - 1) }

// Through is the series as it was known at origin: the steps stamped at or
// before it.
func (s Series) Through(origin time.Time) Series { return s.slice(0, s.Index(origin)+1) }

// Between is the part stamped in [from, to), as far as the series has it.
func (s Series) Between(from, to time.Time) Series {
	return s.slice(s.ceil(from), s.ceil(to))
}

// Last is the newest known rate and its stamp; ok is false where nothing is
// known at all.
func (s Series) Last() (rate float64, at time.Time, ok bool) {
	for i := len(s.Values) - 1; i >= 0; i-- {
		if v := s.Values[i]; !math.IsNaN(v) {
			return v, s.Time(i), true
		}
	}
	return math.NaN(), time.Time{}, false
}

// Known counts the steps that are not missing.
func (s Series) Known() int {
	n := 0
	for _, v := range s.Values {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// ceil is the first step stamped at or after t.
func (s Series) ceil(t time.Time) int {
	i := s.Index(t)
	if s.Time(i).Before(t) {
		i++
	}
	return i
}

func (s Series) slice(i, j int) Series {
	i = min(max(i, 0), len(s.Values))
	j = min(max(j, i), len(s.Values))
	return Series{Start: s.Time(i), Values: s.Values[i:j:j]}
}

// History is what is known of a workload's load: one rate a step, up to and
// including the step it is forecast from.
type History struct {
	Workload Workload
	Series
	// Labelled are the spans that somebody marked as no sign of the days to
	// come, such as an incident: sorted and disjoint. They say nothing of the
	// values, which are what came.
	Labelled []Interval
}

// Interval is the time from From up to, not including, To.
type Interval struct{ From, To time.Time }
