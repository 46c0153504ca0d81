package feature

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

const (
	// grain is how many steps are one to the regression, as in fives, and grains
	// how many of those it looks at: a day, and the hour before it.
	grain     = 5
	grains    = recent / grain
	grainHour = 60 / grain
	// grainDays is how many earlier days make up what is usual for a grain.
	grainDays = 6
)

// ownLeads are the leads in grains that the regression is fitted at. Those
// between are interpolated.
func ownLeads() [4]int { return [...]int{1, 3, 6, 12} }

// own is the workload's own regression: how the next hour followed from what
// was known, over the last day, by least squares. The network has learned what
// holds for all workloads, this adds what holds for one: how fast a gap to the
// usual closes, and how much of yesterday comes back.
type own struct {
	// The grains, the last of which ends at the origin, all off the level: what
	// came, NaN where nothing is known; the usual, and yesterday, as if nothing
	// had changed where nothing is known.
	came, usually, dayBefore [grains]float64
	// How far what came lies off the usual, off the hour that it ends and off the
	// grain before.
	offUsual, offHour, move [grains]float64
	coefficient             [4][terms]float64
}

// fitOwn fits the regression.
func (c *Cutter) fitOwn() {
	c.grind()
	for i, lead := range ownLeads() {
		c.coefficient[i] = c.regress(lead)
	}
}

// grind fills the grains.
func (c *Cutter) grind() {
	usual, before := math.NaN(), math.NaN()
	for k := range grains {
		i := tail - recent + k*grain
		sum, known := c.sum[i+grain]-c.sum[i], c.known[i+grain]-c.known[i]
		v := sum / float64(known) // 0/0 is NaN
		c.came[k], c.move[k], c.offHour[k] = v, 0, 0
		if hour := max(i+grain-60, 0); c.known[i+grain] > c.known[hour] && v == v {
			c.offHour[k] = v - (c.sum[i+grain]-c.sum[hour])/float64(c.known[i+grain]-c.known[hour])
		}
		if k > 0 {
			c.move[k] = orZero(v - c.came[k-1])
		}
		u, b := c.earlier(k)
		c.offUsual[k] = orZero(v - u)
		usual, before = orElse(u, usual), orElse(b, before)
		c.usually[k], c.dayBefore[k] = usual, before
	}
	for k := grains - 1; k >= 0; k-- {
		// Nothing known before the first that is: the same, too.
		usual, before = orElse(c.usually[k], usual), orElse(c.dayBefore[k], before)
		c.usually[k], c.dayBefore[k] = orZero(usual), orZero(before)
	}
}

// earlier is what the earlier days showed for grain k, off the level: their mean,
// and yesterday alone; NaN where nothing is known.
func (c *Cutter) earlier(k int) (usual, yesterday float64) {
	yesterday = math.NaN()
	var sum float64
	days := 0
	five, at := len(c.five)-grains+k, len(c.y)-recent+k*grain
	for day := range min(max(at, 0)/Day, grainDays) {
		five -= Day / grain
		at -= Day
		m := c.five[five] * (1. / grain)
		if m != m {
			m = mean(c.y[at : at+grain])
		}
		if d := m - c.Level; d == d {
			sum += d
			days++
			if day == 0 {
				yesterday = d
			}
		}
	}
	return sum / float64(days), yesterday // 0/0 is NaN
}

// regress finds the coefficients for a lead, by ridge regression towards the
// usual change from the last grain on (Hoerl and Kennard, 1970).
func (c *Cutter) regress(lead int) [terms]float64 {
	var xx [terms][terms]float64 // the lower half
	var xy [terms]float64
	n := 0
	// The further ahead, the more two rows beside each other tell the same.
	stride := min((lead+1)/2, 3)
	for k := grainHour; k < grains-lead; k += stride {
		usual := c.usually[k+lead] - c.usually[k]
		y := c.came[k+lead] - c.came[k] - usual
		if y != y {
			continue
		}
		yesterday := c.dayBefore[k+lead] - c.dayBefore[k] - usual
		gap, hour, move := c.offUsual[k], c.offHour[k], c.move[k]
		xx[0][0] += usual * usual
		xx[1][0] += yesterday * usual
		xx[1][1] += yesterday * yesterday
		xx[2][0] += gap * usual
		xx[2][1] += gap * yesterday
		xx[2][2] += gap * gap
		xx[3][0] += hour * usual
		xx[3][1] += hour * yesterday
		xx[3][2] += hour * gap
		xx[3][3] += hour * hour
		xx[4][0] += move * usual
		xx[4][1] += move * yesterday
		xx[4][2] += move * gap
		xx[4][3] += move * hour
		xx[4][4] += move * move
		xy[0] += usual * y
		xy[1] += yesterday * y
		xy[2] += gap * y
		xy[3] += hour * y
		xy[4] += move * y
		n++
	}
	if n > 0 {
		c.doubt(&xx, n)
		solve(&xx, &xy)
	}
	xy[0]++ // the usual change, that was taken off
	return xy
}

// ownCourse is what the regression says of the horizon, in units from the level.
func (c *Cutter) ownCourse() (course [forecast.Horizon]float64) {
	const now, far = Steps * Stride, 30 // units, beyond which nothing is believed
	usualNow, dayBeforeNow := mean(c.profile[now-grain:now]), mean(c.yesterday[now-grain:now])
	leads := ownLeads()
	i := 0
	for h := range course {
		// A grain's middle.
		for i < len(leads)-2 && h+1 > grain*leads[i+1]-grain/2 {
			i++
		}
		from, to := grain*leads[i]-grain/2, grain*leads[i+1]-grain/2
		f := min(max(float64(h+1-from)/float64(to-from), 0), 1)
		usual := orZero(c.profile[now+h] - usualNow)
		x := [terms]float64{usual, orZero(c.yesterday[now+h]-dayBeforeNow) - usual, c.offUsual[grains-1], c.offHour[grains-1], c.move[grains-1]}
		sum := 0.0
		for t, v := range x {
			a, b := c.coefficient[i][t], c.coefficient[i+1][t]
			sum += v * (a + f*(b-a))
		}
		if v := sum * c.perUnit; v == v {
			course[h] = min(v, far)
		}
	}
	return course
}
