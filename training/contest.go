package training

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/registry"
)

const (
	// stride is the distance of two origins at least, in steps: about an hour,
	// but every minute of the hour comes up.
	stride = 61
	// maxOrigins is how many forecasts a forecaster is scored by at most, as
	// far as each workload gets one; a short budget pays for fewer.
	maxOrigins, minOrigins = 4000, 200
	// originTime is about what one origin costs, all forecasters together.
	originTime = 15 * time.Millisecond
	// fewest is how many different rates the held-back time must have to say
	// anything about forecasts.
	fewest = 10
)

// championName and priorName are what their scores go by beside the
// challenger's.
const (
	championName = "champion"
	priorName    = "prior"
)

// named is a network under another name.
type named struct {
	*lstm.Model
	name string
}

func (n named) Name() string { return n.name }

// contest scores forecasters on the same held-back time.
type contest struct {
	plans    []backtest.Plan
	unscored []Unscored

	// results are the challenger's, then those of the prior, if there is one, and
	// of the baselines.
	results []backtest.Result
	// champion is the champion's, zero where there is none to be scored.
	champion backtest.Result
}

// newContest plans forecasts over the last part of histories, the one that a
// fit with the same share held back does not see.
//
// budget sets how many forecasts there are; no clock is read, so that the same
// budget gives the same ones.
func newContest(histories []forecast.History, heldBack float64, budget time.Duration) *contest {
	t := &contest{}
	most := min(max(int(budget/originTime), minOrigins), maxOrigins)
	origins := 0
	for _, h := range histories {
		p, err := planOf(h, heldBack)
		if err != nil {
			t.unscored = append(t.unscored, Unscored{h.Workload.String(), err.Error()})
			continue
		}
		origins += len(p.Origins)
		t.plans = append(t.plans, p)
	}
	if skip := (origins + most - 1) / most; skip > 1 {
		for i, p := range t.plans {
			kept := p.Origins[:0]
			for j := 0; j < len(p.Origins); j += skip {
				kept = append(kept, p.Origins[j])
			}
			t.plans[i].Origins = kept
		}
	}
	return t
}

func planOf(h forecast.History, heldBack float64) (backtest.Plan, error) {
	first := int(float64(h.Len()) * (1 - heldBack))
	day := 24 * forecast.Horizon
	if first <= day || h.Len()-first <= forecast.Horizon+stride {
		return backtest.Plan{}, fmt.Errorf("%d minutes, of which %d are held back: too few of one of them", h.Len(), h.Len()-first)
	}
	distinct := map[float64]bool{}
	for _, v := range h.Values[first:] {
		if !math.IsNaN(v) && len(distinct) < fewest {
			distinct[v] = true
		}
	}
	if len(distinct) < fewest {
		return backtest.Plan{}, fmt.Errorf("%d different rates in the held-back time, want %d or more", len(distinct), fewest)
	}
	p := backtest.Plan{History: h, TrainEnd: h.Time(first - 1)}
	for i := first; i < h.Len()-forecast.Horizon; i += stride {
		p.Origins = append(p.Origins, h.Time(i))
	}
	return p, nil
}

// open scores the challenger, the prior, if there is one, the champion of c, if
// it has a model, and the baselines.
func (t *contest) open(ctx context.Context, challenger, prior *lstm.Model, c holder, next func(name string, done, total int)) error {
	entrants := []forecast.Forecaster{challenger}
	if prior != nil {
		entrants = append(entrants, named{prior, priorName})
	}
	for _, b := range baseline.All() {
		entrants = append(entrants, b)
	}
	total := len(entrants)
	if c.model != nil {
		total++
	}
	tell := func(name string, done int) {
		if next != nil {
			next(name, done, total)
		}
	}
	for i, f := range entrants {
		tell(f.Name(), i)
		result, err := t.enter(ctx, f)
		if err != nil {
			return err
		}
		t.results = append(t.results, result)
	}
	// What makes seasonal naive no error cannot be scored by a ratio to it.
	for _, d := range t.results[0].Dropped {
		t.unscored = append(t.unscored, Unscored{d.Series, d.Why})
	}
	if c.model != nil {
		tell(championName, total-1)
	}
	return t.face(ctx, c)
}

// face scores the champion of c in place of the one before.
func (t *contest) face(ctx context.Context, c holder) error {
	t.champion = backtest.Result{}
	if c.model == nil {
		return nil
	}
	var err error
	t.champion, err = t.enter(ctx, named{c.model, championName})
	return err
}

func (t *contest) enter(ctx context.Context, f forecast.Forecaster) (backtest.Result, error) {
	result, err := backtest.Run(ctx, t.plans, f, backtest.Options{})
	if err != nil {
		return backtest.Result{}, fmt.Errorf("score %s: %w", f.Name(), err)
	}
	return result, nil
}

// decide tells whether the challenger takes over from c, and why.
func (t *contest) decide(c holder) (bool, string) {
	challenger := crps(t.results[0])
	if math.IsNaN(challenger) {
		return false, "not promoted: nothing could be measured on the held-back time"
	}
	if c.model != nil {
		champion := crps(t.champion)
		if challenger < champion {
			return true, fmt.Sprintf("promoted: CRPS %.4f is below the champion's %.4f (%s)", challenger, champion, c.entry.Version)
		}
		return false, fmt.Sprintf("not promoted: CRPS %.4f is not below the champion's %.4f (%s)", challenger, champion, c.entry.Version)
	}
	why := "there is no champion"
	if c.unreadable != nil {
		why = fmt.Sprintf("the champion cannot be used (%v)", c.unreadable)
	}
	best := slices.MinFunc(t.results[1:], func(a, b backtest.Result) int { return cmp.Compare(crps(a), crps(b)) })
	rival := fmt.Sprintf("the best baseline's %.4f (%s)", crps(best), best.Forecaster)
	if best.Forecaster == priorName {
		rival = fmt.Sprintf("the prior's %.4f", crps(best))
	}
	if challenger < crps(best) {
		return true, fmt.Sprintf("promoted: %s, and CRPS %.4f is below %s", why, challenger, rival)
	}
	return false, fmt.Sprintf("not promoted: %s, but CRPS %.4f is not below %s", why, challenger, rival)
}

// scores are the figures of all, for the manifest; what could not be measured
// is left out.
func (t *contest) scores() []registry.Score {
	var scores []registry.Score
	for _, r := range append(slices.Clone(t.results), t.champion) {
		if r.Forecaster == "" {
			continue
		}
		for i, b := range accuracy.Buckets() {
			h := r.Overall.Horizons[i]
			s := registry.Score{Forecaster: r.Forecaster, From: b.First, To: b.Last, MASE: float64(h.MASERatio), CRPS: float64(h.CRPSRatio)}
			for _, c := range h.Coverage {
				if c.Level == forecast.Levels()[accuracy.PeakLevel] {
					s.Coverage = float64(c.Share)
				}
			}
			if !math.IsNaN(s.MASE + s.CRPS + s.Coverage) {
				scores = append(scores, s)
			}
		}
	}
	return scores
}

// crps is what is decided by; NaN where nothing was measured.
func crps(r backtest.Result) float64 {
	return float64(r.Overall.Horizons[accuracy.All].CRPSRatio)
}
