package accuracy

import (
	"encoding/json"
	"math"

	"github.com/foretide/foretide/forecast"
)

// Bucket is a range of horizons that is scored together.
type Bucket struct {
	// Name is what tables call it, such as "6-15".
	Name string
	// First and Last are its horizons in steps, both included.
	First, Last int
}

// NumBuckets is how many buckets there are.
const NumBuckets = 4

// All is the index of the bucket of every horizon in [Buckets].
const All = NumBuckets - 1

// Buckets are the ranges that are scored: what a pod's start takes, what a
// node's start takes, the rest of the hour, and all of it.
func Buckets() [NumBuckets]Bucket {
	return [NumBuckets]Bucket{{"1-5", 1, 5}, {"6-15", 6, 15}, {"16-60", 16, 60}, {"all", 1, forecast.Horizon}}
}

// NumWindows is how many peak windows there are.
const NumWindows = 2

// Windows are the lead windows, in steps, whose largest rate is scored.
func Windows() [NumWindows]int { return [NumWindows]int{5, 15} }

// PeakLevel is the index in [forecast.Levels] of the quantile that peaks are
// scored at: 0.95.
const PeakLevel = 5

// NumCovered is how many levels coverage is measured at.
const NumCovered = 3

// Covered are the indices in [forecast.Levels] that coverage is measured at:
// 0.9, 0.95 and 0.99.
func Covered() [NumCovered]int { return [NumCovered]int{4, PeakLevel, 6} }

// Figure is a score. NaN says that nothing was there to score, which JSON
// writes as null.
type Figure float64

// MarshalJSON writes null for what is not a finite number.
func (f Figure) MarshalJSON() ([]byte, error) {
	if v := float64(f); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}

// Losses are the mean losses over a range of horizons.
type Losses struct {
	// MAE is the mean absolute error of the median.
	MAE float64
	// WQL is the weighted quantile loss: twice the pinball loss summed over the
	// minutes, averaged over the levels, by the sum of the rates. It
	// approximates the CRPS by the mean rate.
	WQL float64
	// Coverage is the share of minutes at or below the quantile, at [Covered].
	Coverage [NumCovered]float64
}

// PeakLosses are the losses of the quantile at [PeakLevel] of the largest rate
// in a window.
type PeakLosses struct {
	// Pinball is the mean pinball loss.
	Pinball float64
	// Covered is the share of windows whose largest rate was at or below it.
	Covered float64
}

// Tally adds up the losses of one series' forecasts. The zero Tally is empty
// and ready; it is not safe for concurrent use.
type Tally struct {
	steps [NumBuckets]struct {
		n           int
		abs, actual float64
		pinball     [forecast.NumLevels]float64
		covered     [NumCovered]int
	}
	peaks [NumWindows]struct {
		n, covered int
		pinball    float64
	}
}

// Pinball is the quantile loss of saying that the quantile at level is q when
// actual came. Its mean is least where q is the true quantile.
func Pinball(actual, q, level float64) float64 {
	d := actual - q
	return max(level*d, (level-1)*d)
}

// Peak is the largest known value of the first w; ok is false where fewer than
// four in five of them are known, as the largest may then be among the others.
func Peak(actual []float64, w int) (peak float64, ok bool) {
	known := 0
	peak = math.Inf(-1)
	for _, v := range actual[:min(w, len(actual))] {
		if !math.IsNaN(v) {
			known++
			peak = max(peak, v)
		}
	}
	return peak, known > 0 && 5*known >= 4*w
}

// covers says whether actual is at or below q. A count that is forecast
// exactly is, whatever a change of units did to the last bits.
func covers(q, actual float64) bool { return actual <= q*(1+1e-9) }

// Add takes in one forecast: actual[h-1] is the rate that came h steps after
// the origin, NaN where it is not known; steps and peaks are those of
// [forecast.Forecast]. What lies beyond the shorter of actual and steps is not
// scored.
func (t *Tally) Add(actual []float64, steps, peaks []forecast.Quantiles) {
	levels := forecast.Levels()
	for b, bucket := range Buckets() {
		s := &t.steps[b]
		for i := bucket.First - 1; i < min(bucket.Last, len(actual), len(steps)); i++ {
			y, q := actual[i], &steps[i]
			if math.IsNaN(y) {
				continue
			}
			s.n++
			s.abs += math.Abs(y - q[forecast.Median])
			s.actual += math.Abs(y)
			for j, level := range levels {
				s.pinball[j] += Pinball(y, q[j], level)
			}
			for j, k := range Covered() {
				if covers(q[k], y) {
					s.covered[j]++
				}
			}
		}
	}
	for i, w := range Windows() {
		y, ok := Peak(actual, w)
		if !ok || len(peaks) < w {
			continue
		}
		p, q := &t.peaks[i], peaks[w-1][PeakLevel]
		p.n++
		p.pinball += Pinball(y, q, levels[PeakLevel])
		if covers(q, y) {
			p.covered++
		}
	}
}

// Losses are the mean losses of what was added over the bucket of that index;
// NaN where nothing was.
func (t *Tally) Losses(bucket int) Losses {
	s := &t.steps[bucket]
	n := float64(s.n)
	l := Losses{MAE: s.abs / n}
	sum := 0.0
	for _, p := range s.pinball {
		sum += p
	}
	l.WQL = 2 * sum / forecast.NumLevels / max(s.actual, tiny)
	if s.n == 0 {
		l.WQL = math.NaN()
	}
	for j, c := range s.covered {
		l.Coverage[j] = float64(c) / n
	}
	return l
}

// Peak are the mean losses of the window of that index; NaN where nothing was
// added.
func (t *Tally) Peak(window int) PeakLosses {
	p := &t.peaks[window]
	return PeakLosses{Pinball: p.pinball / float64(p.n), Covered: float64(p.covered) / float64(p.n)}
}

// tiny keeps an all-zero series from dividing by zero.
const tiny = 1e-14
