package feature

import "math"

const (
	// lookBack is how many steps a shape is held against what came.
	lookBack = 60
	// recent is how many steps the shapes of the hour are taken from: a day,
	// and an hour to hold them against.
	recent = Day + lookBack
	// swingSide is how many steps to each side the swings are taken from.
	swingSide = 30
	// tail is how many steps before the origin are read one by one.
	tail = swingSide + recent
)

// latest is what is known of the last day and hour.
type latest struct {
	// sum is how far the steps before each of the tail's lie off the level in
	// all, and known how many of them are known. It goes on beyond the origin,
	// where nothing is added.
	sum   [tail + 1 + swingSide]float64
	known [tail + 1 + swingSide]int32

	day, hour, quarter stretch
}

// fives are the sums of five steps each, the last of which end at the origin: all
// that a window may depend on, read once. NaN where a step is missing.
type fives [Memory / 5]float64

// sumFives reads the history, and counts what is known of it.
func (c *Cutter) sumFives() {
	n := min(len(c.y)/5, len(c.five))
	begin := len(c.y) - 5*n
	_, c.count = total(c.y[max(len(c.y)-Memory, 0):begin])
	for i := range len(c.five) - n {
		c.five[i] = math.NaN()
	}
	y := c.y[begin:]
	for i := len(c.five) - n; i < len(c.five); i++ {
		w := (*[5]float64)(y)
		y = y[5:]
		s := (w[0] + w[1]) + (w[2] + w[3]) + w[4]
		c.five[i] = s
		if s == s {
			c.count += 5
		} else {
			_, known := total(w[:])
			c.count += known
		}
	}
}

// span is the sum of n fives from the one that begins so many steps before the
// step after the origin, and how many steps of them are known.
func (c *Cutter) span(back, n int) (sum float64, known int) {
	from := len(c.five) - back/5
	for _, s := range c.five[max(from, 0):max(from+n, 0)] {
		sum += s
	}
	if from >= 0 && sum == sum {
		return sum, 5 * n
	}
	begin := len(c.y) - back
	return total(c.y[max(begin, 0):max(begin+5*n, 0)])
}

// stretch is what is known of some steps up to the origin.
type stretch struct {
	deviation float64 // standard, 0 where fewer than two steps are known
	roughness float64 // the mean change from one known step to the next
	low, high float64 // NaN where none is known
	zeros     float64 // share of the known
	share     float64 // that is known
}

// look reads the tail. The level must be known.
func (c *Cutter) look() {
	pad := max(tail-len(c.y), 0)
	clear(c.sum[:pad+1])
	clear(c.known[:pad+1])
	sum, known := 0.0, int32(0)
	v := c.y[len(c.y)-tail+pad:]
	sums, counts, level := c.sum[pad+1:][:len(v)], c.known[pad+1:][:len(v)], c.Level
	for i, x := range v {
		if d := x - level; d == d {
			sum += d
			known++
		}
		sums[i], counts[i] = sum, known
	}
	for i := tail + 1; i < len(c.sum); i++ {
		c.sum[i], c.known[i] = sum, known
	}
	c.day, c.hour, c.quarter = c.stretch(Day), c.stretch(60), c.stretch(15)
}

// stretch describes the last n steps.
func (c *Cutter) stretch(n int) stretch {
	from := max(len(c.y)-n, 0)
	before := math.NaN()
	if from > 0 {
		before = c.y[from-1]
	}
	var square, change float64
	low, high := math.Inf(1), math.Inf(-1)
	changes, level := 0, c.Level
	for _, v := range c.y[from:] {
		if v < low {
			low = v
		}
		if v > high {
			high = v
		}
		if d := v - level; d == d {
			square += d * d
		}
		if move := math.Abs(v - before); move == move {
			change += move
			changes++
		}
		before = v
	}
	zeros := 0
	if low == 0 {
		for _, v := range c.y[from:] {
			if v == 0 {
				zeros++
			}
		}
	}
	known := float64(c.known[tail] - c.known[tail-n])
	s := stretch{share: known / float64(n), low: math.NaN(), high: math.NaN()}
	if known > 0 {
		s.low, s.high, s.zeros = low, high, float64(zeros)/known
	}
	if known > 1 {
		m := (c.sum[tail] - c.sum[tail-n]) / known
		s.deviation = math.Sqrt(max(square/known-m*m, 0))
	}
	if changes > 0 {
		s.roughness = change / float64(changes)
	}
	return s
}

// lately is the mean of the last n steps, NaN where none is known.
func (c *Cutter) lately(n int) float64 {
	if k := c.known[tail] - c.known[tail-n]; k > 0 {
		return max(c.Level+(c.sum[tail]-c.sum[tail-n])/float64(k), 0)
	}
	return math.NaN()
}
