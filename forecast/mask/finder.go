package mask

import (
	"math"
	"slices"
)

// Seasons in steps.
const (
	day  = 1440
	week = 7 * day
)

// The coarse grid that long spans are looked for on.
const (
	bin     = 5 // steps
	binDay  = day / bin
	binHour = 60 / bin
)

// finder is a search under way. Each part of it takes what it found out of y
// and bins, so that the parts after it are not misled.
type finder struct {
	// first and last bound the known steps: [first, last).
	first, last int
	y           []float64
	// bins are the means of y over bin steps, NaN where nothing is known.
	// They are counted from the first known step.
	bins  []float64
	found map[run]Kind
}

func newFinder(values []float64) *finder {
	f := &finder{y: slices.Clone(values), found: map[run]Kind{}}
	for f.last = len(values); f.last > 0 && math.IsNaN(values[f.last-1]); f.last-- {
	}
	for f.first < f.last && math.IsNaN(values[f.first]) {
		f.first++
	}
	f.bins = make([]float64, (f.last-f.first+bin-1)/bin)
	f.rebin(0, len(f.bins))
	return f
}

// rebin takes the means of bins [i, j) again.
func (f *finder) rebin(i, j int) {
	for ; i < j; i++ {
		from := f.first + i*bin
		f.bins[i] = mean(f.y[from:min(from+bin, f.last)])
	}
}

// take notes a find and hides it from what follows.
func (f *finder) take(kind Kind, r run) {
	r.from, r.to = max(r.from, f.first), min(r.to, f.last)
	f.found[r] = kind
	for i := r.from; i < r.to; i++ {
		f.y[i] = math.NaN()
	}
	f.rebin((r.from-f.first)/bin, min((r.to-f.first+bin-1)/bin, len(f.bins)))
}

// days is how long the known history is, in days.
func (f *finder) days() float64 { return float64(f.last-f.first) / day }

// step is the step at which bin i begins.
func (f *finder) step(i int) int { return f.first + i*bin }

// refs appends to into what the same bin of the nearest other days showed, up
// to most of them, leaving out the days on which it falls into [from, to), and
// gives it sorted.
func (f *finder) refs(into []float64, i, from, to, most int) []float64 {
	n := len(f.bins)
	for d := binDay; (i-d >= 0 || i+d < n) && len(into) < most; d += binDay {
		for _, j := range [2]int{i - d, i + d} {
			if j >= 0 && j < n && (j < from || j >= to) && !math.IsNaN(f.bins[j]) {
				into = append(into, f.bins[j])
			}
		}
	}
	slices.Sort(into)
	return into
}

// mean is the mean of the known values, NaN where there is none.
func mean(v []float64) float64 {
	sum, n := 0.0, 0
	for _, x := range v {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / float64(n)
}

// median is the median of sorted values, NaN where there is none.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// known appends the known of v to into and gives it sorted.
func known(into, v []float64) []float64 {
	for _, x := range v {
		if !math.IsNaN(x) {
			into = append(into, x)
		}
	}
	slices.Sort(into)
	return into
}

// running is, at each step, the quantile q of the known values at most side
// steps away, NaN where there is none.
func running(v []float64, side int, q float64) []float64 {
	out := make([]float64, len(v))
	window := make([]float64, 0, 2*side+1)
	for i := -side; i < len(v); i++ {
		if j := i + side; j < len(v) && !math.IsNaN(v[j]) {
			at, _ := slices.BinarySearch(window, v[j])
			window = slices.Insert(window, at, v[j])
		}
		if j := i - side - 1; j >= 0 && !math.IsNaN(v[j]) {
			at, _ := slices.BinarySearch(window, v[j])
			window = slices.Delete(window, at, at+1)
		}
		if i >= 0 {
			out[i] = math.NaN()
			if n := len(window); n > 0 {
				out[i] = window[int(q*float64(n-1)+0.5)]
			}
		}
	}
	return out
}
