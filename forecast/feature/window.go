package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// Scale leads from the network's units back to rates: rate = Level + Unit*z.
// Unit is above zero.
type Scale struct{ Level, Unit float64 }

// Z is a rate in the network's units.
func (s Scale) Z(rate float64) float64 { return (rate - s.Level) / s.Unit }

// Rate is the inverse of Z, never negative.
func (s Scale) Rate(z float64) float64 { return max(s.Level+s.Unit*z, 0) }

// Window is one example of a batch: slices that Cut fills.
type Window struct {
	// X receives the sequence: step t, channel c at t*Stride+c, where Stride is
	// the distance of two steps of one example in the batch.
	X      []float32
	Stride int
	// Static receives the Statics summaries.
	Static []float32
	// Base receives Horizon rows of Columns: simple forecasts and shapes, in
	// units of the Scale.
	Base []float32
}

// seasonal is how many steps the seasonal values are needed for: as far back as
// the sequence, and as far ahead as the horizon.
const seasonal = Steps*Stride + forecast.Horizon

// Reclock sets the time of day of a window that was cut, as a fraction of the day
// from 0 to 1. A network that is sometimes told a wrong one in training
// learns to rely on what the seasons show, and not to know single days of
// single histories by their hours.
func (w Window) Reclock(clock float64) {
	for t := range Steps {
		sin, cos := math.Sincos(2 * math.Pi * (clock - float64((Steps-1-t)*Stride)/Day))
		w.X[t*w.Stride+Channels-2], w.X[t*w.Stride+Channels-1] = float32(sin), float32(cos)
	}
	for i, k := range []float64{1, 2} {
		sin, cos := math.Sincos(2 * math.Pi * k * clock)
		w.Static[2*i], w.Static[2*i+1] = float32(sin), float32(cos)
	}
}

// Cutter cuts windows. It owns the memory that takes, so it serves one
// goroutine at a time.
type Cutter struct {
	past
	Scale
	// What the same time of earlier days showed, for the seasonal steps, NaN
	// where nothing is known: their mean, their spread, and yesterday and a week
	// ago alone.
	profile, spread, yesterday, week [seasonal]float64
	days                             int // in the profile of the step after the origin
	shapes
}

// first is the step that the seasonal values begin at.
func (c *Cutter) first() int { return c.origin + 1 - Steps*Stride }

// Cut fills w with what is known at step origin of p of the steps from since
// on, and gives the scale it is in. One of them must be known.
func (c *Cutter) Cut(p *Source, since, origin int, w Window) Scale {
	c.past = past{Source: p, since: max(since, 0), origin: origin}
	c.rescale()
	c.seasons()
	c.recur()
	c.encode(w)
	c.bases(w.Base)
	c.summarise(w.Static)
	return c.Scale
}

// rescale finds the level of the last minutes and the spread of the last day.
// The level looks further back until it finds something known.
func (c *Cutter) rescale() {
	o := c.origin
	for _, n := range []int{5, 15, 60, Day, len(c.y)} {
		if c.Level = c.mean(o+1-n, o+1); !math.IsNaN(c.Level) {
			break
		}
	}
	// A series that never moves has no spread of its own: what counts as a
	// large change is then told by its level. The last term only keeps the
	// division by it finite.
	c.Unit = max(c.deviation(o+1-Day, o+1), 0.02*c.Level, 0.02*orZero(c.mean(o+1-Day, o+1)), 1e-9)
}

func (c *Cutter) seasons() {
	for k := range seasonal {
		t := c.first() + k
		var sum, square float64
		days := 0
		for d := 1; d <= Days; d++ {
			v := c.mean(t-d*Day-smooth, t-d*Day+smooth+1)
			switch d {
			case 1:
				c.yesterday[k] = v
			case Days:
				c.week[k] = v
			}
			if !math.IsNaN(v) {
				sum += v - c.Level
				square += (v - c.Level) * (v - c.Level)
				days++
			}
		}
		c.profile[k], c.spread[k] = math.NaN(), math.NaN()
		if days > 0 {
			m := sum / float64(days)
			c.profile[k] = c.Level + m
			c.spread[k] = math.Sqrt(max(square/float64(days)-m*m, 0))
		}
		if k == Steps*Stride {
			c.days = days
		}
	}
}

