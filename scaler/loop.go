package scaler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
)

// Bounds of what strangers can make the loop do: the name in a request is only
// a claim, so a caller can invent triggers.
const (
	maxTriggers = 10_000
	maxFeeds    = 500
	// forgetTrigger is how long a trigger is kept that KEDA no longer asks for.
	forgetTrigger = time.Hour
	// parallelFeeds is how many sources are asked at a time.
	parallelFeeds = 16
)

// Loop reads load, forecasts, decides and publishes snapshots. Its methods may
// be called concurrently.
type Loop struct {
	o       Options
	metrics *loopMetrics
	snap    atomic.Pointer[Snapshot]
	begun   chan struct{} // closed when the first snapshot is there
	wake    chan struct{} // there is a feed that was never read

	observing, forecasting sync.Mutex // one of each at a time
	keeper                 *keeper    // nil if calibrations are not kept

	// mu guards what follows. It is never held while somebody else is asked:
	// not a source, not a forecaster.
	mu       sync.Mutex
	at       time.Time
	feeds    map[LoadSpec]*feed
	triggers []*registration // in the order first seen
	// calibrations is as of the last forecast, but for Saved.
	calibrations CalibrationStatus
}

// registration is a trigger that KEDA asks for.
type registration struct {
	Trigger
	metric string // its name
	// asked is the Unix time in nanoseconds at which it last did.
	asked atomic.Int64
}

// NewLoop makes a loop that has not read anything yet. The error is an
// interval that cannot be, a default source that cannot be opened, a state
// directory that cannot be written to, or metrics that are registered already.
func NewLoop(o Options) (*Loop, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	source, err := o.Open(LoadSpec{})
	if err != nil {
		return nil, fmt.Errorf("open the default source: %w", err)
	}
	l := &Loop{o: o, begun: make(chan struct{}), wake: make(chan struct{}, 1), feeds: map[LoadSpec]*feed{{}: newFeed(LoadSpec{}, source)}}
	if o.Calibrate && o.State != "" {
		if l.keeper, err = newKeeper(o.State, o.MaxWorkloads+maxTriggers, o); err != nil {
			return nil, err
		}
	}
	l.metrics, err = newLoopMetrics(l, o.Registerer)
	return l, err
}

// Snapshot is the newest one, nil before the first step.
func (l *Loop) Snapshot() *Snapshot { return l.snap.Load() }

// observe reads all feeds, or only those that were never read, and publishes.
func (l *Loop) observe(ctx context.Context, now time.Time, onlyNew bool) error {
	l.observing.Lock()
	defer l.observing.Unlock()
	defer l.metrics.time("observe")()
	ctx, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()

	l.mu.Lock()
	l.forget(now)
	var feeds []*feed
	for _, f := range l.feeds {
		if !onlyNew || f.until.IsZero() {
			feeds = append(feeds, f)
		}
	}
	// Who is asked last may find the time used up. That must never be the
	// source of most, and those that failed before may wait.
	slices.SortFunc(feeds, func(a, b *feed) int { return cmp.Compare(a.turn(), b.turn()) })
	l.mu.Unlock()

	readings := make([]reading, len(feeds))
	var g errgroup.Group
	g.SetLimit(parallelFeeds)
	for i, f := range feeds {
		g.Go(func() error {
			readings[i] = f.read(ctx, now)
			return nil
		})
	}
	_ = g.Wait() // each reading has its own error

	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for i, f := range feeds {
		l.report(f.spec, f.err, readings[i].err)
		f.apply(readings[i], now, func(w forecast.Workload) bool { return l.admits(f, w) })
		if f.err != nil {
			errs = append(errs, f.err)
			l.metrics.errors.WithLabelValues("read").Inc()
		}
	}
	l.at = now
	l.publish()
	return errors.Join(errs...)
}

// load is where a trigger's load is read from.
func (l *Loop) load(t Trigger) LoadSpec {
	if t.Load.Preset == l.o.Preset && t.Load.Query == "" {
		return LoadSpec{}
	}
	return t.Load
}

