// Package feature turns a history into what the network reads, and the
// network's answer back into rates.
//
// A window is everything the network is told at one origin: the last two hours
// in two-minute steps, a vector of summaries, and for each future step a few
// simple forecasts (bases) that the network weighs against each other, and
// shapes that recur by the day or the hour. All of it is relative: rates are taken from the level of the last minutes, in units
// of the last day's spread, so that one network serves 0.01 and 10 million
// requests a minute alike.
//
// The seasonal parts look back whole days, so nothing here ever reads a step
// after the origin. Nothing is fitted, so nothing needs to travel with the
// weights but Version.
package feature

import (
	"math"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Version names the meaning of every input below. Weights fitted under another
// version cannot be used.
const Version = 3

// The shape of a window.
const (
	// Steps is the length of the encoded sequence, of Stride minutes each.
	Steps  = 60
	Stride = 2
	// Channels is the number of inputs at each step of the sequence.
	Channels = 9
	// Bins is the number of equal parts that the horizon is summarised in.
	Bins = 12
	// Bases is the number of simple forecasts that the network chooses from, and
	// Shapes that of the recurring shapes that it may add to its choice.
	Bases  = 12
	Shapes = 4
	// Columns is the length of a row of Window.Base: the bases, then the shapes.
	Columns = Bases + Shapes
	// Statics is the length of the vector of summaries.
	Statics = 37 + 2*Shapes + 5*Bins
)

// Day and Week are seasons in steps, and Days is how many days a profile
// averages.
const (
	Day  = 1440
	Week = 7 * Day
	Days = 7
)

// Memory is how many steps before the origin a window may depend on. A longer
// history changes nothing.
const Memory = Week + Steps*Stride + smooth + 1

// smooth is how many steps to each side a seasonal value is averaged over.
const smooth = 2

// Source is a series prepared to cut windows from: sums over the steps before
// each, for fast means. It is read-only until it is reset.
type Source struct {
	y     []float64
	phase int // seconds of the day at step 0
	// ref is taken off every value before it is summed, or the squares of large
	// rates that change little would cancel to nothing.
	ref                 float64
	sum, square, change []float64
	known, changes      []int32
}

// NewSource prepares s, which it keeps.
func NewSource(s forecast.Series) *Source {
	p := new(Source)
	p.Reset(s)
	return p
}

// Reset prepares s instead of what p held, in the same memory where that is
// large enough.
func (p *Source) Reset(s forecast.Series) {
	y := s.Values
	n := len(y)
	if n >= cap(p.sum) {
		p.sum, p.square, p.change = make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
		p.known, p.changes = make([]int32, n+1), make([]int32, n+1)
	}
	p.y, p.phase, p.ref = y, int(((s.Start.Unix()%86400)+86400)%86400), 0
	p.sum, p.square, p.change = p.sum[:n+1], p.square[:n+1], p.change[:n+1]
	p.known, p.changes = p.known[:n+1], p.changes[:n+1]
	// Totals of their own, rather than the sums' last elements: to wait for what
	// was just stored would take most of the time.
	sums, squares, moves, knowns, moved := p.sum[:n], p.square[:n], p.change[:n], p.known[:n], p.changes[:n]
	var ref, sum, square, change float64
	var known, changes int32
	last := math.NaN()
	for i, v := range y {
		sums[i], squares[i], moves[i], knowns[i], moved[i] = sum, square, change, known, changes
		if !math.IsNaN(v) {
			if known == 0 {
				ref = v
			}
			sum += v - ref
			square += (v - ref) * (v - ref)
			known++
			if !math.IsNaN(last) {
				change += math.Abs(v - last)
				changes++
			}
		}
		last = v
	}
	p.ref = ref
	p.sum[n], p.square[n], p.change[n], p.known[n], p.changes[n] = sum, square, change, known, changes
}

// Len is the number of steps of the series.
func (p *Source) Len() int { return len(p.y) }

// Known says whether any step in [i, j) is known.
func (p *Source) Known(i, j int) bool {
	i, j = min(max(i, 0), len(p.y)), min(max(j, 0), len(p.y))
	return i < j && p.known[j] > p.known[i]
}

// past is a source as it is seen from an origin: nothing before since, and
// nothing after the origin, is there.
type past struct {
	*Source
	since, origin int
}

// at is the value of step i, NaN outside.
func (p past) at(i int) float64 {
	if i < p.since || i > p.origin {
		return math.NaN()
	}
	return p.y[i]
}

// mean is the mean of the known values in [i, j), NaN where there is none.
func (p past) mean(i, j int) float64 {
	i, j = p.clamp(i), p.clamp(j)
	if n := p.known[j] - p.known[i]; n > 0 {
		return max(p.ref+(p.sum[j]-p.sum[i])/float64(n), 0)
	}
	return math.NaN()
}

// deviation is their standard deviation, 0 where there are fewer than two.
func (p past) deviation(i, j int) float64 {
	i, j = p.clamp(i), p.clamp(j)
	n := float64(p.known[j] - p.known[i])
	if n < 2 {
		return 0
	}
	m := (p.sum[j] - p.sum[i]) / n
	return math.Sqrt(max((p.square[j]-p.square[i])/n-m*m, 0))
}

// roughness is the mean change from one known step to the next.
func (p past) roughness(i, j int) float64 {
	i, j = p.clamp(i), p.clamp(j)
	if n := p.changes[j] - p.changes[i]; n > 0 {
		return (p.change[j] - p.change[i]) / float64(n)
	}
	return 0
}

// share is the part of [i, j) that is known.
func (p past) share(i, j int) float64 {
	a, b := p.clamp(i), p.clamp(j)
	return float64(p.known[b]-p.known[a]) / float64(j-i)
}

// extremes are the lowest and highest known value in [i, j), NaN where there is
// none, and the share of the known that is zero.
func (p past) extremes(i, j int) (low, high, zeros float64) {
	low, high = math.NaN(), math.NaN()
	n := 0
	for _, v := range p.y[p.clamp(i):p.clamp(j)] {
		if math.IsNaN(v) {
			continue
		}
		if n == 0 {
			low, high = v, v
		}
		low, high = min(low, v), max(high, v)
		if v == 0 {
			zeros++
		}
		n++
	}
	if n > 0 {
		zeros /= float64(n)
	}
	return low, high, zeros
}

func (p past) clamp(i int) int { return min(max(i, p.since), p.origin+1) }

// clock is the fraction of the day at step i, in [0, 1).
func (p past) clock(i int) float64 {
	return float64((p.phase+i*int(forecast.Step/time.Second))%86400) / 86400
}
