// Package feature turns a history into what the network reads, and the
// network's answer back into rates.
//
// A window is everything the network is told at one origin: the last two hours
// in two-minute steps, a vector of summaries, and for each future step a few
// simple forecasts (bases) that the network weighs against each other, and
// shapes that recur by the day or the hour. All of it is relative: rates are
// taken from the level of the last minutes, in units of the last day's spread,
// so that one network serves 0.01 and 10 million requests a minute alike.
//
// Two of the simple forecasts are regressions, fitted anew for each window to
// what it may look back on. Nothing here reads a step after the origin or keeps
// anything between windows, so nothing needs to travel with the weights but
// Version.
package feature

import (
	"time"

	"github.com/foretide/foretide/forecast"
)

// Version names the meaning of every input below. Weights fitted under another
// version cannot be used.
const Version = 4

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
	Bases  = 15
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
// history changes nothing. It is a multiple of five, see fives.
const Memory = (Week + Steps*Stride + smooth + 1 + 4) / 5 * 5

// smooth is how many steps to each side a seasonal value is averaged over.
const smooth = 2

// Source is a series to cut windows from. It is read-only.
type Source struct {
	y     []float64
	phase int // seconds of the day at step 0
}

// NewSource makes a source of s, whose values it keeps.
func NewSource(s forecast.Series) Source {
	return Source{s.Values, int(((s.Start.Unix() % 86400) + 86400) % 86400)}
}

// Len is the number of steps of the series.
func (p Source) Len() int { return len(p.y) }

// Known says whether any step in [i, j) is known.
func (p Source) Known(i, j int) bool {
	i, j = min(max(i, 0), len(p.y)), min(max(j, 0), len(p.y))
	for ; j > i; j-- { // the newest are asked for most, and mostly known
		if v := p.y[j-1]; v == v {
			return true
		}
	}
	return false
}

// clock is the fraction of the day at step i, in [0, 1).
func (p Source) clock(i int) float64 {
	return float64((p.phase+i*int(forecast.Step/time.Second))%86400) / 86400
}

// total is the sum of the known values and how many there are. It takes eight at
// a time and looks closer only where one of them is missing.
func total(v []float64) (sum float64, known int) {
	for ; len(v) >= 8; v = v[8:] {
		w := (*[8]float64)(v)
		s := ((w[0] + w[1]) + (w[2] + w[3])) + ((w[4] + w[5]) + (w[6] + w[7]))
		if s == s {
			sum += s
			known += 8
			continue
		}
		for _, x := range w {
			if x == x {
				sum += x
				known++
			}
		}
	}
	for _, x := range v {
		if x == x {
			sum += x
			known++
		}
	}
	return sum, known
}

// mean is the mean of the known values, NaN where there is none.
func mean(v []float64) float64 {
	sum, n := total(v)
	return sum / float64(n)
}
