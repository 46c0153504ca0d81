package mask

import "math"

// surges finds load far above what the same time of any other day shows but
// one, for a quarter of an hour to a day and a half.
func (f *finder) surges() {
	if f.days() < 2 {
		return
	}
	var room [2 * nearest]float64
	high := make([]bool, len(f.bins))
	for i, b := range f.bins {
		high[i] = f.isHigh(b, f.refs(room[:0], i, i, i+1, 2*nearest))
	}
	var runs []run
	for i := 0; i < len(high); i++ {
		if !high[i] {
			continue
		}
		r := run{i, i + 1}
		for j := i + 1; j < len(high) && j <= r.to+1; j++ {
			if high[j] {
				r.to = j + 1
			}
		}
		i = r.to
		if r.len() >= 3 {
			runs = append(runs, r)
		}
	}
	if float64(len(runs)) > max(2, f.days()/3) {
		return // then a surge is nothing out of the way
	}
	for _, r := range runs {
		if 2*r.len() <= 3*binDay && r.from > 0 && r.to < len(f.bins) {
			f.take(Surge, run{f.step(r.from), f.step(r.to)})
		}
	}
}

// isHigh says whether b is far above all but one of refs, which are sorted.
func (f *finder) isHigh(b float64, refs []float64) bool {
	if len(refs) < 3 || math.IsNaN(b) {
		return false
	}
	m, most := median(refs), refs[len(refs)-2]
	return m > 0 && b >= 1.5*most && b-most >= 2*(most-m)
}
