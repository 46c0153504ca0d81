package mask

import (
	"math"
	"slices"
)

const (
	// around is how many steps to each side say what is usual at a step, and
	// lately how many say how much it moves.
	around, lately = 30, 120
	// longest is how long a blip is at most, in steps: what is longer moves the
	// median around it.
	longest = 20
	// often is how many blips of a size there are in a day at most.
	often = 2
)

// blips finds dips and surges of minutes: far off the half-hours around, and
// nothing that comes many times a day or at the same time of other days.
func (f *finder) blips() {
	if f.days() < 1 {
		return
	}
	level, scale := f.local()
	// off is how far each step is off, as a share of the level, where that is
	// far.
	off := make([]float64, len(f.y))
	for i, y := range f.y {
		switch m, s := level[i], scale[i]; {
		case !(m > 0):
		case y <= 0.6*m && m-y >= 3*s, y >= 1.5*m && y-m >= 4*s:
			off[i] = (y - m) / m
		}
	}
	sizes := map[bool][]float64{}
	var runs []run
	for i := f.first; i < f.last; i++ {
		if off[i] == 0 {
			continue
		}
		r := run{i, i + 1}
		for j := i + 1; j < min(i+1+longest, f.last) && j <= r.to+1; j++ {
			if off[j] != 0 && off[j] > 0 == (off[i] > 0) {
				r.to = j + 1
			}
		}
		i = r.to
		if r.len() <= longest {
			runs = append(runs, r)
			sizes[off[r.from] > 0] = append(sizes[off[r.from] > 0], size(off, r))
		}
	}
	for _, r := range runs {
		high, how := off[r.from] > 0, size(off, r)
		like := 0
		for _, s := range sizes[high] {
			if 2*s >= how {
				like++
			}
		}
		if float64(like) > 2+often*f.days() || f.recurs(off, r, how) || f.usual(r, high) {
			continue
		}
		switch {
		case high:
			f.take(Surge, r)
		case f.madeUp(&r, level, scale):
			f.take(Gap, r)
		default:
			f.take(Dip, r)
		}
	}
}

// local is the level around each step, and how far steps are off it where they
// are far: nine in ten of those around are nearer. It is half as far at least as
// in the whole history, which quiet hours must not belie.
func (f *finder) local() (level, scale []float64) {
	level = running(f.y, around, 0.5)
	off := make([]float64, len(f.y))
	var shares []float64
	for i, y := range f.y {
		off[i] = math.Abs(y - level[i])
		if share := off[i] / level[i]; level[i] > 0 && !math.IsNaN(share) {
			shares = append(shares, share)
		}
	}
	scale = running(off, lately, 0.9)
	if len(shares) > 0 {
		slices.Sort(shares)
		usual := shares[len(shares)*9/10]
		for i, m := range level {
			scale[i] = max(scale[i], m*usual/2)
		}
	}
	return level, scale
}

// size is the farthest that r is off.
func size(off []float64, r run) float64 {
	far := 0.0
	for _, x := range off[r.from:r.to] {
		far = max(far, math.Abs(x))
	}
	return far
}

// usual says whether other days show about what r does, so that it only ends
// what was out of the way.
func (f *finder) usual(r run, high bool) bool {
	var room [2 * nearest]float64
	i := (r.from - f.first) / bin
	refs, came := f.refs(room[:0], i, i, i+1, 2*nearest), mean(f.y[r.from:r.to])
	switch {
	case len(refs) == 0:
		return false
	case high:
		return came < 1.25*refs[len(refs)*4/5]
	}
	return came > 0.75*median(refs)
}

// recurs says whether other days have the like within a quarter of an hour of
// the same time: two or more, and one in four of those around.
func (f *finder) recurs(off []float64, r run, how float64) bool {
	days, like := 0, 0
	for d := -nearest; d <= nearest; d++ {
		from, to := r.from+d*day-15, r.to+d*day+15
		if d == 0 || from < f.first || to > f.last {
			continue
		}
		days++
		for _, x := range off[from:to] {
			if x > 0 == (off[r.from] > 0) && 2*math.Abs(x) >= how {
				like++
				break
			}
		}
	}
	return like >= 2 && 4*like >= days
}

// madeUp says whether about what r lacks came right after it, as when it was
// only counted late. It makes that part of r.
func (f *finder) madeUp(r *run, level, scale []float64) bool {
	lack, more := 0.0, 0.0
	for i := r.from; i < r.to; i++ {
		if !math.IsNaN(f.y[i]) {
			lack += level[i] - f.y[i]
		}
	}
	end := r.to
	for ; end < min(r.to+3, f.last); end++ {
		x := f.y[end] - level[end]
		if !(x > 2*scale[end]) {
			break
		}
		more += x
	}
	if more < lack/2 || more > 2*lack {
		return false
	}
	r.to = end
	return true
}
