package calibrate

import (
	"math"
	"slices"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

const (
	// memory is for how many steps what was learned counts: a day, as traffic
	// repeats itself by the day.
	memory = float64(24 * 60)
	// cut is the weight that counts as none in a mixture, so that an expert that
	// talks nonsense has no say at all.
	cut = 0.01
	// most is the most that an expert can lose in a round beyond the best one,
	// in usual losses: no single burst decides which is best.
	most = 10
)

// group is what was learned of a bucket of leads.
type group struct {
	// at is the Unix time of the last round, never before the first.
	at int64
	// weights of the experts; they sum up to 1.
	weights []float64
	// gap is how much the losses have lately cost beyond what the best possible
	// mixing of them would, see learn.
	gap float64
	// theta are the corrections of the quantiles, in units; see correct.go.
	theta forecast.Quantiles
	// Sums that fade with memory: how many forecasts were verified, and the
	// quantile loss of the mixture before correction.
	n, mixed float64
	// What each expert has lost where it said something, and how often that
	// was.
	lost, heard []float64
	// How often a quantile that was given out covered the truth, and its loss.
	covered, pinball [forecast.NumLevels]float64
}

func newGroup(prior []float64) group {
	k := len(prior)
	return group{at: never, weights: slices.Clone(prior), gap: leastGap(k), lost: make([]float64, k), heard: make([]float64, k)}
}

// switching is what it costs at most, in logarithms of weight, to turn from one
// expert to another: all have at least their share of a round's memory.
func switching(experts int) float64 { return math.Log(float64(experts) * memory) }

// leastGap is the gap after a day of losses that differ by as much as they are
// usually large; with it the learning rate is the best for such a day.
func leastGap(experts int) float64 { return math.Sqrt(memory * switching(experts) / 8) }

// round is what came due in one step for a bucket.
type round struct {
	n                int
	lost, heard      [MaxExperts]float64
	charged          [MaxExperts]float64
	mixed            float64
	covered, pinball [forecast.NumLevels]float64
}

// add verifies one forecast: what the experts and the mixture of them have
// said, against the truth y.
func (r *round) add(g *group, y float64, said []float32) {
	experts := len(g.weights)
	levels := forecast.Levels()
	var awake [MaxExperts]bool
	for k := range experts {
		awake[k] = !isNaN(said[k*forecast.NumLevels])
	}
	shares := g.shares(awake[:experts])
	var mix forecast.Quantiles
	for k := range experts {
		if !awake[k] {
			continue
		}
		r.heard[k]++
		for j, v := range said[k*forecast.NumLevels : (k+1)*forecast.NumLevels] {
			mix[j] += shares[k] * float64(v)
			r.lost[k] += accuracy.Pinball(y, float64(v), levels[j]) / forecast.NumLevels
		}
	}
	mixed := 0.0
	for j := range mix {
		mixed += accuracy.Pinball(y, mix[j], levels[j]) / forecast.NumLevels
	}
	// An expert that said nothing is charged what the mixture lost, so that
	// silence neither earns nor costs.
	for k := range experts {
		if !awake[k] {
			r.charged[k] += mixed
		}
	}
	for j, v := range said[experts*forecast.NumLevels:] {
		if atMost(y, float64(v)) {
			r.covered[j]++
		}
		r.pinball[j] += accuracy.Pinball(y, float64(v), levels[j])
	}
	r.n++
	r.mixed += mixed
	g.track(y, &mix)
}

func isNaN(v float32) bool { return v != v }

// shares are what each of the experts that are awake has in a mixture; they
// sum up to 1.
func (g *group) shares(awake []bool) (shares [MaxExperts]float64) {
	sum := 0.0
	for k, w := range g.weights {
		if awake[k] {
			sum += w
		}
	}
	least := cut * sum
	sum = 0
	for k, w := range g.weights {
		if awake[k] {
			shares[k] = max(w-least, 0)
			sum += shares[k]
		}
	}
	for k := range shares {
		shares[k] /= sum
	}
	return shares
}

// usual is the mean loss of the expert that has the least, 0 before any is
// known: the measure of losses, which an expert that talks nonsense does not
// change.
func (g *group) usual() float64 {
	least := math.Inf(1)
	for k, n := range g.heard {
		if n > 0 {
			least = min(least, g.lost[k]/n)
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

// atMost tells whether y is at or below q, but for the rounding of q.
func atMost(y, q float64) bool { return y <= q*(1+rounding) }

// learn closes a round: losses fade, and weights move. For losses v in usual
// ones, weights w, rate eta and the share s that one round has in memory:
//
//	p_k = w_k exp(-eta v_k) / Z
//	w_k = (1-s) p_k + s prior_k
//
// and the gap, by which the rate is chosen, adds up w.v + ln(Z)/eta and fades.
// The rate is switching/gap, by the root of the delay, as a loss that comes
// late comes with others like it.
func (g *group) learn(r *round, now int64, delay float64, prior []float64) {
	since := memory
	if g.at != never {
		since = min(float64(now-g.at)/float64(step), memory)
	}
	g.at = now
	share := -math.Expm1(-since / memory)
	g.fade(1-share, r)

	usual := g.usual()
	if usual == 0 {
		usual = g.mixed / g.n // one of them is always right
	}
	if len(g.weights) == 1 || usual == 0 {
		return
	}
	low := math.Inf(1)
	for k := range g.weights {
		low = min(low, r.lost[k]+r.charged[k])
	}
	scale := float64(r.n) * usual
	eta := switching(len(g.weights)) / g.gap / math.Sqrt(delay)
	expected, z := 0.0, 0.0
	for k, w := range g.weights {
		// What all have lost alike changes no weight.
		d := min((r.lost[k]+r.charged[k]-low)/scale, most)
		expected += w * d
		g.weights[k] = w * math.Exp(-eta*d)
		z += g.weights[k]
	}
	for k, w := range g.weights {
		g.weights[k] = (1-share)*w/z + share*prior[k]
	}
	g.gap = max(g.gap*(1-share)+max(expected+math.Log(z)/eta, 0), leastGap(len(g.weights)))
}

// fade lets go of some of what was summed up, and adds a round.
func (g *group) fade(keep float64, r *round) {
	g.n = g.n*keep + float64(r.n)
	g.mixed = g.mixed*keep + r.mixed
	for k := range g.lost {
		g.lost[k] = g.lost[k]*keep + r.lost[k]
		g.heard[k] = g.heard[k]*keep + r.heard[k]
	}
	for j := range g.covered {
		g.covered[j] = g.covered[j]*keep + r.covered[j]
		g.pinball[j] = g.pinball[j]*keep + r.pinball[j]
	}
}
