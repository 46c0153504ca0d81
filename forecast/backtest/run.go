package backtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/calibrate"
)

// Options say how [Run] works; the zero value is fine.
type Options struct {
	// Batch is how many histories one call of the forecaster gets, 128 if 0.
	Batch int
	// Calls is how many calls run at once, 2 if 0.
	Calls int
	// Online, if set, calibrates the forecasts as a live loop does: made every so
	// often, a multiple of forecast.Step, from LeadIn before a series' first
	// origin on, with what is known at each. Only those of origins are scored.
	// It takes as many forecasts as that.
	Online time.Duration
	// History, if set, is how much is known before each origin, a multiple of
	// forecast.Step: as if the series began there. Online then begins anew for
	// each origin that is scored, and no earlier than that. What scores are
	// ratios to still knows everything, so that they compare.
	History time.Duration
	// OnForecast, if set, gets every forecast with what came: the steps after
	// its origin, as many of the horizon as the series has. It is called for
	// one forecast at a time, in the order of plans and origins. An error ends
	// the run.
	OnForecast func(actual forecast.Series, f forecast.Forecast) error
}

// LeadIn is for how long before the first origin Options.Online calibrates.
const LeadIn = 48 * time.Hour

// Result is how a forecaster did.
type Result struct {
	// Forecaster is its name.
	Forecaster string `json:"forecaster"`
	// Forecasts is how many were made.
	Forecasts int `json:"forecasts"`
	// Overall are the means over Series.
	Overall accuracy.Scores `json:"overall"`
	// Series are the series that could be scored, in the order of the plans.
	Series []SeriesResult `json:"series"`
	// Dropped are those that could not, and why.
	Dropped []Dropped `json:"dropped,omitempty"`
}

// SeriesResult is how a forecaster did on one series.
type SeriesResult struct {
	Series string `json:"series"`
	// Origins is how many forecasts were scored.
	Origins int `json:"origins"`
	accuracy.Scores
}

// Dropped is a series that no figure was made of.
type Dropped struct {
	Series string `json:"series"`
	Why    string `json:"why"`
}

// chunk is one call's work, and its result once done is closed.
type chunk struct {
	items     []item
	forecasts []forecast.Forecast
	done      chan struct{}
}

