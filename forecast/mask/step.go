package mask

import (
	"math"
	"slices"
)

const (
	// leastDays is how many days a level must have held before a change, and
	// hold after it.
	leastDays = 3
	// settle is how many steps from a change on are masked: those that a
	// forecast made before it speaks of.
	settle = 60
)

// change is a change of level that may have come at an hour.
type change struct {
	hour int
	// Logarithms of ratios: at the hour itself, and of the days before and after.
	jump, shift float64
}

// steps finds changes of level that came within an hour or two and stayed: a
// deploy, a new customer. The days before and after are compared hour by hour,
// the same weekdays where there are two weeks, so that no weekend is taken for
// one.
func (f *finder) steps() {
	h := f.hours()
	if len(h) < 2*leastDays*24 {
		return
	}
	jumps := make([]float64, len(h))
	sizes := make([]float64, len(h))
	for t := range h {
		jumps[t] = leap(h, t)
		sizes[t] = math.Abs(jumps[t])
	}
	// Where the hours leap at any time, a leap is no sign.
	least := max(3*median(known(nil, sizes)), math.Log(1.4)/2)
	var changes []change
	for t := leastDays * 24; t <= len(h)-leastDays*24; t++ {
		jump := jumps[t]
		if !(math.Abs(jump) >= least) {
			continue
		}
		if shift := lasting(h, t); math.Abs(shift) >= math.Log(1.4) && jump/shift >= 0.5 {
			changes = append(changes, change{t, jump, shift})
		}
	}
	// Of those a day apart the sharpest is the one.
	slices.SortFunc(changes, func(a, b change) int {
		if d := math.Abs(b.jump) - math.Abs(a.jump); d != 0 {
			return int(math.Copysign(1, d))
		}
		return a.hour - b.hour
	})
	var kept []change
	for _, c := range changes {
		if !slices.ContainsFunc(kept, func(k change) bool { return max(k.hour-c.hour, c.hour-k.hour) < 24 }) {
			kept = append(kept, c)
		}
	}
	if float64(len(kept)) > max(1, f.days()/4) {
		return // a level that changes all the time is no level
	}
	for _, c := range kept {
		if at := f.edge(f.first+60*c.hour, c.shift > 0); f.sharp(at)/c.shift >= 0.5 {
			f.take(Step, run{at, at + settle})
		}
	}
}

// hours are means over whole hours from the first known step, in logarithms, in
// which a ratio is a difference.
func (f *finder) hours() []float64 {
	h := make([]float64, len(f.bins)/binHour)
	for i := range h {
		h[i] = mean(f.bins[i*binHour : (i+1)*binHour])
	}
	// Silence has no logarithm: it counts as a hundredth of what is usual.
	floor := median(known(nil, h)) / 100
	for i := range h {
		h[i] = math.Log(max(h[i], floor))
	}
	return h
}

// leap is how much hours from t on lie above those before, beside what is usual
// at this time of the day.
func leap(h []float64, t int) float64 {
	at := func(t int) float64 {
		if t < 2 || t+2 > len(h) {
			return math.NaN()
		}
		return mean(h[t:t+2]) - mean(h[t-2:t])
	}
	var room [14]float64
	usual := room[:0]
	for d := 24; d <= 7*24; d += 24 {
		usual = append(usual, at(t-d), at(t+d))
	}
	var sorted [14]float64
	m := median(known(sorted[:0], usual))
	if math.IsNaN(m) {
		m = 0
	}
	return at(t) - m
}

// lasting is how much the days from t on lie above the days before, 0 where it
// is not the same for nearly all of them.
func lasting(h []float64, t int) float64 {
	days := min(7, t/24, (len(h)-t)/24)
	// The usual hours before, and how far each day is off them.
	var usual [24]float64
	var v []float64
	for c := range usual {
		v = v[:0]
		for d := range days {
			v = append(v, h[t-24*(d+1)+c])
		}
		usual[c] = median(known(nil, v))
	}
	off := func(from int) float64 {
		v = v[:0]
		for c := range usual {
			v = append(v, h[from+c]-usual[c])
		}
		return median(known(nil, v))
	}
	before, after := make([]float64, days), make([]float64, days)
	for d := range days {
		before[d], after[d] = off(t-24*(days-d)), off(t+24*d)
	}
	if days == 7 {
		// The same weekdays, but for one that was a holiday.
		v = v[:0]
		for d := range days {
			v = append(v, after[d]-before[d])
		}
		s := known(nil, v)
		m := median(s)
		if len(s) < 5 || m > 0 && s[1] < m/2 || m < 0 && s[len(s)-2] > m/2 {
			return 0
		}
		return m
	}
	b, a := known(nil, before), known(nil, after)
	if len(b) < leastDays || len(a) < leastDays {
		return 0
	}
	m := median(a) - median(b)
	if m > 0 && a[0]-b[len(b)-1] < m/2 || m < 0 && a[len(a)-1]-b[0] > m/2 {
		return 0
	}
	return m
}

// edge is the step within an hour of t at which the level changes most upwards,
// or downwards.
func (f *finder) edge(t int, up bool) int {
	const side = 10
	best, at := 0.0, t
	for i := max(t-60, f.first+side); i < min(t+60, f.last-side); i++ {
		d := mean(f.y[i:i+side]) - mean(f.y[i-side:i])
		if !up {
			d = -d
		}
		if d > best {
			best, at = d, i
		}
	}
	return at
}

// sharp is how much the half-hour from t on lies above the one before, in
// logarithms, beside what is usual at this time of the day.
func (f *finder) sharp(t int) float64 {
	const side = 30
	at := func(t int) float64 {
		if t-side < f.first || t+side > f.last {
			return math.NaN()
		}
		return math.Log(mean(f.y[t:t+side]) / mean(f.y[t-side:t]))
	}
	var usual []float64
	for d := day; d <= week; d += day {
		usual = append(usual, at(t-d), at(t+d))
	}
	m := median(known(nil, usual))
	if math.IsNaN(m) || math.IsInf(m, 0) {
		m = 0
	}
	return at(t) - m
}
