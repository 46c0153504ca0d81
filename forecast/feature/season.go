package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// seasonal is how many steps the seasonal values are needed for: as far back as
// the sequence, and as far ahead as the horizon.
const seasonal = Steps*Stride + forecast.Horizon

// seasons are what the same time of earlier days showed, for the seasonal steps,
// NaN where nothing is known: their mean, their spread, and yesterday and a week
// ago alone.
type seasons struct {
	profile, spread, yesterday, week [seasonal]float64
	days                             [seasonal]float64 // in the profile

	between [seasonal]float64 // any of the other days
}

// recall finds the seasons, and the shapes of the day.
func (c *Cutter) recall() {
	sum, square := &c.profile, &c.spread // until they are divided
	clear(sum[:])
	clear(square[:])
	clear(c.days[:])
	var known [lookBack + forecast.Horizon]float64
	clear(c.shape[0][:])
	clear(c.shape[1][:])
	for day := 1; day <= Days; day++ {
		values := &c.between
		switch day {
		case 1:
			values = &c.yesterday
		case Days:
			values = &c.week
		}
		at := len(c.y) - Steps*Stride - day*Day
		c.smoothed(at, values)
		for k, v := range values {
			if d := v - c.Level; d == d {
				sum[k] += d
				square[k] += d * d
				c.days[k]++
			}
		}
		const skip = Steps*Stride - lookBack
		from := max(-at-skip, 0) // the first of them that lies in y
		for k := from; k < len(known); k++ {
			if d := c.y[at+skip+k] - values[skip+k]; d == d {
				c.shape[0][k] += d
				known[k]++
				if day == Days {
					c.shape[1][k] = d
				}
			}
		}
	}
	for k, n := range known {
		c.shape[0][k] /= max(n, 1)
	}
	for k, n := range c.days {
		if n == 0 {
			c.profile[k], c.spread[k] = math.NaN(), math.NaN()
			continue
		}
		m := sum[k] / n
		c.spread[k] = math.Sqrt(max(square[k]/n-m*m, 0))
		c.profile[k] = c.Level + m
	}
}

// smoothed sets values to the means around each step from at on.
func (c *Cutter) smoothed(at int, values *[seasonal]float64) {
	whole := min(max(smooth-at, 0), seasonal) // from here on no step around is outside
	for k := range whole {
		values[k] = mean(c.y[max(at+k-smooth, 0):max(at+k+smooth+1, 0)])
	}
	if whole == seasonal {
		return
	}
	y := c.y[at+whole-smooth : at+seasonal+smooth]
	for k := range values[whole:] {
		w := (*[2*smooth + 1]float64)(y[k:])
		m := ((w[0] + w[1]) + (w[2] + w[3]) + w[4]) * (1. / (2*smooth + 1))
		if m != m {
			m = mean(w[:])
		}
		values[whole+k] = m
	}
}

// usual is, for the last 3, 6 and 12 hours, the mean of what they showed on
// earlier days, NaN where nothing is known.
func (c *Cutter) usual() (means [3]float64) {
	var days [3]float64
	for day := 1; day <= Days; day++ {
		end := max(len(c.y)-day*Day, 0)
		sum, known := 0.0, 0
		for i, n := range [...]int{180, 360, 720} {
			from := max(len(c.y)-day*Day-n, 0)
			s, k := total(c.y[from:end])
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
