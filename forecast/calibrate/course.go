package calibrate

import (
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

const (
	day  = 24 * 60
	week = 7 * day
	// samples is about how many past origins a course learns its errors from,
	// of the last week, and enough how many it wants before it says anything.
	samples = 200
	enough  = 30
	// relearn is how long, in steps, a course's errors are good for. Young
	// workloads learn again when they are half as old again.
	relearn = 12 * 60
)

// course is a simple expert: the rate stays what it is, or is what it was a
// day or a week before. The quantiles around that are those of its own errors,
// in roots of rates as in forecast/baseline, but learned twice a day
// rather than for each forecast, so that an expert costs a few microseconds.
type course struct {
	name string
	// period is how many steps the course looks back, 0 for the last value.
	period int
	// learned is the end of the history that the errors are from, and known
	// tells whether there were enough of them.
	learned time.Time
	known   bool
	// The quantiles of the errors at each of knots.
	steps, peaks [knots]forecast.Quantiles
	// made is what was forecast last; the next one takes its memory.
	made forecast.Forecast
}

func courses() []course {
	return []course{{name: "last-value"}, {name: "seasonal-naive-day", period: day}, {name: "seasonal-naive-week", period: week}}
}

const knots = 11

// knotted are the leads at which errors are learned; between them the quantiles
// are linear.
func knotted() [knots]int { return [knots]int{1, 2, 3, 5, 7, 10, 15, 20, 30, 45, forecast.Horizon} }

// forecast gives the zero Forecast while the course does not know enough, and
// one that is good until the next call where it does. Only what lies in wanted
// buckets is computed.
func (c *course) forecast(h forecast.History, wanted *[NumBuckets]bool) forecast.Forecast {
	end := h.Len() - 1
	age := int(h.Origin().Sub(c.learned) / forecast.Step)
	if c.learned.IsZero() || age < 0 || age >= min(relearn, max(enough, h.Len()/3)) {
		c.learn(h.Values)
		c.learned = h.Origin()
	}
	if !c.known || end < c.period {
		return forecast.Forecast{}
	}
	f := &c.made
	if f.Steps == nil {
		f.Steps, f.Peaks = make([]forecast.Quantiles, forecast.Horizon), make([]forecast.Quantiles, forecast.Horizon)
	}
	f.Workload, f.Origin, f.By = h.Workload, h.Origin(), c.name
	at, k, top := knotted(), 0, 0.0
	last := lastRoot(h.Values, end)
	for i := range forecast.Horizon {
		lead := i + 1
		if lead > at[k] {
			k++
		}
		left, share := k, 1.0
		if k > 0 {
			left, share = k-1, float64(lead-at[k-1])/float64(at[k]-at[k-1])
		}
		middle := c.middle(h.Values, end, lead, last)
		top = max(top, middle)
		if wanted[bucketOfStep(lead)] {
			f.Steps[i] = around(middle, &c.steps[left], &c.steps[k], share)
		}
		if a, b, _ := bucketsOfPeak(lead); wanted[a] || wanted[b] {
			f.Peaks[i] = around(top, &c.peaks[left], &c.peaks[k], share)
		}
	}
	return *f
}

// around puts the quantiles of errors around a root and squares the sums.
func around(root float64, a, b *forecast.Quantiles, share float64) (q forecast.Quantiles) {
	low := 0.0
	for j := range q {
		if r := root + a[j] + (b[j]-a[j])*share; r > 0 && r*r > low {
			low = r * r // rounding must not make the quantiles cross
			if low > math.MaxFloat64 {
				low = math.MaxFloat64
			}
		}
		q[j] = low
	}
	return q
}

// middle is the root that the course expects lead steps after step t: from
// values up to t. Where that day or week is missing, the one before it counts,
// and last, the newest known root at t, where there is none.
func (c *course) middle(values []float64, t, lead int, last float64) float64 {
	if c.period > 0 {
		for i := t + lead - c.period; i >= 0; i -= c.period {
			if v := root(values[i]); !math.IsNaN(v) {
				return v
			}
		}
	}
	return last
}

// learn takes the errors that the course would have made over the last week.
func (c *course) learn(values []float64) {
	var steps, peaks [knots][]float64
	end := len(values) - 1 - forecast.Horizon
	from := max(c.period, end-week, 0)
	stride := max(1, (end-from)/samples)
	at := knotted()
	for t := end; t >= from; t -= stride {
		last := lastRoot(values, t)
		if math.IsNaN(last) {
			break // nothing is known before it either, or not for hours
		}
		k, seen := 0, 0
		var actual, expected float64
		for lead := 1; lead <= forecast.Horizon; lead++ {
			y, x := root(values[t+lead]), c.middle(values, t, lead, last)
			expected = max(expected, x)
			if !math.IsNaN(y) {
				actual = max(actual, y)
				seen++
			}
			if lead != at[k] {
				continue
			}
			if !math.IsNaN(y) {
				steps[k] = append(steps[k], y-x)
			}
			if 5*seen >= 4*lead {
				peaks[k] = append(peaks[k], actual-expected)
			}
			k++
		}
	}
	c.known = true
	levels := forecast.Levels()
	for k := range knots {
		if len(steps[k]) < enough || len(peaks[k]) < enough {
			c.known = false
			return
		}
		slices.Sort(steps[k])
		slices.Sort(peaks[k])
		for j, level := range levels {
			c.steps[k][j] = rounded(accuracy.Quantile(steps[k], level))
			c.peaks[k][j] = rounded(accuracy.Quantile(peaks[k], level))
		}
	}
}

// rounded is v as Encode keeps it, so that what is resumed says the same to the
// last digit.
func rounded(v float64) float64 {
	return float64(float32(min(max(v, -math.MaxFloat32), math.MaxFloat32)))
}

// root is the root of a rate, NaN where it is none.
func root(rate float64) float64 {
	if !(rate >= 0) || math.IsInf(rate, 0) {
		return math.NaN()
	}
	return math.Sqrt(rate)
}

// lastRoot is the newest known root at or before step t, NaN where none is
// known for half a day.
func lastRoot(values []float64, t int) float64 {
	for i := t; i >= max(0, t-day/2); i-- {
		if v := root(values[i]); !math.IsNaN(v) {
			return v
		}
	}
	return math.NaN()
}
