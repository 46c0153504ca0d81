package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// shapes are what recurs beside the smoothed seasons: the job that starts on
// the full hour, the burst every thirty minutes.
type shapes struct {
	// ripple is what smoothing leaves out of each of the last steps, and swing
	// how far it lies from the hour around it; 0 where it is not known.
	ripple, swing [lookBack]float64
	// shape is, for the last lookBack steps and the horizon: the mean ripple at
	// the same time of earlier days, the ripple a week ago, and the mean ripple
	// and swing at the same minute of earlier hours. seasons fills the first two.
	shape [Shapes][lookBack + forecast.Horizon]float64
}

// recur finds the shapes of the hour.
func (c *Cutter) recur() {
	const hours = recent / lookBack
	ripples, swings := &c.shape[2], &c.shape[3]
	clear(ripples[:])
	clear(swings[:])
	for hour := range hours {
		c.stray(hour * lookBack)
		for m := range lookBack {
			ripples[lookBack+m] += c.ripple[m]
			swings[lookBack+m] += c.swing[m]
		}
		if hour == hours-2 {
			// What is held against the last hour may not know it.
			for m := range lookBack {
				ripples[m], swings[m] = ripples[lookBack+m]*(1./(hours-1)), swings[lookBack+m]*(1./(hours-1))
			}
		}
	}
	for m := range lookBack {
		ripples[lookBack+m] *= 1. / hours
		swings[lookBack+m] *= 1. / hours
	}
}

// stray finds the ripple and swing of the hour that begins at step i of the
// recent ones, as far as they are known.
func (c *Cutter) stray(i int) {
	const (
		wide          = 2*swingSide + 1
		narrow        = 2*smooth + 1
		before, after = swingSide - smooth, swingSide + smooth + 1
	)
	sum, known := (*[lookBack + wide]float64)(c.sum[i:]), (*[lookBack + wide]int32)(c.known[i:])
	begin := len(c.y) - recent + i
	if int(known[len(known)-1]-known[0]) == len(known)-1 {
		for m, v := range (*[lookBack]float64)(c.y[begin:]) {
			d := v - c.Level
			c.ripple[m] = d - (sum[m+after]-sum[m+before])*(1./narrow)
			c.swing[m] = d - (sum[m+wide]-sum[m])*(1./wide)
		}
		return
	}
	clear(c.ripple[:])
	clear(c.swing[:])
	for m := max(-begin, 0); m < lookBack; m++ {
		if d := c.y[begin+m] - c.Level; d == d {
			c.ripple[m] = d - (sum[m+after]-sum[m+before])/float64(known[m+after]-known[m+before])
			c.swing[m] = d - (sum[m+wide]-sum[m])/float64(known[m+wide]-known[m])
		}
	}
}

// fit is how shape i went with the last hour, a correlation from -1 to 1, and
// how large it is over the next.
func (c *Cutter) fit(i int) (correlation, size float64) {
	came := &c.ripple
	if i == Shapes-1 {
		came = &c.swing
	}
	var xy, xx, yy float64
	for k, x := range c.shape[i][:lookBack] {
		y := came[k]
		xy += x * y
		xx += x * x
		yy += y * y
	}
	for _, x := range c.shape[i][lookBack:] {
		size += x * x
	}
	// What is smaller is no shape but what rounding left of a constant.
	const least = 1e-9
	if x, y := math.Sqrt(xx), math.Sqrt(yy); min(x, y) > least*c.Unit {
		correlation = xy / x / y
	}
	return correlation, math.Sqrt(size / forecast.Horizon)
}