func (c *Cutter) encode(w Window) {
	last := 0.0
	for t := range Steps {
		end := c.origin + 1 - (Steps-1-t)*Stride
		x := w.X[t*w.Stride : t*w.Stride+Channels]
		v := c.mean(end-Stride, end)
		missing := math.IsNaN(v)
		if !missing {
			last = squash(c.Z(v))
		}
		x[0] = float32(last)
		x[1] = 0
		if missing {
			x[1] = 1
		}
		x[2] = float32(squash(c.deviation(end-Stride, end) / c.Unit))
		at := end - 1 - c.first()
		x[3] = season(c.Scale, c.profile[at], last)
		x[4] = season(c.Scale, c.yesterday[at], last)
		x[5] = season(c.Scale, c.week[at], last)
		x[6] = float32(last) - x[3]
		sin, cos := math.Sincos(2 * math.Pi * c.clock(end-1))
		x[7], x[8] = float32(sin), float32(cos)
	}
}

// season is a seasonal rate as the network sees it; without one, what it would
// be if nothing changed.
func season(s Scale, rate, otherwise float64) float32 {
	if math.IsNaN(rate) {
		return float32(otherwise)
	}
	return float32(squash(s.Z(rate)))
}

// bases fills Horizon rows of simple forecasts, and the shapes. Where a season
// is not known the level stands in.
func (c *Cutter) bases(b []float32) {
	const now = Steps * Stride
	last := c.Z(orElse(c.at(c.origin), c.Level))
	hour := c.Z(orElse(c.mean(c.origin-59, c.origin+1), c.Level))
	// How far each season lies from the level now: taken off, it starts there.
	profileGap, yesterdayGap, weekGap := c.gap(c.profile[now-5:now]), c.gap(c.yesterday[now-5:now]), c.gap(c.week[now-5:now])
	hourGap := c.gap(c.profile[now-60:now]) - hour
	factor := c.factor(profileGap)
	lowest := -c.Level / c.Unit
	for h := range forecast.Horizon {
		profile := c.Z(orElse(c.profile[now+h], c.Level))
		yesterday := c.Z(orElse(c.yesterday[now+h], c.Level))
		week := c.Z(orElse(c.week[now+h], c.Level))
		row := b[h*Columns : (h+1)*Columns]
		for i, v := range [Bases]float64{
			0, last, hour,
			profile, profile - profileGap, profile - hourGap, c.Z(c.Rate(profile) * factor),
			yesterday, yesterday - yesterdayGap,
			week, week - weekGap,
			(yesterday - yesterdayGap + week - weekGap) / 2,
		} {
			row[i] = float32(max(v, lowest))
		}
		for i := range c.shape {
			row[Bases+i] = float32(c.shape[i][lookBack+h] / c.Unit)
		}
	}
}

