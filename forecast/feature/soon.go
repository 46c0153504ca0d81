package feature

import "github.com/foretide/foretide/forecast"

const (
	// soonSpan is how many steps back the regression of the next minutes looks,
	// half a day, and soonStride how far its rows lie apart.
	soonSpan   = Day / 2
	soonStride = 5
)

// soonLeads are the leads in steps that the regression is fitted at. Those
// between are interpolated, and later ones are as the last.
func soonLeads() [4]int { return [...]int{1, 3, 7, 15} }

// soonCourse is how the next minutes followed from the last ones over half a
// day, by least squares: how much of the last minute is noise, and how far a
// slope goes on. It is in units from the level.
func (c *Cutter) soonCourse() (course [forecast.Horizon]float64) {
	const far = 30 // units, beyond which nothing is believed
	leads := soonLeads()
	whole := int(c.known[tail]-c.known[tail-soonSpan-180]) == soonSpan+180
	var xx [terms][terms]float64 // the lower half
	var xy [len(leads)][terms]float64
	n := 0
	for back := leads[len(leads)-1]; back < soonSpan; back += soonStride {
		x, from, ok := c.soon(back, whole)
		if !ok {
			continue
		}
		xx[0][0] += x[0] * x[0]
		xx[1][0] += x[1] * x[0]
		xx[1][1] += x[1] * x[1]
		xx[2][0] += x[2] * x[0]
		xx[2][1] += x[2] * x[1]
		xx[2][2] += x[2] * x[2]
		xx[3][0] += x[3] * x[0]
		xx[3][1] += x[3] * x[1]
		xx[3][2] += x[3] * x[2]
		xx[3][3] += x[3] * x[3]
		xx[4][0] += x[4] * x[0]
		xx[4][1] += x[4] * x[1]
		xx[4][2] += x[4] * x[2]
		xx[4][3] += x[4] * x[3]
		xx[4][4] += x[4] * x[4]
		after := c.y[len(c.y)-1-back:]
		from += c.Level
		for i, lead := range leads {
			if y := after[lead] - from; y == y {
				xy[i][0] += x[0] * y
				xy[i][1] += x[1] * y
				xy[i][2] += x[2] * y
				xy[i][3] += x[3] * y
				xy[i][4] += x[4] * y
			}
		}
		n++
	}
	var at [len(leads)]float64
	if x, from, ok := c.soon(0, false); ok && n > 0 {
		c.doubt(&xx, n)
		decompose(&xx)
		for i := range leads {
			substitute(&xx, &xy[i])
			at[i] = from
			for j, v := range x {
				at[i] += v * xy[i][j]
			}
			at[i] = min(at[i]*c.perUnit, far)
		}
	}
	i := 0
	for h := range course {
		for i < len(leads)-2 && h+1 > leads[i+1] {
			i++
		}
		f := min(float64(h+1-leads[i])/float64(leads[i+1]-leads[i]), 1)
		course[h] = at[i] + f*(at[i+1]-at[i])
	}
	return course
}

// soon are the inputs of the regression so many steps before the origin, and
// the level of the five minutes then, that what came is counted from. It is not
// ok where one of the last two steps is not known; whole says that none is
// missing.
func (c *Cutter) soon(back int, whole bool) (x [terms]float64, level float64, ok bool) {
	if len(c.y) < back+2 {
		return x, 0, false
	}
	last, before := c.y[len(c.y)-1-back]-c.Level, c.y[len(c.y)-2-back]-c.Level
	end := tail - back
	sum := c.sum[end]
	level, quarter, hour, hours := sum-c.sum[end-5], sum-c.sum[end-15], sum-c.sum[end-60], sum-c.sum[end-180]
	if whole {
		level, quarter, hour, hours = level*(1./5), quarter*(1./15), hour*(1./60), hours*(1./180)
	} else {
		if last != last || before != before {
			return x, 0, false
		}
		known := c.known[end]
		level /= float64(known - c.known[end-5])
		quarter /= float64(known - c.known[end-15])
		hour /= float64(known - c.known[end-60])
		hours /= float64(known - c.known[end-180])
	}
	return [terms]float64{last - level, before - level, level - quarter, quarter - hour, hour - hours}, level, true
}
