package synthetic

import (
	"math"
	"math/rand/v2"
	"time"
)

// hash mixes its parts into 64 evenly spread bits (the finaliser of
// SplitMix64 by Steele, Lea and Flood, 2014, chained).
func hash(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// unit spreads hashed bits evenly over [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// bell turns hashed bits into a nearly normal number of variance 1: the sum of
// four even ones.
func bell(h uint64) float64 {
	sum := h&0xffff + h>>16&0xffff + h>>32&0xffff + h>>48
	return (float64(sum)/0xffff - 2) * math.Sqrt(3)
}

// octave is one time scale of a wandering.
type octave struct {
	period time.Duration
	sigma  float64
}

// wander is a smooth positive factor around 1 whose logarithm moves on several
// time scales at once, which correlates near instants strongly and far ones
// weakly, as a process with memory does.
func wander(key uint64, t time.Time, octaves []octave) float64 {
	sum, variance := 0.0, 0.0
	for i, o := range octaves {
		k := hash(key, uint64(i))
		// Shifted by key, so that the scales of two services do not turn together.
		x := float64(t.Unix())/o.period.Seconds() + unit(k)
		n := math.Floor(x)
		w := ramp(x - n)
		a, b := bell(hash(k, uint64(int64(n)))), bell(hash(k, uint64(int64(n)+1)))
		sum += o.sigma * (a + (b-a)*w)
		variance += o.sigma * o.sigma
	}
	return math.Exp(sum - variance/2)
}

// ramp climbs smoothly from 0 to 1 as x does.
func ramp(x float64) float64 {
	x = min(max(x, 0), 1)
	return x * x * (3 - 2*x)
}

// poisson draws a count of the given mean.
func poisson(key uint64, mean float64) float64 {
	r := rand.New(rand.NewPCG(key, hash(key)))
	if mean > 60 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	// Inversion by multiplication (Knuth).
	n, product, limit := 0.0, r.Float64(), math.Exp(-mean)
	for product > limit {
		n++
		product *= r.Float64()
	}
	return n
}
