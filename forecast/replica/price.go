package replica

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// exceeds is the probability that a rate with the quantiles q is above v:
// linear between the levels, from 1 at zero on, and above the highest level an
// exponential tail that goes on as the last two levels fall.
func exceeds(q *forecast.Quantiles, v float64) float64 {
	levels := forecast.Levels()
	last := len(levels) - 1
	below, from := 0.0, 0.0
	for j, to := range q {
		if v < to {
			return 1 - (below + (levels[j]-below)*(v-from)/(to-from))
		}
		below, from = levels[j], to
	}
	if scale := tail(q); scale > 0 {
		return (1 - levels[last]) * math.Exp(-(v-q[last])/scale)
	}
	return 0
}

// tail is the mean excess over the highest quantile.
func tail(q *forecast.Quantiles) float64 {
	levels := forecast.Levels()
	last := len(levels) - 1
	return (q[last] - q[last-1]) / math.Log((1-levels[last-1])/(1-levels[last]))
}

// cheapest is the number of pods, each for perPod, at which pods and the risk to
// fall short of a rate with the quantiles q cost the least together, where
// falling short costs as much as so many pods: the newsvendor's answer for
// whole pods. Between two levels the cost is linear, so that only the numbers
// next to a quantile and next to the optimum in the tail have to be looked at.
func cheapest(q *forecast.Quantiles, perPod, short float64) int {
	best, least := 0, math.Inf(1)
	try := func(rate float64) {
		for _, n := range []float64{math.Floor(rate/perPod + 1e-9), math.Ceil(rate/perPod - 1e-9)} {
			n = min(max(n, 0), math.MaxInt32)
			if cost := n + short*exceeds(q, n*perPod*(1+1e-9)); cost < least {
				best, least = int(n), cost
			}
		}
	}
	try(0)
	for _, v := range q {
		try(v)
	}
	levels := forecast.Levels()
	last := len(levels) - 1
	if scale := tail(q); scale > 0 {
		if gain := short * (1 - levels[last]) * perPod / scale; gain > 1 {
			try(q[last] + scale*math.Log(gain))
		}
	}
	return best
}
