package mask

import (
	"math"
	"slices"
)

const (
	// leastGap is how many missing steps in a row are worth a span; fewer are
	// one only where they spoilt their neighbours.
	leastGap = 5
	// leastFlat is how long a value stands still at least to be stuck.
	leastFlat = 30
	// stuck is how many times as long as values of this history do as a rule.
	stuck = 20
)

// gaps finds missing steps between known ones, and the steps beside them that
// were counted in part or too late.
func (f *finder) gaps() {
	for i := f.first; i < f.last; i++ {
		if !math.IsNaN(f.y[i]) {
			continue
		}
		j := i
		for math.IsNaN(f.y[j]) {
			j++
		}
		r := run{i, j}
		// Off both sides, or it may be that the load changed meanwhile.
		before, after := f.beside(i-16, i-2), f.beside(j+3, j+18)
		low := func(i int) bool { return before.low(f.y[i]) && after.low(f.y[i]) }
		if low(i - 1) {
			r.from--
		}
		if low(j) {
			r.to++
		}
		// What was kept back comes at once, or within minutes.
		for r.to < min(j+3, f.last) && before.high(f.y[r.to]) && after.high(f.y[r.to]) {
			r.to++
		}
		if r.len() > j-i || r.len() >= leastGap {
			f.take(Gap, r)
		}
		i = j
	}
}

// usual is what a few minutes show: their median, and how far they are from it
// as a rule; zero where too little is known.
type usual struct{ level, spread float64 }

func (f *finder) beside(from, to int) usual {
	v := known(nil, f.y[min(max(from, 0), len(f.y)):min(max(to, 0), len(f.y))])
	if len(v) < 8 {
		return usual{}
	}
	m := median(v)
	for i, x := range v {
		v[i] = math.Abs(x - m)
	}
	slices.Sort(v)
	return usual{m, median(v)}
}

// low and high say whether x is far off, which nothing is where nothing is
// known.
func (u usual) low(x float64) bool  { return x < u.level-max(5*u.spread, 0.2*u.level) }
func (u usual) high(x float64) bool { return u.level > 0 && x > u.level+max(8*u.spread, 0.4*u.level) }

// flats finds values that stand still where values of this history do not. A
// silent service stands still at zero, so that is no sign.
func (f *finder) flats() {
	if f.days() < 1 {
		return
	}
	var still []run
	for i := f.first; i < f.last; {
		j := i + 1
		for j < f.last && f.y[j] == f.y[i] {
			j++
		}
		if f.y[i] > 0 {
			still = append(still, run{i, j})
		}
		i = j
	}
	slices.SortFunc(still, func(a, b run) int { return b.len() - a.len() })
	total := 0
	for _, r := range still {
		total += r.len()
	}
	// The run that the middle minute belongs to: 1, or what a step of the source
	// is longer.
	typical, sum := 1, 0
	for _, r := range still {
		if sum += r.len(); 2*sum >= total {
			typical = r.len()
			break
		}
	}
	least := max(leastFlat, stuck*typical)
	for i, r := range still {
		if r.len() < least {
			break
		}
		// Rare: no more than one in three days that are a quarter as long.
		like := i
		for like < len(still) && still[like].len() >= max(least, r.len()/4) {
			like++
		}
		if float64(like) <= max(2, f.days()/3) {
			f.take(Outage, r)
		}
	}
}
