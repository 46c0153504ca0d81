// Package training refits the network on recorded histories, holds it against
// the baselines and the champion on time that it was not fitted to, and
// promotes it if it is better.
//
// It decides by the weighted quantile loss (CRPS) over all horizons, by its
// ratio to one-day seasonal naive, as the geometric mean over the workloads. A
// challenger takes over from a champion that it beats. The first one has to
// beat the prior and every baseline, for without a champion they serve. A model
// that is not promoted is kept all the same, and can be promoted by hand.
//
// The held-back time also says when the fit stops, so the scores flatter the
// challenger a little; how it does on time that nobody has seen is what
// package backtest is for.
package training

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/registry"
)

// Options say what to train on, for how long, and where the result goes.
type Options struct {
	// Histories are what is learnt from. One of them must have [Enough] known
	// minutes.
	Histories []forecast.History
	// Mask finds the spans of a history that are not to be learnt from, such as
	// [mask.Find] or [mask.Labels]; nil for none. What is found is left out of
	// the fit, and what serving would have met is scored all the same.
	Mask func(forecast.History) []mask.Span
	// Registry is where the version is kept and the champion found.
	Registry *registry.Registry
	// Seed of everything that is drawn.
	Seed uint64
	// Budget bounds the whole of [Run] on a machine that is not slower than
	// planned for: 10 minutes if 0. A tenth of it is for scoring.
	Budget time.Duration
	// HeldBack is the share of each history, at its end, that is scored and
	// not fitted, from 0.02 to 0.5: a tenth if 0. Making it larger without
	// newer histories is unfair to the challenger, as the champion has been
	// fitted to a part of it.
	HeldBack float64
	// From is what the fit starts from, [FromPrior] if empty.
	From From
	// Prior is the network that serves while there is no champion; it may be
	// zero. Every challenger is held against it, and the first has to beat it.
	Prior Prior
	// Binary is the version of the program, for the manifest.
	Binary string
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// OnMask is told what was masked, before the fit; OnFit how the fit goes on,
	// and OnScore which forecaster is scored
	// next, the done-th of total from 0 on. Each may be nil; they are called
	// one at a time, from the goroutine that called Run.
	OnMask  func([]Masked)
	OnFit   func(lstm.Progress)
	OnScore func(forecaster string, done, total int)
}

// Report tells what came of it.
type Report struct {
	// Version is the manifest of the new version, with all scores.
	Version registry.Manifest `json:"version"`
	// Champion is the version it was held against, empty if there was none.
	Champion string `json:"champion,omitempty"`
	// Promoted tells whether Version is the champion now, and Reason why or
	// why not.
	Promoted bool   `json:"promoted"`
	Reason   string `json:"reason"`
	// Masked are the spans that nothing was learnt from, in the order of the
	// histories and of time.
	Masked []Masked `json:"masked,omitempty"`
	// Unscored are the workloads that no figure was made of, and why.
	Unscored []Unscored `json:"unscored,omitempty"`
}

// Unscored is a workload that says nothing about forecasts.
type Unscored struct {
	Workload string `json:"workload"`
	Why      string `json:"why"`
}

// Enough is how many known minutes at least one workload needs: two days, one
// to learn from and another one to be measured by.
const Enough = 2 * 24 * 60

// ErrTooLittle says that no history has [Enough] known minutes.
var ErrTooLittle = errors.New("too little history")

// attempts is how often a challenger is held against a new champion that came
// up while it was held against the one before.
const attempts = 3

