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
	var ripples, swings [lookBack]float64
	for hour := range hours {
		if hour == hours-1 {
			// What is held against the last hour may not know it.
			for m := range lookBack {
				c.shape[2][m], c.shape[3][m] = ripples[m]/(hours-1), swings[m]/(hours-1)
			}
		}
		c.ripple, c.swing = [lookBack]float64{}, [lookBack]float64{}
		c.stray(hour * lookBack)
		for m := range lookBack {
			ripples[m] += c.ripple[m]
			swings[m] += c.swing[m]
		}
	}
	for m := range lookBack {
		c.shape[2][lookBack+m], c.shape[3][lookBack+m] = ripples[m]/hours, swings[m]/hours
	}
}

// stray finds the ripple and swing of the hour that begins at step i of the
// recent ones, as far as they are known.
func (c *Cutter) stray(i int) {
	const width = lookBack + 2*swingSide + 1
	sum, known := (*[width]float64)(c.sum[i:]), (*[width]int32)(c.known[i:])
	v := c.y[max(len(c.y)-recent+i, 0):max(len(c.y)-recent+i+lookBack, 0)]
	for m := lookBack - len(v); m < lookBack; m++ {
		d := v[m-lookBack+len(v)] - c.Level
		if d != d {
			continue
		}
		const before, after = swingSide - smooth, swingSide + smooth + 1
		ripple, swing := sum[m+after]-sum[m+before], sum[m+2*swingSide+1]-sum[m]
		// To divide by what is known takes as long as all the rest.
		if n := known[m+after] - known[m+before]; n == 2*smooth+1 {
			ripple *= 1. / (2*smooth + 1)
		} else {
			ripple /= float64(n)
		}
		if n := known[m+2*swingSide+1] - known[m]; n == 2*swingSide+1 {
			swing *= 1. / (2*swingSide + 1)
		} else {
			swing /= float64(n)
		}
		c.ripple[m], c.swing[m] = d-ripple, d-swing
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
