package baseline

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/foretide/foretide/forecast"
)

const (
	// samples is about how many past origins the errors are learned from.
	samples = 600
	// enough is the number of errors from which on nothing else is asked.
	enough = 30
)

// knots are the horizons whose errors are learned; between them the spread is
// linear.
func knots() []int { return []int{1, 2, 3, 5, 8, 12, 20, 30, 45, forecast.Horizon} }

// fan gives the quantiles of a forecast whose history ended gap steps after the
// last known value, and those of its peaks.
func fan(roots []float64, gap int, m method) (steps, peaks []forecast.Quantiles) {
	end := len(roots) - 1
	var path, top [forecast.Horizon]float64
	peak := 0.0
	for i := range path {
		path[i] = max(m.middle(end, gap+1+i), 0)
		peak = max(peak, path[i])
		top[i] = peak
	}
	stepErrors, peakErrors := learn(roots, gap, m)
	steps = around(path, stepErrors, gap, true)
	peaks = around(top, peakErrors, gap, false)
	// The largest of some steps is not below any of them.
	for i, q := range forecast.RunningPeaks(steps) {
		for j, v := range q {
			peaks[i][j] = max(peaks[i][j], v)
		}
	}
	return steps, peaks
}

// learn collects, at each knot, the errors that m would have made: of the step
// and of the largest among the steps up to it.
func learn(roots []float64, gap int, m method) (steps, peaks [][]float64) {
	at := knots()
	steps, peaks = make([][]float64, len(at)), make([][]float64, len(at))
	origins := len(roots) - 1 - gap - m.from
	stride := max(1, origins/samples)
	// The newest origins count first, so that a short history misses none.
	for t := len(roots) - 2 - gap; t >= m.from; t -= stride {
		var actual, expected float64
		seen, k := 0, 0
		for h := 1; h <= forecast.Horizon && t+gap+h < len(roots); h++ {
			y, x := roots[t+gap+h], max(m.middle(t, gap+h), 0)
			expected = max(expected, x)
			if !math.IsNaN(y) {
				actual = max(actual, y)
				seen++
			}
			if h != at[k] {
				continue
			}
			if !math.IsNaN(y) {
				steps[k] = append(steps[k], y-x)
			}
			if 5*seen >= 4*h {
				peaks[k] = append(peaks[k], actual-expected)
			}
			k++
		}
	}
	return steps, peaks
}

// around puts the quantiles of the errors around the expected roots. Where
// centred, the middle is kept as the median.
func around(expected [forecast.Horizon]float64, errors [][]float64, gap int, centred bool) []forecast.Quantiles {
	at := knots()
	spreads := make([]forecast.Quantiles, len(at))
	for k, e := range errors {
		spreads[k] = spread(e, expected[at[k]-1], gap+at[k], centred)
	}
	out := make([]forecast.Quantiles, forecast.Horizon)
	k := 0
	for i := range out {
		h := i + 1
		if h > at[k] {
			k++
		}
		left, share := k, 1.0
		if k > 0 {
			left, share = k-1, float64(h-at[k-1])/float64(at[k]-at[k-1])
		}
		low := 0.0
		for j := range out[i] {
			e := spreads[left][j]*(1-share) + spreads[k][j]*share
			root := max(expected[i]+e, 0)
			// Rounding must not make the quantiles cross.
			low = max(low, min(root*root, math.MaxFloat64))
			out[i][j] = low
		}
	}
	return out
}

// spread are the quantiles of errors. Where these are few, what is known of
// workloads in general takes their place by degrees: their rate wanders by a
// fifth of itself in a minute and by half in an hour.
func spread(errors []float64, level float64, lead int, centred bool) (q forecast.Quantiles) {
	slices.Sort(errors)
	weight := min(float64(len(errors))/enough, 1)
	// Half as much for the root of a rate as for the rate.
	wander := level * 0.5 * min(0.2+0.3*math.Sqrt(float64(lead-1)/float64(forecast.Horizon-1)), 1)
	for j, p := range forecast.Levels() {
		if weight > 0 {
			q[j] = weight * stat.Quantile(p, stat.LinInterp, errors, nil)
		}
		q[j] += (1 - weight) * wander * normal(j)
	}
	if centred {
		for j := range q {
			switch {
			case j < forecast.Median:
				q[j] = min(q[j], 0)
			case j > forecast.Median:
				q[j] = max(q[j], 0)
			default:
				q[j] = 0
			}
		}
	}
	return q
}

// normal is the quantile of the standard normal distribution at the level of
// that index.
func normal(j int) float64 {
	return [forecast.NumLevels]float64{-1.2816, -0.6745, 0, 0.6745, 1.2816, 1.6449, 2.3263}[j]
}