// Run trains one model and keeps it. Where ctx ends before that is written,
// nothing is, and at any time the champion stays as it was or is a whole new
// one. The error then wraps ctx's.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Budget == 0 {
		o.Budget = 10 * time.Minute
	}
	if o.HeldBack == 0 {
		o.HeldBack = 0.1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := check(o.Histories); err != nil {
		return Report{}, err
	}
	// The champion comes first: a store that does not answer shows now and not
	// in ten minutes.
	champion, err := load(ctx, o.Registry)
	if err != nil {
		return Report{}, err
	}
	lessons, err := prepare(ctx, o.Histories, o.Mask)
	if err != nil {
		return Report{}, fmt.Errorf("mask histories: %w", err)
	}
	if o.OnMask != nil {
		o.OnMask(lessons.masked)
	}
	fit := lstm.FitOptions{
		Seed: o.Seed, Budget: o.Budget - o.Budget/10, HeldBack: o.HeldBack, Clock: o.Now, OnProgress: o.OnFit, Truth: lessons.truth,
	}
	manifest := registry.Manifest{Binary: o.Binary, Data: dataOf(o.Histories, o.HeldBack)}
	manifest.Data.Masked = summary(lessons.masked)
	fit.Start, manifest.Parent = o.start(champion)
	begin := o.Now()
	model, fitted, err := lstm.Fit(ctx, lessons.seen, fit)
	if err != nil {
		return Report{}, err
	}
	manifest.Training = registry.Training{
		Seed: o.Seed, Steps: fitted.Steps, Epochs: fitted.Epochs, Windows: fitted.Windows, Loss: fitted.Loss, Validation: fitted.Validation,
		Stopped: fitted.Stopped, Reproducible: fitted.Reproducible, Seconds: o.Now().Sub(begin).Seconds(),
	}
	contest := newContest(o.Histories, o.HeldBack, o.Budget/10)
	if err := contest.open(ctx, model, o.Prior.Model, champion, o.OnScore); err != nil {
		return Report{}, err
	}
	manifest.Scores = contest.scores()
	var weights bytes.Buffer
	if err := model.Encode(&weights); err != nil {
		return Report{}, err
	}
	manifest.Created = o.Now()
	if manifest, err = o.Registry.Put(ctx, manifest, weights.Bytes()); err != nil {
		return Report{}, err
	}
	report := Report{Version: manifest, Masked: lessons.masked, Unscored: contest.unscored, Reason: "the version is kept, but promoting it failed"}
	for attempt := 1; ; attempt++ {
		report.Champion = champion.entry.Version
		promote, reason := contest.decide(champion)
		if !promote {
			report.Reason = reason
			return report, nil
		}
		_, err := o.Registry.Promote(ctx, registry.Promotion{Seq: champion.entry.Seq + 1, Version: manifest.ID, Reason: reason, At: o.Now()})
		if err == nil {
			report.Promoted, report.Reason = true, reason
			return report, nil
		}
		if attempt == attempts || !errors.Is(err, registry.ErrConflict) {
			return report, err
		}
		// Somebody promoted another one meanwhile, which is now the one to beat.
		if champion, err = load(ctx, o.Registry); err != nil {
			return report, err
		}
		if err := contest.face(ctx, champion); err != nil {
			return report, err
		}
	}
}

// check tells whether histories are enough to train on.
func check(histories []forecast.History) error {
	var best forecast.History
	most := -1
	for _, h := range histories {
		if n := h.Known(); n > most {
			best, most = h, n
		}
	}
	switch {
	case most < 0:
		return fmt.Errorf("%w: no workload at all, want one with %d known minutes (two days) or more", ErrTooLittle, Enough)
	case most < Enough:
		return fmt.Errorf("%w: of %d workloads %q has the most known minutes, %d; want %d (two days) or more in one of them",
			ErrTooLittle, len(histories), best.Workload, most, Enough)
	}
	return nil
}

func dataOf(histories []forecast.History, heldBack float64) registry.Data {
	d := registry.Data{Workloads: len(histories), HeldBack: heldBack}
	for _, h := range histories {
		d.KnownMinutes += h.Known()
		if h.Len() == 0 {
			continue
		}
		if d.From.IsZero() || h.Start.Before(d.From) {
			d.From = h.Start.UTC()
		}
		if h.End().After(d.To) {
			d.To = h.End().UTC()
		}
	}
	return d
}

// holder is who holds the title: the champion's log entry, and its model where
// it can be read.
type holder struct {
	entry registry.Promotion
	model *lstm.Model
	// unreadable says why there is an entry and no model.
	unreadable error
}

// load finds the champion. None, or one that nobody could use, is no error;
// a store that does not answer is, and so is a champion that only a newer
// program can judge.
func load(ctx context.Context, r *registry.Registry) (holder, error) {
	entry, err := r.Champion(ctx)
	c := holder{entry: entry}
	if err == nil {
		var weights []byte
		if _, weights, err = r.Get(ctx, entry.Version); err == nil {
			c.model, err = lstm.Decode(bytes.NewReader(weights))
		}
	}
	switch {
	case err == nil, errors.Is(err, registry.ErrNoChampion):
		return c, nil
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrCorrupt), errors.Is(err, lstm.ErrCorrupt), errors.Is(err, lstm.ErrFormat):
		c.unreadable = err
		return c, nil
	}
	return holder{}, fmt.Errorf("load champion: %w", err)
}
