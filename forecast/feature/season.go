package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// seasonal is how many steps the seasonal values are needed for: as far back as
// the sequence, and as far ahead as the horizon.
const seasonal = Steps*Stride + forecast.Horizon

// seasons are what the same time of earlier days showed, NaN where nothing is
// known: for the seasonal steps their mean, and yesterday and a week ago alone,
// and for the horizon their spread.
type seasons struct {
	profile, yesterday, week [seasonal]float64
	spread                   [forecast.Horizon]float64
	days                     int // in the profile of the step after the origin
	// byDay are the earlier days one by one, yesterday first.
	byDay [Days][seasonal]float64
}

// same is what the same time of some earlier days showed.
type same struct {
	days            int     // that showed anything
	sum, square     float64 // of how far off the level they were
	yesterday, week float64 // NaN where nothing is known
	ripples         int     // how many of the days know the very step
	ripple          float64 // the sum of how far off the steps around them they were
	weekRipple      float64
}

// recall finds the seasons, and the shapes of the day.
func (c *Cutter) recall() {
	for k := range seasonal {
		s := c.same(k)
		c.yesterday[k], c.week[k] = s.yesterday, s.week
		n := float64(s.days)
		m := s.sum / n // 0/0 is NaN: nothing known
		c.profile[k] = c.Level + m
		if h := k - Steps*Stride; h >= 0 {
			c.spread[h] = math.Sqrt(max(s.square/n-m*m, 0))
		}
		if k == Steps*Stride {
			c.days = s.days
		}
		if k -= Steps*Stride - lookBack; k >= 0 {
			c.shape[0][k], c.shape[1][k] = s.ripple/float64(max(s.ripples, 1)), s.weekRipple
		}
	}
}

// same looks at the days before seasonal step k.
func (c *Cutter) same(k int) (s same) {
	at := len(c.y) - Steps*Stride + k
	s.yesterday, s.week = math.NaN(), math.NaN()
	y, level := c.y, c.Level
	var sum, square, ripple float64
	days, ripples := 0, 0
	for day := 1; day <= Days; day++ {
		at -= Day
		if at < -smooth {
			c.byDay[day-1][k] = math.NaN()
			continue
		}
		m, v := math.NaN(), math.NaN()
		if at >= smooth {
			w := (*[2*smooth + 1]float64)(y[at-smooth:])
			m, v = ((w[0]+w[1])+(w[3]+w[4])+w[2])*(1./(2*smooth+1)), w[smooth]
		} else if at >= 0 {
			v = y[at]
		}
		if m != m {
			m = mean(y[max(at-smooth, 0) : at+smooth+1])
		}
		c.byDay[day-1][k] = m
		if d := m - level; d == d {
			sum += d
			square += d * d
			days++
		}
		off := v - m
		if off == off {
			ripple += off
			ripples++
		} else {
			off = 0
		}
		if day == 1 {
			s.yesterday = m
		}
		if day == Days {
			s.week, s.weekRipple = m, off
		}
	}
	s.days, s.sum, s.square, s.ripples, s.ripple = days, sum, square, ripples, ripple
	return s
}

// usual is, for the last 3, 6 and 12 hours, the mean of what they showed on
// earlier days, NaN where nothing is known.
func (c *Cutter) usual() (means [3]float64) {
	var days [3]float64
	for day := 1; day <= Days; day++ {
		sum, known, end := 0.0, 0, day*Day
		for i, n := range [...]int{180, 360, 720} {
			from := day*Day + n
			s, k := c.span(from, (from-end)/5)
			sum, known, end = sum+s, known+k, from
			if known > 0 {
				means[i] += sum / float64(known)
				days[i]++
			}
		}
	}
	for i, n := range days {
		means[i] /= n // 0/0 is NaN
	}
	return means
}