// gap is the mean of a season's values, in units from the level; 0 where none
// is known.
func (c *Cutter) gap(season []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range season {
		if !math.IsNaN(v) {
			sum += c.Z(v)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// factor is how many times the profile the level is, within reason.
func (c *Cutter) factor(profileGap float64) float64 {
	if profile := c.Rate(profileGap); profile > 0 {
		return min(max(c.Level/profile, 0.2), 5)
	}
	return 1
}

func (c *Cutter) summarise(out []float32) {
	o, i := c.origin, 0
	put := func(v float64) { out[i] = float32(v); i++ }
	ratio := func(v float64) { put(math.Log(v/c.Unit + 0.01)) }
	z := func(v float64) { put(squash(c.Z(orElse(v, c.Level)))) }

	for _, k := range []float64{1, 2, 24} {
		sin, cos := math.Sincos(2 * math.Pi * k * c.clock(o))
		put(sin)
		put(cos)
	}
	z(c.at(o))
	z(c.mean(o-14, o+1))
	z(c.mean(o-59, o+1))
	z(c.mean(o+1-Day, o+1))
	low, high, zeros := c.extremes(o-59, o+1)
	z(low)
	z(high)
	put(zeros)
	_, high, zeros = c.extremes(o+1-Day, o+1)
	z(high)
	put(zeros)
	ratio(c.deviation(o-59, o+1))
	ratio(c.deviation(o-14, o+1))
	ratio(c.roughness(o-59, o+1))
	ratio(c.roughness(o+1-Day, o+1))
	ratio(c.Level)
	for i := range c.shape {
		fit, size := c.fit(i)
		put(fit)
		ratio(size)
	}
	for _, n := range []int{180, 360, 720} {
		now := c.mean(c.origin+1-n, c.origin+1)
		z(now)
		put(squash(orZero(now-c.usual(n)) / c.Unit))
	}
	for _, season := range [][]float64{c.profile[:], c.yesterday[:], c.week[:]} {
		bias, size := c.miss(season)
		put(squash(bias / c.Unit))
		ratio(size)
	}
	put(float64(c.days) / Days)
	put(c.share(o-59, o+1))
	put(c.share(o-4, o+1))
	put(c.share(o+1-Day, o+1))
	// No more than a week of it: how long a history is beyond what counts would
	// tell the network nothing but which one it is, and where in it.
	put(math.Log1p(min(float64(c.known[o+1]-c.known[c.since]), Week)) / 10)

	for _, season := range [][]float64{c.profile[:], c.yesterday[:], c.week[:]} {
		for b := range Bins {
			z(average(season[Steps*Stride:], b))
		}
	}
	for b := range Bins {
		ratio(orZero(average(c.spread[Steps*Stride:], b)))
	}
	for b := range Bins {
		// What the smoothed seasons hide: the highest single step yesterday.
		from := o + 1 - Day + b*binSteps
		_, high, _ := c.extremes(from, from+binSteps)
		z(high)
	}
}

const binSteps = forecast.Horizon / Bins

// average is the mean of the known values in bin b of v.
func average(v []float64, b int) float64 {
	sum, n := 0.0, 0
	for _, x := range v[b*binSteps : (b+1)*binSteps] {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / float64(n) // 0/0 is NaN: nothing known
}

// usual is the mean of what the last n steps showed on earlier days, NaN where
// nothing is known.
func (c *Cutter) usual(n int) float64 {
	sum, days := 0.0, 0
	for d := 1; d <= Days; d++ {
		if v := c.mean(c.origin+1-n-d*Day, c.origin+1-d*Day); !math.IsNaN(v) {
			sum += v
			days++
		}
	}
	return sum / float64(days) // 0/0 is NaN
}

// miss is how a season would have forecast the last hour: its mean error and
// its mean absolute error.
func (c *Cutter) miss(season []float64) (bias, size float64) {
	n := 0
	for k := Steps*Stride - 60; k < Steps*Stride; k++ {
		if d := c.at(c.first()+k) - season[k]; !math.IsNaN(d) {
			bias += d
			size += math.Abs(d)
			n++
		}
	}
	if n == 0 {
		return 0, 0
	}
	return bias / float64(n), size / float64(n)
}

// squash keeps small numbers as they are and large ones within reach of the
// network: a rate a thousand units away is worth 7.6.
func squash(z float64) float64 { return math.Asinh(z) }

func orElse(v, otherwise float64) float64 {
	if math.IsNaN(v) {
		return otherwise
	}
	return v
}

func orZero(v float64) float64 { return orElse(v, 0) }
