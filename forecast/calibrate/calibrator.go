package calibrate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// MaxExperts is how many experts a calibrator takes.
const MaxExperts = 8

// firstPrior is the weight that the first expert starts with where there are
// others: it is the one that was trained, and others must show that they are
// better here.
const firstPrior = 0.7

// Calibrator mixes and corrects the forecasts of one workload. It is not safe
// for concurrent use. Its memory is bounded: about 5 kB and 1.3 kB more for
// each expert.
type Calibrator struct {
	experts []string
	prior   []float64
	groups  [NumBuckets]group
	pending pending
	// recent holds the rates of the last hour, NaN where missing, and last is
	// the Unix time of the newest, never before the first.
	recent [forecast.Horizon]float32
	last   int64
}

// New makes a calibrator of the named experts, 1 to MaxExperts of them, the
// most trusted first. It panics on another number: that is a mistake of the
// program.
func New(experts ...string) *Calibrator {
	if len(experts) < 1 || len(experts) > MaxExperts {
		panic(fmt.Sprintf("calibrate: %d experts, want 1 to %d", len(experts), MaxExperts))
	}
	c := &Calibrator{experts: slices.Clone(experts), prior: make([]float64, len(experts)), pending: newPending(len(experts)), last: never}
	for k := range c.prior {
		c.prior[k] = (1 - firstPrior) / float64(max(len(experts)-1, 1))
	}
	c.prior[0] = firstPrior
	if len(experts) == 1 {
		c.prior[0] = 1
	}
	for b := range c.groups {
		c.groups[b] = newGroup(c.prior)
	}
	for i := range c.recent {
		c.recent[i] = float32(math.NaN())
	}
	return c
}

// Experts are the names that New was given.
func (c *Calibrator) Experts() []string { return slices.Clone(c.experts) }

// Last is the newest step that was observed, missing or not; the zero time
// before the first.
func (c *Calibrator) Last() time.Time {
	if c.last == never {
		return time.Time{}
	}
	return time.Unix(c.last, 0).UTC()
}

// Observe takes in the rate of the step stamped at, in requests per second, and
// learns from the remembered forecasts that were made of it. NaN says that the
// rate is not known: nothing is learned from it. Steps come in order; one that
// is not newer than the last is passed over, and those left out between count
// as missing.
func (c *Calibrator) Observe(at time.Time, rate float64) {
	now := at.Unix()
	if now <= c.last {
		return
	}
	if !(rate >= 0) || math.IsInf(rate, 0) {
		rate = math.NaN()
	}
	rate = min(rate, math.MaxFloat32)
	for t := max(c.last+step, now-(forecast.Horizon-1)*step); t < now; t += step {
		c.recent[place(t)] = float32(math.NaN())
	}
	c.recent[place(now)] = float32(rate)
	c.last = now

	var rounds [NumBuckets]round
	c.pending.due(now, func(t target, said []float32) {
		if y, ok := c.truth(t, rate); ok {
			rounds[t.bucket].add(&c.groups[t.bucket], y, said)
		}
	})
	for b := range rounds {
		if rounds[b].n > 0 {
			c.groups[b].learn(&rounds[b], now, Buckets()[b].delay, c.prior)
		}
	}
}

// step is forecast.Step in seconds, as times are kept.
const step = int64(forecast.Step / time.Second)

// never is the time of what has not happened.
const never = math.MinInt64

// place is where the rate of a time is in Calibrator.recent.
func place(t int64) int64 {
	i := t / step % forecast.Horizon
	if i < 0 {
		i += forecast.Horizon
	}
	return i
}

// truth is what came of a target now: the rate, or the largest of the last
// ones. It is not known where the rate is missing, or more than one in five of
// the rates are, as the largest may then be among those.
func (c *Calibrator) truth(t target, rate float64) (y float64, ok bool) {
	if !t.peak {
		return rate, !math.IsNaN(rate)
	}
	known := 0
	for i := range int64(t.lead) {
		if v := float64(c.recent[place(c.last-i*step)]); !math.IsNaN(v) {
			known++
			y = max(y, v)
		}
	}
	return y, known > 0 && 5*known >= 4*t.lead
}

