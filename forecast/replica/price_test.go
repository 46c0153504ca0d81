package replica

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/foretide/foretide/forecast"
)

// fan draws quantiles, some of them equal.
func fan(r *rand.Rand) (q forecast.Quantiles) {
	for j := range q {
		q[j] = math.Floor(math.Exp(3*r.NormFloat64())*4) / 4
	}
	slices.Sort(q[:])
	return q
}

func TestExceeds(t *testing.T) {
	q := forecast.Quantiles{10, 20, 30, 40, 50, 60, 80}
	for _, c := range []struct{ v, want float64 }{{0, 1}, {5, 0.95}, {10, 0.9}, {25, 0.625}, {30, 0.5}, {60, 0.05}, {70, 0.03}, {80, 0.01}, {100, 0.002}} {
		if got := exceeds(&q, c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("a rate above %v: %v, want %v", c.v, got, c.want)
		}
	}
	if got := exceeds(&forecast.Quantiles{}, 0); got != 0 {
		t.Errorf("a rate that is always 0 is above 0 with probability %v", got)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		q, last := fan(r), 1.0
		for v := 0.0; v < 400; v += 0.37 {
			p := exceeds(&q, v)
			if p > last+1e-12 || p < 0 {
				t.Fatalf("of %v, above %v: %v after %v", q, v, p, last)
			}
			last = p
		}
	}
}

// No other number of pods may be cheaper than the one found among a few.
func TestCheapest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		q, perPod, short := fan(r), math.Exp(r.NormFloat64()), math.Exp(3+3*r.NormFloat64())
		cost := func(n int) float64 { return float64(n) + short*exceeds(&q, float64(n)*perPod*(1+1e-9)) }
		got := cheapest(&q, perPod, short)
		for n := range int(short) + 2000 {
			if cost(n) < cost(got)-1e-6 {
				t.Fatalf("%v at %v a pod and %v a short minute: %d pods cost %v, but %d cost %v", q, perPod, short, got, cost(got), n, cost(n))
			}
		}
	}
	if n := cheapest(&forecast.Quantiles{}, 1, 100); n != 0 {
		t.Errorf("%d pods for no load", n)
	}
}
