package baseline

import "math"

// fitEWMA smooths by the share of the newest value that would have forecast the
// last days best, a third where they are too short to tell.
func fitEWMA(roots []float64) method {
	var best []float64
	least := math.Inf(1)
	// Where there are no errors yet all are equal, and the first share stays.
	for _, share := range []float64{1. / 3, 0.03, 0.1, 0.2, 0.6} {
		level := smoothed(roots, share)
		loss := misses(roots, func(t, _ int) float64 { return level[t] }, max(0, len(roots)-searched))
		if loss < least {
			best, least = level, loss
		}
	}
	return method{middle: func(t, _ int) float64 { return best[t] }}
}

// smoothed moves a level towards each value by a share of the way; over what is
// missing it stays. The first value is known.
func smoothed(values []float64, share float64) []float64 {
	out := make([]float64, len(values))
	level := values[0]
	for t, v := range values {
		if !math.IsNaN(v) {
			level += share * (v - level)
		}
		out[t] = level
	}
	return out
}

// misses is the mean absolute error of middle on values, from a step on, over
// leads that matter to scaling.
func misses(values []float64, middle func(t, lead int) float64, from int) float64 {
	sum, n := 0.0, 0
	for _, lead := range []int{1, 5, 15, 45} {
		for t := from; t+lead < len(values); t += 7 {
			if y := values[t+lead]; !math.IsNaN(y) {
				sum += math.Abs(y - middle(t, lead))
				n++
			}
		}
	}
	return sum / float64(max(n, 1))
}