// Combine mixes and corrects what the experts say now, in the order of New's
// names: forecasts of one workload from one origin, or the zero Forecast from
// an expert that has none now, whose weight the others then share. From the
// newest observed step on, the result is remembered to learn from; for one from
// an earlier origin, corrections already know what came.
//
// The error is another number of forecasts, workloads or origins that differ,
// forecasts without all steps and peaks, or none at all.
func (c *Calibrator) Combine(now []forecast.Forecast) (forecast.Forecast, error) {
	first, err := c.check(now)
	if err != nil {
		return forecast.Forecast{}, err
	}
	f := forecast.Forecast{
		Workload: first.Workload, Origin: first.Origin, By: first.By + ", calibrated",
		Steps: make([]forecast.Quantiles, forecast.Horizon), Peaks: make([]forecast.Quantiles, forecast.Horizon),
	}
	var awake [MaxExperts]bool
	for k := range now {
		awake[k] = now[k].Steps != nil
	}
	// The shares that each bucket gives the experts, and its least unit.
	var shares [NumBuckets][MaxExperts]float64
	var least [NumBuckets]float64
	for b := range c.groups {
		shares[b] = c.groups[b].shares(awake[:len(now)])
		least[b] = c.groups[b].leastUnit()
	}
	for i := range f.Steps {
		b := bucketOfStep(i + 1)
		g := &c.groups[b]
		mix := mixSteps(now, &shares[b], i)
		f.Steps[i] = correct(&mix, &g.theta, unit(&mix, least[b]))
	}
	for i := range f.Peaks {
		first, second, part := bucketsOfPeak(i + 1)
		a, b := &c.groups[first], &c.groups[second]
		var w [MaxExperts]float64
		for k := range now {
			w[k] = shares[first][k]*(1-part) + shares[second][k]*part
		}
		mix := mixPeaks(now, &w, i)
		var theta forecast.Quantiles
		for j := range theta {
			theta[j] = a.theta[j]*(1-part) + b.theta[j]*part
		}
		f.Peaks[i] = correct(&mix, &theta, unit(&mix, least[first])*(1-part)+unit(&mix, least[second])*part)
		if i > 0 {
			// The largest of more steps is not smaller.
			for j := range f.Peaks[i] {
				f.Peaks[i][j] = max(f.Peaks[i][j], f.Peaks[i-1][j])
			}
		}
	}
	if origin := f.Origin.Unix(); origin >= c.last {
		c.pending.remember(origin, now, f)
	}
	return f, nil
}

// wanted tells in which buckets it matters what expert k says from origin: where
// it has a share in the mixture, and everywhere if it is to be verified.
func (c *Calibrator) wanted(k int, origin time.Time) (wanted [NumBuckets]bool) {
	all := false
	for n := range c.pending.targets {
		all = all || c.pending.open(n, origin.Unix())
	}
	for b := range wanted {
		wanted[b] = all || c.groups[b].weights[k] > cut
	}
	return wanted
}

// check gives the first of the forecasts that are there.
func (c *Calibrator) check(now []forecast.Forecast) (first forecast.Forecast, err error) {
	if len(now) != len(c.experts) {
		return first, fmt.Errorf("combine %d forecasts: want one of each of the %d experts", len(now), len(c.experts))
	}
	found := false
	for k, f := range now {
		switch {
		case f.Steps == nil:
			continue
		case len(f.Steps) != forecast.Horizon || len(f.Peaks) != forecast.Horizon:
			return first, fmt.Errorf("combine forecast of %s by %s: %d steps and %d peaks, want %d of each", f.Workload, c.experts[k], len(f.Steps), len(f.Peaks), forecast.Horizon)
		case !found:
			first, found = f, true
		case f.Workload != first.Workload || !f.Origin.Equal(first.Origin):
			return first, fmt.Errorf("combine forecast of %s at %v by %s: want one of %s at %v", f.Workload, f.Origin, c.experts[k], first.Workload, first.Origin)
		}
	}
	if !found {
		return first, errors.New("combine forecasts: no expert has any")
	}
	return first, nil
}

// mixSteps is the weighted mean of the experts' quantiles of one step: as a mean
// of ascending functions it ascends.
func mixSteps(experts []forecast.Forecast, shares *[MaxExperts]float64, i int) (mix forecast.Quantiles) {
	for k := range experts {
		if w := shares[k]; w > 0 {
			for j, v := range experts[k].Steps[i] {
				mix[j] += w * v
			}
		}
	}
	return mix
}

// mixPeaks is the same of one peak.
func mixPeaks(experts []forecast.Forecast, shares *[MaxExperts]float64, i int) (mix forecast.Quantiles) {
	for k := range experts {
		if w := shares[k]; w > 0 {
			for j, v := range experts[k].Peaks[i] {
				mix[j] += w * v
			}
		}
	}
	return mix
}
