package calibrate

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// Report is how the forecasts of a workload did, over about the last day: what
// is older counts by half after 17 hours. It is a copy, for its reader to keep.
type Report struct {
	// Experts are the names that New was given; weights are in their order.
	Experts []string
	// Buckets are in the order of [Buckets].
	Buckets [NumBuckets]BucketReport
}

// BucketReport is how the forecasts of a range of leads did. A figure that
// nothing was verified for is NaN.
type BucketReport struct {
	Bucket string
	// Verified is how many forecasts count, older ones for less.
	Verified float64
	// Weights of the experts in the mixture, which sum up to 1.
	Weights []float64
	// Losses of the experts in requests per second: their pinball losses,
	// averaged over the levels.
	Losses []float64
	// Mixed is that loss of the mixture before and Given after correction.
	Mixed, Given float64
	// Coverage is the share of rates at or below each quantile, and Pinball the
	// quantile's loss in requests per second; in the order of
	// [forecast.Levels], and of what was given out.
	Coverage, Pinball [forecast.NumLevels]float64
	// Corrections say how far each quantile is moved now, in standard deviations
	// as the mixture has them, from -5 to 5.
	Corrections [forecast.NumLevels]float64
}

// Report tells how the forecasts did.
func (c *Calibrator) Report() Report {
	r := Report{Experts: c.Experts()}
	for i, b := range Buckets() {
		g := &c.groups[i]
		to := &r.Buckets[i]
		*to = BucketReport{Bucket: b.Name, Verified: g.n, Mixed: share(g.mixed, g.n), Corrections: g.theta}
		for k, w := range g.weights {
			to.Weights = append(to.Weights, w)
			to.Losses = append(to.Losses, share(g.lost[k], g.heard[k]))
		}
		for j := range to.Coverage {
			to.Coverage[j] = share(g.covered[j], g.n)
			to.Pinball[j] = share(g.pinball[j], g.n)
			to.Given += to.Pinball[j] / forecast.NumLevels
		}
	}
	return r
}

// Coverage is the share of rates at or below the quantile at the level of that
// index, over all steps; NaN before any is verified.
func (r Report) Coverage(level int) float64 {
	covered, n := 0.0, 0.0
	for _, b := range r.Buckets[:NumStepBuckets] {
		if b.Verified > 0 {
			covered += b.Coverage[level] * b.Verified
			n += b.Verified
		}
	}
	return share(covered, n)
}

func share(sum, n float64) float64 {
	if !(n > 0) {
		return math.NaN()
	}
	return sum / n
}
