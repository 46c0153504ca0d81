package scaler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
)

// Model is a network in use and its state. Forecaster is nil while there is
// none; Status.Err then says why, as it does for a prior.
type Model struct {
	Forecaster forecast.Forecaster
	Status     ModelStatus
}

// ErrNoModel says that the store answers and holds no champion yet.
var ErrNoModel = errors.New("no trained model yet")

// Models is a store of trained models.
type Models interface {
	// Champion is the version that should serve, [ErrNoModel] if none was ever
	// chosen.
	Champion(ctx context.Context) (version string, err error)
	// Load gives that version, ready to forecast, and when it was trained. A
	// version that is missing, damaged or written by a newer program is an
	// error.
	Load(ctx context.Context, version string) (f forecast.Forecaster, trained time.Time, err error)
}

// Watcher keeps the newest champion that can be used at hand. A champion that
// cannot be read or does not forecast leaves the one before serving, and the
// status says so; a store that is gone does too. Until the first one the prior
// serves. Weights are swapped whole.
type Watcher struct {
	models Models
	log    *slog.Logger

	checking sync.Mutex
	current  atomic.Pointer[Model]
}

// Prior is the model of a network that the program brings: version and since
// when it serves, and why no trained one does. It has no forecaster where f
// is nil.
func Prior(f forecast.Forecaster, version string, since time.Time, why string) Model {
	if f == nil {
		return Model{Status: ModelStatus{Err: why}}
	}
	return Model{Forecaster: f, Status: ModelStatus{Version: version, Loaded: since, Prior: true, Err: why}}
}

// NewWatcher makes a watcher that has no model but the prior before its first
// Check. log may be nil.
func NewWatcher(models Models, prior Model, log *slog.Logger) *Watcher {
	w := &Watcher{models: models, log: cmp.Or(log, slog.New(slog.DiscardHandler))}
	prior.Status.Err = "the model store was not read yet"
	w.current.Store(&prior)
	return w
}

// Model is the one in use. It answers from memory.
func (w *Watcher) Model() Model { return *w.current.Load() }

// Check asks the store once and takes up what is new. The error is the one in
// the status from then on.
func (w *Watcher) Check(ctx context.Context, now time.Time) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	old := w.Model()
	next, err := w.fetch(ctx, now, old)
	next.Status.Err = ""
	if err != nil {
		next.Status.Err = err.Error()
	}
	switch {
	case next.Status.Version != old.Status.Version:
		w.log.Info("model serves", "version", next.Status.Version, "before", old.Status.Version)
	case err != nil && next.Status.Err != old.Status.Err:
		w.log.Warn("newest model does not serve", "serving", old.Status.Version, "err", err)
	}
	w.current.Store(&next)
	return err
}

// fetch gives what should serve: old beside an error.
func (w *Watcher) fetch(ctx context.Context, now time.Time, old Model) (m Model, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = old, fmt.Errorf("load model: panic: %v", r)
		}
	}()
	version, err := w.models.Champion(ctx)
	if errors.Is(err, ErrNoModel) && (old.Forecaster == nil || old.Status.Prior) {
		return old, ErrNoModel
	}
	if err != nil {
		return old, fmt.Errorf("read champion: %w", err)
	}
	if version == old.Status.Version {
		return old, nil
	}
	f, trained, err := w.models.Load(ctx, version)
	if err != nil {
		return old, fmt.Errorf("load model %q: %w", version, err)
	}
	if err := trial(f); err != nil {
		return old, fmt.Errorf("try model %q: %w", version, err)
	}
	return Model{Forecaster: f, Status: ModelStatus{Version: version, Loaded: now, Trained: trained}}, nil
}

// trial asks a model for what it will be asked for: a workload with two days
// of rhythm, a new one, and one that is idle.
func trial(f forecast.Forecaster) error {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	history := func(name string, n int, rate func(i int) float64) forecast.History {
		h := forecast.History{Workload: forecast.Workload{Name: name}, Series: forecast.Series{Start: start}}
		for i := range n {
			h.Values = append(h.Values, rate(i))
		}
		return h
	}
	return plan.Try(f, []forecast.History{
		history("rhythm", 2880, func(i int) float64 { return 100 + 50*math.Sin(float64(i)*2*math.Pi/1440) }),
		history("new", plan.MinKnown, func(int) float64 { return 3 }),
		history("idle", 600, func(int) float64 { return 0 }),
	})
}

// Run checks at once and then every interval, each time for at most that long,
// until ctx ends; it then returns nil. now is the clock.
func (w *Watcher) Run(ctx context.Context, every time.Duration, now func() time.Time) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, every)
		_ = w.Check(once, now()) // the status has it
		cancel()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