// report logs what a source fails with, when it begins and when it ends.
func (l *Loop) report(spec LoadSpec, before, now error) {
	switch {
	case now != nil && before == nil:
		l.o.Log.Warn("metrics store fails; serving from memory", "source", spec.String(), "err", now)
	case now == nil && before != nil:
		l.o.Log.Info("metrics store answers again", "source", spec.String())
	}
}

// admits tells whether a workload that was seen for the first time is looked
// at: all of the default source as far as the bound allows, of others only
// those that a trigger names, which have their track already.
func (l *Loop) admits(f *feed, w forecast.Workload) bool {
	return f.spec == LoadSpec{} && len(f.tracks) < l.o.MaxWorkloads
}

// forget lets go of triggers that nobody asks for, of feeds and of workloads
// that nobody names and nothing is known of.
func (l *Loop) forget(now time.Time) {
	l.triggers = slices.DeleteFunc(l.triggers, func(r *registration) bool {
		return now.Sub(time.Unix(0, r.asked.Load())) > forgetTrigger
	})
	named := map[LoadSpec]map[forecast.Workload]bool{{}: {}}
	for _, r := range l.triggers {
		spec := l.load(r.Trigger)
		if named[spec] == nil {
			named[spec] = map[forecast.Workload]bool{}
		}
		named[spec][r.Workload] = true
	}
	for spec, f := range l.feeds {
		if named[spec] == nil {
			delete(l.feeds, spec)
			continue
		}
		for w, t := range f.tracks {
			if _, _, known := t.series.Last(); !known && !named[spec][w] {
				delete(f.tracks, w)
			}
		}
	}
}

// forecast forecasts every workload that has got a new step, in batches, and
// publishes.
func (l *Loop) forecast(ctx context.Context, now time.Time) {
	l.forecasting.Lock()
	defer l.forecasting.Unlock()
	if l.o.Calibrate {
		l.restore()
		defer l.tally()
	}

	l.mu.Lock()
	var tracks []*track
	var histories []forecast.History
	for _, f := range l.feeds {
		// A feed that lags behind is being read; its forecast would be old.
		if !f.until.Equal(now.Truncate(forecast.Step)) {
			continue
		}
		for _, t := range f.tracks {
			if origin := t.series.Origin(); t.series.Len() > 0 && origin.After(t.tried) {
				tracks = append(tracks, t)
				histories = append(histories, forecast.History{Workload: t.workload, Series: t.view()})
			}
		}
	}
	l.mu.Unlock()
	m := l.o.Model()
	planner := plan.Planner{Network: m.Forecaster, Prior: m.Status.Prior, NoNetwork: m.Status.Err, Version: m.Status.Version, Baseline: l.o.Baseline}
	if l.o.Calibrate {
		// After the forecasts that are waited for.
		defer l.relearn(ctx, planner)
	}
	if len(tracks) == 0 {
		return
	}
	defer l.metrics.time("forecast")()
	for len(tracks) > 0 && ctx.Err() == nil {
		n := min(len(tracks), plan.Batch)
		outlooks := planner.Forecast(histories[:n])
		reports := make([]*calibrate.Report, n)
		for i, t := range tracks[:n] {
			outlooks[i], reports[i] = t.calibration.calibrated(histories[i], outlooks[i])
		}
		l.mu.Lock()
		for i, t := range tracks[:n] {
			if reports[i] != nil {
				t.calibration.report = reports[i]
			}
			l.take(t, histories[i].Origin(), outlooks[i])
		}
		l.publish()
		l.mu.Unlock()
		tracks, histories = tracks[n:], histories[n:]
	}
}

// take keeps a new outlook. One without a forecast does not replace one that
// has one: that stays until it no longer covers the lead window.
func (l *Loop) take(t *track, origin time.Time, o plan.Outlook) {
	t.tried = origin
	l.metrics.forecasts.WithLabelValues(string(o.Rung)).Inc()
	if o.Forecast == nil {
		if t.outlook.Forecast == nil {
			t.outlook = o
		}
		return
	}
	t.outlook = o
	t.ahead = append(t.ahead, Past{At: o.Forecast.Time(PastLead), Quantiles: o.Forecast.Steps[PastLead-1]})
}
