package lstm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// FitOptions says how to fit a network. The zero value of each field but Clock
// takes the default it names.
type FitOptions struct {
	// Seed of everything drawn. The same seed, histories, options and kind of
	// processor give the same weights.
	Seed uint64
	// Budget bounds the time a fit may take, 10 minutes by default. It sets how
	// many steps are planned, by what a slow core does; a machine slower still
	// is cut short, see FitReport.Reproducible.
	Budget time.Duration
	// HeldBack is the share of each history, at its end, that is not fitted but
	// validated on: from 0.02 to 0.5, by default 0.1.
	HeldBack float64
	// Clock tells the time for Budget and Progress; time.Now by default.
	Clock func() time.Time
	// OnProgress is called from time to time, from the goroutine that called
	// Fit.
	OnProgress func(Progress)
	// Start is a model to go on from, with fewer and smaller steps; nil starts
	// anew.
	Start *Model

	// steps overrides the number of steps.
	steps int
}

// Progress is where a fit stands.
type Progress struct {
	// Epoch counts the validations so far, of Epochs planned; Step the steps.
	Epoch, Epochs, Step, Steps int
	// Loss is the mean training loss since the last progress, Validation the
	// newest validation loss, see FitReport.
	Loss, Validation float64
	Elapsed, Left    time.Duration
}

// FitReport tells how a fit went.
type FitReport struct {
	Steps, Epochs, Windows int
	// Loss is the mean training loss at the end: pinball losses over all levels,
	// steps and peaks, in units that follow each history's own. Validation is the
	// loss on what was held back of the weights that were kept, as a ratio to
	// forecasting no change, the geometric mean over histories.
	Loss, Validation float64
	// Stopped says why it ended: "planned steps done", "no better for N
	// validations" or "budget used up".
	Stopped string
	// Reproducible is false where the clock had a say: a budget too short for
	// this machine.
	Reproducible bool
}

// The way of fitting.
const (
	shards     = 4     // fixed, whatever the cores, so that sums come out the same
	shardSize  = 32    // windows a shard and step
	dropout    = 0.3   // share of the dense units that a window does without
	averaging  = 0.998 // share of the old in the running mean of the weights
	epochs     = 20    // validations a fit
	patience   = 5     // validations without a better one before the rate comes down
	maxWeight  = 10    // of a window, in units
	typical    = 0.2   // loss of a history, to begin with
	validation = 4096  // windows at most, and no more than a fair share of the time
	// passes is how often each window is drawn, on average. Windows a minute apart
	// are nearly the same, so that a pass shows each day many times; with more the
	// network learns its days by heart, which time held back from the same weeks
	// does not show. Few windows are drawn for at least leastSteps.
	passes     = 1
	leastSteps = 600
	// stepsPerSecond is what a slow pair of cores does.
	stepsPerSecond = 12
	// minKnown is how many known steps a history needs to be fitted from.
	minKnown = 3 * forecast.Horizon
)

// ErrTooLittle says that no history is long enough to fit from.
var ErrTooLittle = errors.New("too little history")

// source is one history ready to be drawn from.
type source struct {
	*feature.Source
	series forecast.Series
	// fitted is the first step that is held back.
	fitted int
	// unit is the error of the one-day seasonal naive, what losses are counted
	// in.
	unit float64
	// lately is the running mean of its training loss. Windows weigh by its
	// inverse, so that each history counts by how much better it gets, and not
	// by how hard it is: what is fitted is the mean of the logarithms.
	lately float64
}

