package lstm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// source is one history ready to be drawn from.
type source struct {
	feature.Source
	// truth is what is learnt of each step, NaN for nothing.
	truth []float64
	// fitted is the first step that is held back.
	fitted int
	// unit is the error of the one-day seasonal naive, what losses are counted
	// in.
	unit float64
	// lately is the running mean of its training loss. Windows weigh by its
	// inverse, so that each history counts by how much better it gets, and not
	// by how hard it is: what is fitted is the mean of the logarithms.
	lately float64
	// weight is by how much more often it is drawn than others of its length.
	weight float64
}

// newSources are the histories that can be learnt from, and that have a weight.
func newSources(histories []forecast.History, o FitOptions) []source {
	var sources []source
	for i, h := range histories {
		weight := 1.0
		if o.Weights != nil {
			weight = o.Weights[i]
		}
		if o.Truth[i].Known() < minKnown || weight == 0 {
			continue
		}
		s := source{Source: feature.NewSource(h.Series), truth: o.Truth[i].Values, lately: typical, weight: weight}
		s.fitted = int(float64(h.Len()) * (1 - o.HeldBack))
		for _, lag := range []int{feature.Day, forecast.Horizon, 1} {
			if s.unit = naiveError(s.truth[:s.fitted], lag); s.unit > 0 {
				break
			}
		}
		if s.unit > 0 {
			sources = append(sources, s)
		}
	}
	return sources
}

// checkWeights tells whether weights fit histories.
func checkWeights(histories []forecast.History, weights []float64) error {
	if weights == nil {
		return nil
	}
	if len(weights) != len(histories) {
		return fmt.Errorf("fit: weights of %d histories, want those of %d", len(weights), len(histories))
	}
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("fit: weight %v of %q, want 0 or more", w, histories[i].Workload)
		}
	}
	return nil
}

// checkTruth tells whether truth fits histories.
func checkTruth(histories []forecast.History, truth []forecast.Series) error {
	if len(truth) != len(histories) {
		return fmt.Errorf("fit: the truth of %d histories, want that of %d", len(truth), len(histories))
	}
	for i, h := range histories {
		if t := truth[i]; !t.Start.Equal(h.Start) || t.Len() != h.Len() {
			return fmt.Errorf("fit: the truth of %q is %d steps from %v, want %d from %v", h.Workload, t.Len(), t.Start, h.Len(), h.Start)
		}
		for j, v := range truth[i].Values {
			if v != h.Values[j] && !math.IsNaN(v) {
				return fmt.Errorf("fit: the truth of %q at %v is %v, want %v or NaN", h.Workload, h.Time(j), v, h.Values[j])
			}
		}
	}
	return nil
}

// naiveError is the mean absolute difference of values lag steps apart, 0 where
// there are too few of them to tell.
func naiveError(v []float64, lag int) float64 {
	sum, n := 0.0, 0
	for i := lag; i < len(v); i++ {
		if d := math.Abs(v[i] - v[i-lag]); !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	if n < forecast.Horizon {
		return 0
	}
	return sum / float64(n)
}

// cut fills example i of b with the window of s at origin, and what came after.
func (s *source) cut(c *feature.Cutter, b *batch[float32], i, since, origin int) {
	scale := c.Cut(s.Source, since, origin, window(b, i))
	truth := b.truth[i*targets : (i+1)*targets]
	top, seen, w := math.Inf(-1), 0, 0
	wins := windows()
	for h := range forecast.Horizon {
		z := math.NaN()
		if at := origin + 1 + h; at < len(s.truth) {
			z = scale.Z(s.truth[at])
		}
		truth[h] = float32(z)
		if !math.IsNaN(z) {
			top = max(top, z)
			seen++
		}
		if h+1 == wins[w] {
			truth[forecast.Horizon+w] = float32(math.NaN())
			if 5*seen >= 4*(h+1) {
				truth[forecast.Horizon+w] = float32(top)
			}
			w++
		}
	}
	b.weight[i] = float32(min(scale.Unit/s.unit, maxWeight))
}

// learnt says whether there is anything to learn from the horizon after origin,
// as far as it lies before end.
func (s *source) learnt(origin, end int) bool {
	for _, v := range s.truth[origin+1 : min(origin+1+forecast.Horizon, end)] {
		if !math.IsNaN(v) {
			return true
		}
	}
	return false
}

// share is what the loss of s is multiplied by in training.
func (s *source) share() float64 { return typical / (s.lately + typical/10) }

// note moves the running losses of the sources that were drawn.
func (f *fitter) note() {
	for shard, g := range f.graphs {
		for i, k := range f.drawn[shard] {
			s := &f.sources[k]
			s.lately += (float64(g.each[i])/s.share() - s.lately) / 100
		}
	}
}

// fill draws the windows of a shard, and the units that do without (Srivastava
// et al., 2014).
func (f *fitter) fill(shard int, r *rand.Rand) {
	b, keep := f.graphs[shard].batch, f.graphs[shard].mid.keep
	for i := range keep {
		keep[i] = 0
		if r.Float64() >= dropout {
			keep[i] = 1 / (1 - dropout)
		}
	}
	for i := range b.n {
		for {
			x := r.Float64() * f.draw[len(f.draw)-1]
			k := 0
			for f.draw[k+1] <= x {
				k++
			}
			s := &f.sources[k]
			origin := r.IntN(max(s.fitted-1, 1))
			if r.IntN(2) == 0 {
				// Rather what was lately than what was long ago.
				origin = max(origin, r.IntN(max(s.fitted-1, 1)))
			}
			since := f.since(origin, r)
			if s.Known(max(since, 0), origin+1) && s.learnt(origin, s.fitted) {
				s.cut(&f.cutters[shard], b, i, since, origin)
				s.mask(b, i, origin)
				if r.IntN(2) == 0 {
					window(b, i).Reclock(r.Float64())
				}
				b.weight[i] *= float32(s.share())
				f.drawn[shard][i] = k
				break
			}
		}
	}
}

// since draws the first step that is known at origin.
func (f *fitter) since(origin int, r *rand.Rand) int {
	if r.Float64() < f.Young {
		// What it is like to know little: from five minutes to a week.
		return max(origin-int(5*math.Pow(feature.Week/5, r.Float64())), 0)
	}
	return 0
}

// mask hides what came true from the first step that is held back on.
func (s *source) mask(b *batch[float32], i, origin int) {
	from := s.fitted - origin - 1
	if from >= forecast.Horizon {
		return
	}
	nan := float32(math.NaN())
	truth := b.truth[i*targets : (i+1)*targets]
	for h := from; h < forecast.Horizon; h++ {
		truth[h] = nan
	}
	for w, n := range windows() {
		if n > from {
			truth[forecast.Horizon+w] = nan
		}
	}
}
