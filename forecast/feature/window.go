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

// Reclock sets the time of day of a window that was cut, as a fraction of the day
// from 0 to 1. A network that is sometimes told a wrong one in training
// learns to rely on what the seasons show, and not to know single days of
// single histories by their hours.
func (w Window) Reclock(clock float64) {
	// The angle turns by the same at each step, so it takes the sine and cosine
	// of two angles only.
	const turn = 2 * math.Pi * Stride / Day
	sin, cos := math.Sincos(2*math.Pi*clock - (Steps-1)*turn)
	dSin, dCos := math.Sincos(turn)
	for t := range Steps {
		x := w.X[t*w.Stride : t*w.Stride+Channels]
		x[Channels-2], x[Channels-1] = float32(sin), float32(cos)
		sin, cos = sin*dCos+cos*dSin, cos*dCos-sin*dSin
	}
	for i, k := range []float64{1, 2} {
		sin, cos := math.Sincos(2 * math.Pi * k * clock)
		w.Static[2*i], w.Static[2*i+1] = float32(sin), float32(cos)
	}
}

// Cutter cuts windows. It owns the memory that takes, so it serves one
// goroutine at a time.
type Cutter struct {
	Scale
	perUnit float64   // the inverse of Unit
	y       []float64 // the steps that count, of which the last is the origin
	count   int       // how many of the last Memory of them are known
	five    fives
	clock   float64 // fraction of the day at the origin
	latest
	seasons
	shapes
	own
}

// Cut fills w with what is known at step origin of p of the steps from since
// on, and gives the scale it is in. One of them must be known.
func (c *Cutter) Cut(p Source, since, origin int, w Window) Scale {
	since = max(since, 0)
	c.y, c.clock = p.y[since:origin+1], p.clock(origin)
	c.sumFives()
	c.rescale()
	c.recall()
	c.recur()
	c.fitOwn()
	c.encode(w)
	c.bases(w.Base)
	c.summarise(w.Static)
	w.Reclock(c.clock)
	c.y = nil // whose memory it is may want it back
	return c.Scale
}

// rescale finds the level of the last minutes and the spread of the last day.
// The level looks further back until it finds something known.
func (c *Cutter) rescale() {
	for _, n := range []int{5, 15, 60, Day, len(c.y)} {
		if c.Level = mean(c.y[max(len(c.y)-n, 0):]); !math.IsNaN(c.Level) {
			break
		}
	}
	c.look()
	// A series that never moves has no spread of its own: what counts as a
	// large change is then told by its level. The last term only keeps the
	// division by it finite.
	c.Unit = max(c.day.deviation, 0.02*c.Level, 0.02*orZero(c.lately(Day)), 1e-9)
	c.perUnit = 1 / c.Unit
}

// z is Z, which divides.
func (c *Cutter) z(rate float64) float64 { return (rate - c.Level) * c.perUnit }

// at is the value i steps before the origin, NaN where there is none.
func (c *Cutter) at(i int) float64 {
	if i >= len(c.y) {
		return math.NaN()
	}
	return c.y[len(c.y)-1-i]
}

func (c *Cutter) encode(w Window) {
	last := 0.0
	for t := range Steps {
		back := (Steps - 1 - t) * Stride // of the later of the two steps
		x := w.X[t*w.Stride : t*w.Stride+Channels]
		v, b := c.at(back+1), c.at(back)
		deviation, missing := 0.0, float32(0)
		switch {
		case v == v && b == b:
			v, deviation = (v+b)/2, math.Abs(v-b)/2
		case b == b:
			v = b
		case v != v:
			missing = 1
		}
		if missing == 0 {
			last = squash(c.z(v))
		}
		x[0] = float32(last)
		x[1] = missing
		x[2] = float32(squash(deviation * c.perUnit))
		k := Steps*Stride - 1 - back
		x[3] = c.season(c.profile[k], last)
		x[4] = c.season(c.yesterday[k], last)
		x[5] = c.season(c.week[k], last)
		x[6] = float32(last) - x[3]
	}
}

// season is a seasonal rate as the network sees it; without one, what it would
// be if nothing changed.
func (c *Cutter) season(rate, otherwise float64) float32 {
	if math.IsNaN(rate) {
		return float32(otherwise)
	}
	return float32(squash(c.z(rate)))
}

