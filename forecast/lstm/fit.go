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
	// Start is a model to go on from, with smaller steps; nil starts anew.
	Start *Model
	// Truth is what of each history is to be learnt: the same series, but NaN
	// where the network may look back on what came and does not learn to forecast
	// it. Nil learns all of all histories.
	Truth []forecast.Series
	// Young is the share of the windows that know only the last five minutes to
	// week of their history, as a forecast of a new workload does: 0.15 by
	// default.
	Young float64
	// Weights say how much more often than another one of its length each history
	// is drawn from, 0 for never; nil is 1 for each.
	Weights []float64

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
	if o.Young == 0 {
		o.Young = 0.15
	}
	if o.HeldBack < 0.02 || o.HeldBack > 0.5 {
		return nil, FitReport{}, fmt.Errorf("fit: held back %v, want from 0.02 to 0.5", o.HeldBack)
	}
	if o.Budget < 0 {
		return nil, FitReport{}, fmt.Errorf("fit: budget %v, want more than 0", o.Budget)
	}
	if !(o.Young > 0 && o.Young <= 1) {
		return nil, FitReport{}, fmt.Errorf("fit: a share of %v young windows, want more than 0, to 1", o.Young)
	}
	if err := checkWeights(histories, o.Weights); err != nil {
		return nil, FitReport{}, err
	}
	if o.Truth == nil {
		for _, h := range histories {
			o.Truth = append(o.Truth, h.Series)
		}
	}
	if err := checkTruth(histories, o.Truth); err != nil {
		return nil, FitReport{}, err
	}
	sources := newSources(histories, o)
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
	solver  *adam
	weights [3]*tensor.Dense
	mean    parameters // running mean of the weights
	best    parameters
	windows int
	taken   int // steps
	engines *sync.Pool
}

func newFitter(sources []source, o FitOptions) (*fitter, error) {
	f := &fitter{FitOptions: o, sources: sources, size: standard()}
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
	f.solver = new(adam)
	f.engines = &sync.Pool{New: func() any { return newEngine(f.size, chunk) }}
	f.draw = make([]float64, len(sources)+1)
	for i, s := range sources {
		f.windows += s.fitted
		// Longer histories have more to tell, but not in proportion.
		f.draw[i+1] = f.draw[i] + s.weight*math.Sqrt(float64(s.fitted))
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
	f.solver.rate = rate
	if err := f.solver.Step(f.graphs[0].weights); err != nil {
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
