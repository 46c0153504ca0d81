package mask

import (
	"math"
	"slices"
)

const (
	// fallen is what share of the usual an outage leaves at most, and back the
	// share at which load counts as returned.
	fallen, back = 0.3, 0.5
	// dead is next to nothing beside the usual rate of the whole history.
	dead = 0.02
	// nearest is how many days to each side a time is held against: a week.
	nearest = 7
)

// outages finds load that falls to a small share of what the same time of
// other days shows, for ten minutes to days.
//
// Two in three of those days must be far above, and of the same weekdays every
// one, or all but one of three, so that a quiet Sunday is saved by another. And one edge at least must be
// sharp: no working day ends within ten minutes.
func (f *finder) outages() {
	if f.days() < 1 {
		return
	}
	// The longest first, so that it does not speak for the others.
	runs := f.suspects()
	slices.SortStableFunc(runs, func(a, b run) int { return b.len() - a.len() })
	var low, cut []run
	for _, r := range runs {
		if !f.isLow(r) {
			continue
		}
		low = append(low, r)
		if f.isCut(r) && !f.isWont(r) {
			cut = append(cut, f.sharpen(r))
			for i := r.from; i < r.to; i++ {
				f.bins[i] = math.NaN()
			}
		}
	}
	f.rebin(0, len(f.bins))
	for _, r := range cut {
		like := 0
		for _, other := range low {
			if 2*bin*other.len() >= r.len() {
				like++
			}
		}
		if float64(like) <= max(3, f.days()/2) {
			f.take(Outage, r)
		}
	}
}

// suspects are runs of bins far below the days around, or next to nothing at
// all.
func (f *finder) suspects() []run {
	rates := known(nil, f.bins)
	zeros, _ := slices.BinarySearch(rates, math.SmallestNonzeroFloat64)
	nothing := dead * median(rates[zeros:])
	suspect := make([]bool, len(f.bins))
	for i, b := range f.bins {
		least, _ := f.least(i, run{i, i + 1})
		suspect[i] = b <= nothing || b <= fallen*least
	}
	var runs []run
	for i := 0; i < len(suspect); i++ {
		if !suspect[i] {
			continue
		}
		// Two bins of life do not end an outage, nor does what is not known.
		r := run{i, i + 1}
		for j, seen := i+1, i; j < len(suspect) && j-seen <= 3; j++ {
			if suspect[j] {
				r.to = j + 1
			}
			if suspect[j] || math.IsNaN(f.bins[j]) {
				seen = j
			}
		}
		i = r.to
		if r.len() >= 2 {
			runs = append(runs, r)
		}
	}
	return runs
}

// least is the rate that two in three other days keep to at bin i, and all of
// the same weekday but one in three, leaving out the days that r is about; NaN
// where there are none. weekly says whether there is one of the same weekday.
func (f *finder) least(i int, r run) (least float64, weekly bool) {
	var room [2 * nearest]float64
	refs := f.refs(room[:0], i, r.from, r.to, 2*nearest)
	if len(refs) == 0 {
		return math.NaN(), false
	}
	least = refs[len(refs)/3]
	var weeks [4]float64
	same := weeks[:0]
	for _, d := range [4]int{-2 * nearest, -nearest, nearest, 2 * nearest} {
		if j := i + d*binDay; j >= 0 && j < len(f.bins) && (j < r.from || j >= r.to) && !math.IsNaN(f.bins[j]) {
			same = append(same, f.bins[j])
		}
	}
	if len(same) == 0 {
		return least, false
	}
	slices.Sort(same)
	return min(least, same[len(same)/3]), true
}

// isLow says whether nearly all of r is far below other days. Of hours on end
// that cannot be told before the same weekday was seen twice: it may be the
// weekend.
func (f *finder) isLow(r run) bool {
	far, n := 0, 0
	for i := r.from; i < r.to; i++ {
		if math.IsNaN(f.bins[i]) {
			continue
		}
		n++
		least, weekly := f.least(i, r)
		if (weekly || r.len() < 6*binHour) && least > 0 && f.bins[i] <= fallen*least {
			far++
		}
	}
	return n > 0 && 5*far >= 4*n
}

// isWont says whether a run of up to two hours is nothing special: where single
// calls come now and then, so do pauses. Then other days have some half as long
// and as low within an hour of the same time: two days or more, and one in three.
func (f *finder) isWont(r run) bool {
	if r.len() > 2*binHour {
		return false
	}
	usual := 0.0
	for i := r.from; i < r.to; i++ {
		if least, _ := f.least(i, r); !math.IsNaN(least) {
			usual += least / float64(r.len())
		}
	}
	level := mean(f.bins[r.from:r.to]) + usual/10
	days, like := 0, 0
	for d := -nearest; d <= nearest; d++ {
		from, to := r.from+d*binDay-binHour, r.to+d*binDay+binHour
		if d == 0 || from < 0 || to > len(f.bins) {
			continue
		}
		days++
		longest, n := 0, 0
		for _, b := range f.bins[from:to] {
			if n++; !(b <= level) {
				n = 0
			}
			longest = max(longest, n)
		}
		if 2*longest >= r.len() {
			like++
		}
	}
	return like >= 2 && 3*like >= days
}

// isCut says whether the load around r was there, and went or came at once.
func (f *finder) isCut(r run) bool {
	if open := r.from == 0 || r.to == len(f.bins); open && r.len() > binDay {
		return false // a service that is not there yet, or no more
	}
	cut := false
	for _, side := range []int{-1, 1} {
		edge := r.from
		if side > 0 {
			edge = r.to - 1
		}
		if edge+side < 0 || edge+side >= len(f.bins) {
			continue
		}
		returned := false
		for d := 1; d <= 3*binHour && !returned; d++ {
			j := edge + side*d
			if j < 0 || j >= len(f.bins) {
				break
			}
			if least, _ := f.least(j, r); f.bins[j] >= back*least {
				returned = true
				// The bins at the edge may belong to both.
				inside := min(f.bins[edge], f.bins[edge-side])
				cut = cut || d <= 2 && inside <= f.bins[j]/2
			}
		}
		if !returned {
			return false
		}
	}
	return cut
}

// sharpen gives the steps of the bins r, to the minute where an edge is sharp.
func (f *finder) sharpen(r run) run {
	s := run{f.step(r.from), min(f.step(r.to), f.last)}
	if least, _ := f.least(r.from, r); least > 0 {
		level := back * least
		for s.from > f.first && s.from > f.step(r.from-2) && f.y[s.from-1] < level {
			s.from--
		}
		for s.from < f.step(r.from+1) && f.y[s.from] >= level {
			s.from++
		}
	}
	if least, _ := f.least(r.to-1, r); least > 0 {
		level := back * least
		for s.to < f.last && s.to < f.step(r.to+2) && f.y[s.to] < level {
			s.to++
		}
		for s.to > f.step(r.to-1) && f.y[s.to-1] >= level {
			s.to--
		}
	}
	return s
}
