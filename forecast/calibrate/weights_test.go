package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// play lets a group of experts learn from losses, one round a minute, and gives
// what its weights lost and what they may have lost at most beyond the best
// expert of each segment: the bound of README.md.
func play(losses [][]float64, delay float64, segments []int) (g group, lost, best, bound float64) {
	k := len(losses[0])
	prior := make([]float64, k)
	for i := range prior {
		prior[i] = 1 / float64(k)
	}
	g = newGroup(prior)
	share := -math.Expm1(-1 / memory)
	floor := math.Log(1 / (share / float64(k)))
	before, seg := 0.0, 0
	sums := make([]float64, k)
	for t, v := range losses {
		price := math.Sqrt(delay) * g.gap / switching(k) // of one over eta
		if seg < len(segments) && t == segments[seg] {
			bound += floor * price
			least := math.Inf(1)
			for i := range sums {
				least = min(least, sums[i])
				sums[i] = 0
			}
			if t > 0 {
				best += least
			}
			seg++
		} else {
			bound += floor * max(price-before, 0)
		}
		before = price
		bound -= price * math.Log(1-share)
		r := round{n: 1, mixed: 1}
		mixed, z := 0.0, 0.0
		for i, x := range v {
			r.lost[i], r.heard[i] = x, 1
			lost += g.weights[i] * x
			mixed += g.weights[i] * x
			z += g.weights[i] * math.Exp(-x/price)
			sums[i] += x
		}
		bound += mixed + price*math.Log(z)
		g.learn(&r, int64(t)*step, delay, prior)
	}
	least := math.Inf(1)
	for _, s := range sums {
		least = min(least, s)
	}
	return g, lost, best + least, bound
}

// Against the best expert of each segment in hindsight, whatever the losses.
func TestRegretBound(t *testing.T) {
	f := func(name string, delay float64, days int, segments []int, loss func(r *rand.Rand, t, k, seg int) float64) {
		t.Helper()
		r := rand.New(rand.NewPCG(1, 2))
		losses := make([][]float64, days*day)
		seg := -1
		for i := range losses {
			if seg+1 < len(segments) && i == segments[seg+1] {
				seg++
			}
			losses[i] = make([]float64, 4)
			for k := range losses[i] {
				losses[i][k] = loss(r, i, k, seg)
			}
		}
		g, lost, best, bound := play(losses, delay, segments)
		if regret := lost - best; regret > bound+1e-6 {
			t.Errorf("%s: regret %.1f over %d rounds, want at most %.1f; weights %.3f", name, regret, len(losses), bound, g.weights)
		}
		// The bound must say something: less than a third of the losses' range,
		// where losses are as large as they usually are.
		if delay == 1 && bound > float64(len(losses))/3 {
			t.Errorf("%s: the bound is %.1f of %d rounds", name, bound, len(losses))
		}
	}
	good := func(r *rand.Rand, _, k, seg int) float64 {
		if k == seg%4 {
			return 0.5 * r.Float64()
		}
		return 0.3 + 0.7*r.Float64()
	}
	f("one is best", 1, 3, []int{0}, good)
	f("the best one changes", 1, 6, []int{0, 2000, 4000, 7000}, good)
	f("the best one changes, late", 40, 6, []int{0, 2000, 4000, 7000}, good)
	f("by chance", 1, 4, []int{0, 1000, 3000}, func(r *rand.Rand, _, _, _ int) float64 { return float64(r.IntN(2)) })
	f("against the leader", 1, 4, []int{0}, func(_ *rand.Rand, t, k, _ int) float64 { return float64((t + k) % 2) })
	f("bursts", 1, 4, []int{0, 2500}, func(r *rand.Rand, t, k, seg int) float64 {
		if t%500 == 0 {
			return 8 * r.Float64()
		}
		return good(r, t, k, seg)
	})
}

// A better expert must have the weight within hours, and one that was bad all
// along must get it when it becomes good.
func TestWeightsFollow(t *testing.T) {
	losses := make([][]float64, 4*day)
	for i := range losses {
		losses[i] = []float64{1, 0.5, 2}
		if i >= 2*day {
			losses[i] = []float64{1, 1.5, 0.5}
		}
	}
	g, _, _, _ := play(losses[:day/2], 1, nil)
	if g.weights[1] < 0.9 {
		t.Errorf("half a day of half the loss gives weights %.2f, want the second above 0.9", g.weights)
	}
	g, _, _, _ = play(losses[:2*day+day/2], 1, nil)
	if g.weights[2] < 0.9 {
		t.Errorf("half a day after the change the weights are %.2f, want the third above 0.9", g.weights)
	}
}
