package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

const (
	// lookBack is how many steps a shape is held against what came.
	lookBack = 60
	// recent is how many steps the shapes of the hour are taken from: a day,
	// and an hour to hold them against.
	recent = Day + lookBack
	// swingSide is how many steps to each side the swings are taken from.
	swingSide = 30
)

// shapes are what recurs beside the smoothed seasons: the job that starts on
// the full hour, the burst every thirty minutes.
type shapes struct {
	// ripple is what smoothing leaves out of each recent step, and swing how
	// far it lies from the hour around it; 0 where it is not known.
	ripple, swing [recent]float64
	// shape is, for the last lookBack steps and the horizon: the mean ripple at
	// the same time of earlier days, the ripple a week ago, and the mean ripple
	// and swing at the same minute of earlier hours.
	shape [Shapes][lookBack + forecast.Horizon]float64
}

// recur finds the shapes.
func (c *Cutter) recur() {
	begin := c.origin + 1 - recent
	for i := range recent {
		c.ripple[i], _ = c.off(begin+i, smooth)
		c.swing[i], _ = c.off(begin+i, swingSide)
	}
	for k := range lookBack + forecast.Horizon {
		t := c.origin + 1 - lookBack + k
		sum, days := 0.0, 0
		for d := 1; d <= Days; d++ {
			if v, ok := c.off(t-d*Day, smooth); ok {
				sum += v
				days++
			}
		}
		c.shape[0][k] = sum / float64(max(days, 1))
		c.shape[1][k], _ = c.off(t-Week, smooth)
		ripple, swing, hours := 0.0, 0.0, 0
		for i := t - begin - 60; i >= 0; i -= 60 {
			ripple += c.ripple[i]
			swing += c.swing[i]
			hours++
		}
		c.shape[2][k] = ripple / float64(hours)
		c.shape[3][k] = swing / float64(hours)
	}
}

// off is how far step t lies from the mean of the steps around it; 0 and false
// where it is not known.
func (c *Cutter) off(t, side int) (float64, bool) {
	v := c.at(t)
	if math.IsNaN(v) {
		return 0, false
	}
	return v - c.mean(t-side, t+side+1), true
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
		y := came[recent-lookBack+k]
		xy += x * y
		xx += x * x
		yy += y * y
	}
	for _, x := range c.shape[i][lookBack:] {
		size += x * x
	}
	if xy != 0 {
		correlation = xy / math.Sqrt(xx) / math.Sqrt(yy)
	}
	return correlation, math.Sqrt(size / forecast.Horizon)
}
