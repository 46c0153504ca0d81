package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// alikeCourse is what came after the same time of the earlier days, the more so
// of those whose last two hours were like the last two now; in units from the
// level. It starts at the level. Forecasting by analogues is Lorenz's (1969).
func (c *Cutter) alikeCourse() (course [forecast.Horizon]float64) {
	const (
		now  = Steps * Stride
		span = 2*smooth + 1
	)
	var begin, distance [Days]float64
	nearest := math.Inf(1)
	for day := range Days {
		v := &c.byDay[day]
		begin[day], distance[day] = mean(v[now-span:now]), math.NaN()
		if begin[day] != begin[day] {
			continue
		}
		sum, n := 0.0, 0
		for k := smooth; k < now; k += span {
			i := tail - now + k - smooth
			came := (c.sum[i+span] - c.sum[i]) / float64(c.known[i+span]-c.known[i])
			if d := came - (v[k] - begin[day]); d == d {
				sum += d * d
				n++
			}
		}
		if n < 6 {
			continue // half an hour says nothing
		}
		off := c.Level - begin[day]
		// The last term is what is as good as the same.
		distance[day] = math.Sqrt(sum/float64(n)+off*off) + 0.01*c.Unit
		nearest = min(nearest, distance[day])
	}
	var weights float64
	for day, d := range distance {
		if d != d {
			continue
		}
		// A day twice as far counts a sixteenth.
		w := nearest / d
		w *= w
		w *= w
		weights += w
		for h := range course {
			course[h] += w * orZero(c.byDay[day][now+h]-begin[day])
		}
	}
	for h := range course {
		course[h] *= c.perUnit / max(weights, 1)
	}
	return course
}