// Run forecasts every origin of plans with f and scores the forecasts. The
// forecaster gets a view that ends at the origin. An origin at which no rate is
// known yet is left out. Memory does not grow with the number of
// origins. It ends early with ctx's error, with the forecaster's, with that of
// a forecast which does not hold [forecast.Forecast.Check], or with
// OnForecast's.
func Run(ctx context.Context, plans []Plan, f forecast.Forecaster, o Options) (Result, error) {
	if o.Batch <= 0 {
		o.Batch = 128
	}
	if o.Calls <= 0 {
		o.Calls = 2
	}
	if o.Online < 0 || o.Online%forecast.Step != 0 {
		return Result{}, fmt.Errorf("backtest %s: calibrate every %v: want a multiple of %v", f.Name(), o.Online, forecast.Step)
	}
	if o.History < 0 || o.History%forecast.Step != 0 {
		return Result{}, fmt.Errorf("backtest %s: %v of history: want a multiple of %v", f.Name(), o.History, forecast.Step)
	}
	for _, p := range plans {
		if err := p.check(); err != nil {
			return Result{}, fmt.Errorf("backtest %s: %w", f.Name(), err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	// Both queues are short, so that results wait for their turn without
	// piling up; every chunk goes through both.
	todo, inOrder := make(chan *chunk), make(chan *chunk, 2*o.Calls)
	group.Go(func() error {
		defer close(todo)
		defer close(inOrder)
		for i, p := range plans {
			for items := range slices.Chunk(p.items(i, o), o.Batch) {
				c := &chunk{items: items, done: make(chan struct{})}
				for _, queue := range []chan *chunk{inOrder, todo} {
					select {
					case queue <- c:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
		}
		return nil
	})
	for range o.Calls {
		group.Go(func() error {
			for c := range todo {
				if err := c.run(plans, f); err != nil {
					return fmt.Errorf("backtest %s: %w", f.Name(), err)
				}
				close(c.done)
			}
			return nil
		})
	}
	score := newScore(plans, f.Name(), o.Online > 0)
	group.Go(func() error {
		for c := range inOrder {
			select {
			case <-c.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := score.add(c, o.OnForecast); err != nil {
				return fmt.Errorf("backtest %s: %w", f.Name(), err)
			}
		}
		return ctx.Err()
	})
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	name := f.Name()
	if o.Online > 0 {
		name += ", calibrated"
	}
	return score.result(name), nil
}

func (c *chunk) run(plans []Plan, f forecast.Forecaster) error {
	batch := make([]forecast.History, len(c.items))
	for i, it := range c.items {
		batch[i] = it.known(plans)
	}
	out, err := f.Forecast(batch)
	if err != nil {
		return err
	}
	if len(out) != len(batch) {
		return fmt.Errorf("%d forecasts for %d histories", len(out), len(batch))
	}
	for i, fc := range out {
		if err := fc.Check(); err != nil {
			return err
		}
		if fc.Workload != batch[i].Workload || !fc.Origin.Equal(batch[i].Origin()) {
			return fmt.Errorf("forecast of %s at %v, want %s at %v", fc.Workload, fc.Origin, batch[i].Workload, batch[i].Origin())
		}
	}
	c.forecasts = out
	return nil
}

// score adds up forecasts; it holds a few sums for each series.
type score struct {
	plans     []Plan
	forecasts []int
	mine, ref []accuracy.Tally
	scale     []float64
	// reference is that of the series at hand, as forecasts come series by
	// series.
	reference *accuracy.Reference
	current   int
	// online calibrates the series at hand from step since on, nil if none is to
	// be.
	online     *calibrate.Online
	since      int
	calibrates bool
	by         string
}

func newScore(plans []Plan, by string, calibrates bool) *score {
	n := len(plans)
	return &score{
		plans: plans, forecasts: make([]int, n), current: -1, by: by, calibrates: calibrates,
		mine: make([]accuracy.Tally, n), ref: make([]accuracy.Tally, n), scale: make([]float64, n),
	}
}

func (s *score) add(c *chunk, on func(forecast.Series, forecast.Forecast) error) error {
	for i, it := range c.items {
		h, f := s.plans[it.plan].History, c.forecasts[i]
		if s.current != it.plan {
			s.current = it.plan
			s.reference = accuracy.NewReference(h.Series, s.plans[it.plan].TrainEnd)
			s.scale[it.plan] = s.reference.Scale()
			s.online = nil
		}
		if s.calibrates {
			if s.online == nil || s.since != it.since {
				s.online, s.since = calibrate.NewOnline(s.by), it.since
			}
			var err error
			if f, err = s.online.Forecast(it.known(s.plans), f); err != nil {
				return err
			}
		}
		if !it.scored {
			continue
		}
		asWritten(f)
		actual := h.Between(f.Time(1), f.Time(forecast.Horizon+1))
		steps := s.reference.Steps(f.Origin)
		s.mine[it.plan].Add(actual.Values, f.Steps, f.Peaks)
		s.ref[it.plan].Add(actual.Values, steps, forecast.RunningPeaks(steps))
		s.forecasts[it.plan]++
		if on != nil {
			if err := on(actual, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *score) result(name string) Result {
	r := Result{Forecaster: name, Series: []SeriesResult{}}
	var all []accuracy.Scores
	for i, p := range s.plans {
		r.Forecasts += s.forecasts[i]
		series := p.History.Workload.String()
		scores := accuracy.Compare(&s.mine[i], &s.ref[i], s.scale[i])
		if math.IsNaN(float64(scores.Horizons[accuracy.All].CRPSRatio)) {
			why := "no known minute after an origin"
			if s.forecasts[i] == 0 {
				why = "no known minute before an origin"
			} else if s.ref[i].Losses(accuracy.All).MAE == 0 {
				why = "seasonal naive makes no error to measure against"
			}
			r.Dropped = append(r.Dropped, Dropped{series, why})
			continue
		}
		r.Series = append(r.Series, SeriesResult{series, s.forecasts[i], scores})
		all = append(all, scores)
	}
	r.Overall = accuracy.Overall(all)
	return r
}