func newSources(histories []forecast.History, heldBack float64) []source {
	var sources []source
	for _, h := range histories {
		if h.Known() < minKnown {
			continue
		}
		s := source{Source: feature.NewSource(h.Series), series: h.Series, lately: typical}
		s.fitted = int(float64(h.Len()) * (1 - heldBack))
		for _, lag := range []int{feature.Day, forecast.Horizon, 1} {
			if s.unit = naiveError(h.Values[:s.fitted], lag); s.unit > 0 {
				break
			}
		}
		if s.unit > 0 {
			sources = append(sources, s)
		}
	}
	return sources
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
		if at := origin + 1 + h; at < len(s.series.Values) {
			z = scale.Z(s.series.Values[at])
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

// share is what the loss of s is multiplied by in training.
func (s *source) share() float64 { return typical / (s.lately + typical/10) }

// Fit fits a network to histories. Cancelling ctx ends it with ctx's error and
// no model.
func Fit(ctx context.Context, histories []forecast.History, o FitOptions) (*Model, FitReport, error) {
	if o.HeldBack == 0 {
		o.HeldBack = 0.1
	}
	if o.Budget == 0 {
		o.Budget = 10 * time.Minute
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.HeldBack < 0.02 || o.HeldBack > 0.5 {
		return nil, FitReport{}, fmt.Errorf("fit: held back %v, want from 0.02 to 0.5", o.HeldBack)
	}
	if o.Budget < 0 {
		return nil, FitReport{}, fmt.Errorf("fit: budget %v, want more than 0", o.Budget)
	}
	sources := newSources(histories, o.HeldBack)
	if len(sources) == 0 {
		return nil, FitReport{}, fmt.Errorf("fit from %d histories: %w: none has %d known minutes that change", len(histories), ErrTooLittle, minKnown)
	}
	f, err := newFitter(sources, o)
	if err != nil {
		return nil, FitReport{}, err
	}
	report, err := f.run(ctx)
	if err != nil {
		return nil, FitReport{}, err
	}
	return newModel(f.size, f.best), report, nil
}

// fitter is a fit under way.
type fitter struct {
	FitOptions
	size    size
	sources []source
	// draw[i] is the chance to draw one of the sources before i.
	draw    []float64
	graphs  [shards]*graph[float32]
	cutters [shards]feature.Cutter
	drawn   [shards][shardSize]int // the sources of the windows of this step
	solver  *G.AdamSolver
	weights [3]*tensor.Dense
	mean    parameters // running mean of the weights
	best    parameters
	windows int
	taken   int // steps
	engines *sync.Pool
}

func newFitter(sources []source, o FitOptions) (*fitter, error) {
	f := &fitter{FitOptions: o, sources: sources, size: size{hidden: 64, dense: 128}}
	start := f.size.initial(rand.New(rand.NewPCG(o.Seed, 0)))
	if o.Start != nil {
		f.size, start = o.Start.size, o.Start.weights.clone()
	}
	for i, s := range f.size.shapes() {
		f.weights[i] = tensor.New(tensor.WithShape(s...), tensor.WithBacking(start[i]))
	}
	f.mean, f.best = start.clone(), start.clone()
	// Machines write to the weights while they are made: one after another.
	for i := range f.graphs {
		var err error
		if f.graphs[i], err = newGraph(fast{}, f.size, shardSize, f.weights); err != nil {
			return nil, fmt.Errorf("fit: %w", err)
		}
		f.graphs[i].mid.keep = make([]float32, shardSize*f.size.dense)
	}
	f.solver = G.NewAdamSolver()
	f.engines = &sync.Pool{New: func() any { return newEngine(f.size, chunk) }}
	f.draw = make([]float64, len(sources)+1)
	for i, s := range sources {
		f.windows += s.fitted
		// Longer histories have more to tell, but not in proportion.
		f.draw[i+1] = f.draw[i] + math.Sqrt(float64(s.fitted))
	}
	return f, nil
}

func (f *fitter) run(ctx context.Context) (FitReport, error) {
	begin := f.Clock()
	plan := newSchedule(f.plan(), f.Start != nil)
	report := FitReport{Windows: f.windows, Reproducible: true, Stopped: "planned steps done"}
	held := f.heldBack(min(validation, max(5*plan.steps, 256)))
	every := max(plan.steps/epochs, 1)
	best, bestEpoch := math.Inf(1), 0
	var sum float64
	var n int
	for step, over := 1, false; !over; step++ {
		if err := ctx.Err(); err != nil {
			return FitReport{}, fmt.Errorf("fit: stopped at step %d of %d: %w", step, plan.steps, err)
		}
		var rate float64
		var slow bool
		rate, over, slow = plan.next(step, f.Clock().Sub(begin).Seconds()/f.Budget.Seconds())
		if slow {
			report.Reproducible = false
			if over {
				report.Stopped = "budget used up"
			}
		}
		loss, err := f.step(ctx, step, rate)
		if err != nil {
			return FitReport{}, err
		}
		sum += loss
		n++
		report.Steps = step
		if step%every != 0 && !over {
			continue
		}
		report.Epochs++
		report.Loss, sum, n = sum/float64(n), 0, 0
		v, err := f.validate(ctx, held)
		if err != nil {
			return FitReport{}, err
		}
		if v < best {
			best, bestEpoch = v, report.Epochs
			f.best = f.mean.clone()
		}
		if f.OnProgress != nil {
			elapsed := f.Clock().Sub(begin)
			left := time.Duration(float64(elapsed) / float64(step) * float64(plan.steps-step))
			f.OnProgress(Progress{Epoch: report.Epochs, Epochs: plan.steps / every, Step: step, Steps: plan.steps, Loss: report.Loss, Validation: v, Elapsed: elapsed, Left: left})
		}
		if report.Epochs-bestEpoch >= patience && plan.finish(step) {
			report.Stopped = fmt.Sprintf("no better for %d validations", patience)
		}
	}
	report.Validation = best
	return report, nil
}

// plan is how many steps the budget is worth and the histories are good for.
func (f *fitter) plan() int {
	if f.steps > 0 {
		return f.steps
	}
	byBudget := f.Budget.Seconds() * stepsPerSecond
	byData := max(passes*float64(f.windows)/(shards*shardSize), leastSteps)
	return int(max(min(byBudget, byData), epochs))
}

// step takes one step down the gradient, and gives the loss before it.
func (f *fitter) step(ctx context.Context, step int, rate float64) (float64, error) {
	var losses [shards]float32
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.graphs {
		g.Go(func() error {
			// Each shard draws for itself, so that who comes first is no matter.
			f.fill(i, rand.New(rand.NewPCG(f.Seed, uint64(step*shards+i))))
			var err error
			losses[i], err = f.graphs[i].run()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, fmt.Errorf("fit: step %d: %w", step, err)
	}
	f.note()
	if err := f.descend(rate); err != nil {
		return 0, fmt.Errorf("fit: step %d: %w", step, err)
	}
	var sum float64
	for _, l := range losses {
		sum += float64(l)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, fmt.Errorf("fit: step %d: the loss is %v: the histories hold rates too large to fit", step, sum)
	}
	return sum / shards, nil
}

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
			since := 0
			if r.Float64() < 0.15 {
				// What it is like to know little: from five minutes to a week.
				since = origin - int(5*math.Pow(feature.Week/5, r.Float64()))
			}
			if s.Known(max(since, 0), origin+1) && s.Known(origin+1, min(origin+1+forecast.Horizon, s.fitted)) {
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

// descend lets the solver step with the mean of the shards' gradients, always
// summed in the same order, and moves the running mean of the weights.
func (f *fitter) descend(rate float64) error {
	for i := range f.weights {
		sum, err := f.graphs[0].gradient(i)
		if err != nil {
			return err
		}
		for _, g := range f.graphs[1:] {
			more, err := g.gradient(i)
			if err != nil {
				return err
			}
			for j, v := range more {
				sum[j] += v
			}
			clear(more)
		}
		for j := range sum {
			sum[j] /= shards
		}
	}
	G.WithLearnRate(rate)(f.solver)
	if err := f.solver.Step(G.NodesToValueGrads(f.graphs[0].weights)); err != nil {
		return fmt.Errorf("step the solver: %w", err)
	}
	// Early on the mean is over few steps, or it would stay near the start.
	f.taken++
	keep := float32(min(averaging, float64(f.taken)/float64(f.taken+10)))
	for i, w := range f.weights {
		for j, v := range w.Data().([]float32) {
			f.mean[i][j] = keep*f.mean[i][j] + (1-keep)*v
		}
	}
	return nil
}

// example is a window to validate on.
type example struct{ source, origin int }

// heldBack chooses about n windows to validate on, evenly spread, the same
// number of every history.
func (f *fitter) heldBack(n int) []example {
	var examples []example
	each := max(n/len(f.sources), 1)
	for k, s := range f.sources {
		// An odd stride, so that no minute of the hour is left out.
		stride := max((s.Len()-s.fitted)/each, 1) | 1
		for o := s.fitted; o < s.Len()-1; o += stride {
			if s.Known(0, o+1) && s.Known(o+1, o+1+forecast.Horizon) {
				examples = append(examples, example{k, o})
			}
		}
	}
	return examples
}

// validate is the loss of the running mean of the weights on examples beside
// that of forecasting no change: the geometric mean over histories, so that
// each counts the same however hard it is.
func (f *fitter) validate(ctx context.Context, examples []example) (float64, error) {
	losses, still := make([]float64, len(examples)), make([]float64, len(examples))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(examples); from += chunk {
		part := examples[from:min(from+chunk, len(examples))]
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("fit: stopped while validating: %w", err)
			}
			e := f.engines.Get().(*engine)
			defer f.engines.Put(e)
			for i, x := range part {
				f.sources[x.source].cut(&e.cutter, e.batch, i, 0, x.origin)
			}
			out := e.run(f.mean)
			for i := range part {
				losses[from+i], still[from+i] = float64(e.loss(out, i)), float64(e.unchanged(i))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	sums, stills := make([]float64, len(f.sources)), make([]float64, len(f.sources))
	counts := make([]float64, len(f.sources))
	for i, x := range examples {
		sums[x.source] += losses[i]
		stills[x.source] += still[i]
		counts[x.source]++
	}
	var logs, n float64
	for i, c := range counts {
		if c > 0 {
			// A history that hardly moved while it was held back tells little, and
			// none tells more than that it was forecast twice as badly: no single
			// one decides.
			logs += math.Log(min((sums[i]/c+0.02)/(stills[i]/c+0.02), 2))
			n++
		}
	}
	return math.Exp(logs / max(n, 1)), nil
}
