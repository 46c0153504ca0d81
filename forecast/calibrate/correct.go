package calibrate

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// How quantiles are corrected. A unit is the standard deviation that the
// mixture's spread speaks of.
const (
	// pace is by how many units a miss moves a quantile at level 1, by the root
	// of the number of forecasts that count: slow enough not to follow chance,
	// and quicker where little is known yet, or again after an outage.
	pace = 0.5
	// atFirst is what is added to that number.
	atFirst = 10
	// bound is the largest correction, in units. What is further out is no
	// question of calibration.
	bound = 5
	// spread is the distance of the quantiles 0.1 and 0.9 of a normal
	// distribution in standard deviations.
	spread = 2.563
	// leastUnit is the least unit in usual losses, for forecasts that are surer
	// of themselves than they should be: about half the standard deviation that
	// such losses speak of.
	leastUnit = 2
	// rounding is by how much a quantile and a rate may differ and be the same.
	rounding = 1e-6
)

// unit is what corrections of a mixture are counted in: wide where the fan is
// wide, so that a correction learned at noon fits the night.
func unit(mix *forecast.Quantiles, least float64) float64 {
	return max((mix[4]-mix[0])/spread, least)
}

// leastUnit is the least unit of a bucket.
func (g *group) leastUnit() float64 { return leastUnit * g.usual() }

// track moves the corrections by what came of a mixture: the subgradient step
// of the quantile loss at what would be given out with the corrections of now.
// So a truth that comes an hour late is not corrected for again by all that
// were under way meanwhile.
func (g *group) track(y float64, mix *forecast.Quantiles) {
	u := unit(mix, g.leastUnit())
	if u == 0 {
		return
	}
	slow := pace / math.Sqrt(g.n+atFirst)
	for j, level := range forecast.Levels() {
		pace := slow * outward(level)
		q := mix[j] + g.theta[j]*u
		switch {
		case y > q+math.Abs(q)*rounding:
			g.theta[j] += pace * level
		case y < q-math.Abs(q)*rounding:
			g.theta[j] -= pace * (1 - level)
		}
		g.theta[j] = min(max(g.theta[j], -bound), bound)
	}
}

// outward is by how much of the pace a quantile is corrected: all of it out
// where coverage is promised, and a fifth of it at the median. There, errors that
// last for minutes look like misses, and what is corrected for them is wrong by
// the time it is used; what is wrong for days is corrected all the same.
func outward(level float64) float64 { return min(0.2+math.Abs(2*level-1), 1) }

// correct moves the quantiles of a mixture by theta, keeps them from falling
// below zero, and puts those that cross in order, which never makes their loss
// larger (Chernozhukov et al., Quantile and probability curves without
// crossing, 2010).
func correct(mix, theta *forecast.Quantiles, unit float64) (q forecast.Quantiles) {
	for j, v := range mix {
		switch v += theta[j] * unit; {
		case !(v > 0):
			v = 0
		case v > math.MaxFloat64:
			v = math.MaxFloat64
		}
		q[j] = v
		for i := j; i > 0 && q[i] < q[i-1]; i-- {
			q[i], q[i-1] = q[i-1], q[i]
		}
	}
	return q
}