// bases fills Horizon rows of simple forecasts, and the shapes. Where a season
// is not known the level stands in.
func (c *Cutter) bases(b []float32) {
	const now = Steps * Stride
	last := c.z(orElse(c.at(0), c.Level))
	hour := c.z(orElse(c.lately(60), c.Level))
	// How far each season lies from the level now: taken off, it starts there.
	profileGap, yesterdayGap, weekGap := c.gap(c.profile[now-5:now]), c.gap(c.yesterday[now-5:now]), c.gap(c.week[now-5:now])
	hourGap := c.gap(c.profile[now-60:now]) - hour
	factor := c.factor(profileGap)
	own, alike, soon := c.ownCourse(), c.alikeCourse(), c.soonCourse()
	lowest := float32(-c.Level * c.perUnit)
	for h := range forecast.Horizon {
		profile := c.z(orElse(c.profile[now+h], c.Level))
		yesterday := c.z(orElse(c.yesterday[now+h], c.Level))
		week := c.z(orElse(c.week[now+h], c.Level))
		row := (*[Columns]float32)(b[h*Columns:])
		for i, v := range [Bases]float64{
			0, last, hour,
			profile, profile - profileGap, profile - hourGap, c.z(c.Rate(profile) * factor),
			yesterday, yesterday - yesterdayGap,
			week, week - weekGap,
			(yesterday - yesterdayGap + week - weekGap) / 2,
			own[h], alike[h], soon[h],
		} {
			row[i] = float32(v)
			if row[i] < lowest {
				row[i] = lowest
			}
		}
		for i := range c.shape {
			row[Bases+i] = float32(c.shape[i][lookBack+h] * c.perUnit)
		}
	}
}

// gap is the mean of a season's values, in units from the level; 0 where none
// is known.
func (c *Cutter) gap(season []float64) float64 {
	if m := mean(season); m == m {
		return c.z(m)
	}
	return 0
}

// factor is how many times the profile the level is, within reason.
func (c *Cutter) factor(profileGap float64) float64 {
	if profile := c.Rate(profileGap); profile > 0 {
		return min(max(c.Level/profile, 0.2), 5)
	}
	return 1
}

func (c *Cutter) summarise(out []float32) {
	i := 4 // Reclock fills the first
	put := func(v float64) { out[i] = float32(v); i++ }
	ratio := func(v float64) { put(logarithm(v*c.perUnit + 0.01)) }
	z := func(v float64) { put(squash(c.z(orElse(v, c.Level)))) }

	sin, cos := math.Sincos(2 * math.Pi * 24 * c.clock)
	put(sin)
	put(cos)
	z(c.at(0))
	z(c.lately(15))
	z(c.lately(60))
	z(c.lately(Day))
	z(c.hour.low)
	z(c.hour.high)
	put(c.hour.zeros)
	z(c.day.high)
	put(c.day.zeros)
	ratio(c.hour.deviation)
	ratio(c.quarter.deviation)
	ratio(c.hour.roughness)
	ratio(c.day.roughness)
	ratio(c.Level)
	for i := range c.shape {
		fit, size := c.fit(i)
		put(fit)
		ratio(size)
	}
	usual := c.usual()
	for i, n := range [len(usual)]int{180, 360, 720} {
		now := c.lately(n)
		z(now)
		put(squash(orZero(now-usual[i]) * c.perUnit))
	}
	for _, season := range []*[seasonal]float64{&c.profile, &c.yesterday, &c.week} {
		bias, size := c.miss(season)
		put(squash(bias * c.perUnit))
		ratio(size)
	}
	put(float64(c.days) / Days)
	put(c.hour.share)
	_, known := total(c.y[max(len(c.y)-5, 0):])
	put(float64(known) / 5)
	put(c.day.share)
	// No more than a week of it: how long a history is beyond what counts would
	// tell the network nothing but which one it is, and where in it.
	put(math.Log1p(min(float64(c.count), Week)) / 10)

	for _, season := range []*[seasonal]float64{&c.profile, &c.yesterday, &c.week} {
		for b := range Bins {
			z(mean(bin(season[Steps*Stride:], b)))
		}
	}
	for b := range Bins {
		ratio(orZero(mean(bin(c.spread[:], b))))
	}
	for b := range Bins {
		// What the smoothed seasons hide: the highest single step yesterday.
		from := len(c.y) - Day + b*binSteps
		high := math.NaN()
		for _, v := range c.y[max(from, 0):max(from+binSteps, 0)] {
			if v > high || high != high {
				high = v
			}
		}
		z(high)
	}
}

const binSteps = forecast.Horizon / Bins

// bin is bin b of what is known of the horizon.
func bin(v []float64, b int) []float64 { return v[b*binSteps : (b+1)*binSteps] }

// miss is how a season would have forecast the last hour: its mean error and
// its mean absolute error.
func (c *Cutter) miss(season *[seasonal]float64) (bias, size float64) {
	const now, span = Steps * Stride, 60
	y := c.y[max(len(c.y)-span, 0):]
	n := 0
	for k, v := range season[now-len(y) : now] {
		if d := y[k] - v; d == d {
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

func orElse(v, otherwise float64) float64 {
	if math.IsNaN(v) {
		return otherwise
	}
	return v
}

func orZero(v float64) float64 { return orElse(v, 0) }
