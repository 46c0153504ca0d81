package scaler

import (
	"context"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
)

// What was learned of a workload can be saved, see keep.go, and need not be: the
// metrics store holds what it was learned from. Where nothing usable is saved,
// forecasts of the last day are made again and verified, some at each step and
// beside it, and until a workload's are done its forecasts are given out as the
// forecaster made them.
const (
	// networkExpert is what a calibration calls the network, whatever its
	// version: as a new champion goes on with what was learned of the one before,
	// so does one that finds it saved.
	networkExpert = "network"
	// relearnSpan is how much of the past is forecast again, and relearnEvery
	// how often: what a calibration remembers, as densely as it remembers it.
	relearnSpan  = 24 * time.Hour
	relearnEvery = 5 * forecast.Step
	// relearnAtOnce is how many forecasts of the past a step makes at most: less
	// than a second of one core, so that a thousand workloads take some twenty
	// minutes.
	relearnAtOnce = 4096
)

// calibration is what is learned of a track's forecasts. The mutex forecasting
// guards it, but for report.
type calibration struct {
	online *calibrate.Online
	// next is the origin to be forecast again next, zero before the first.
	next time.Time
	// live tells that the past is done, and restored that it did not have to be.
	live, restored bool
	// report is of the newest forecast, nil before; the loop's mutex guards it.
	report *calibrate.Report
}

// calibrated is an outlook with its forecast weighed and corrected, and the
// report of it.
func (c *calibration) calibrated(h forecast.History, o plan.Outlook) (plan.Outlook, *calibrate.Report) {
	if !c.live {
		return o, nil
	}
	o, ok := o.Calibrated(h, c.online)
	if !ok {
		return o, nil
	}
	report := c.online.Calibrator().Report()
	return o, &report
}

// relearn makes forecasts of the past again, for the tracks whose history is
// there and whose calibration is not live.
func (l *Loop) relearn(ctx context.Context, planner plan.Planner) {
	type pupil struct {
		*track
		history forecast.History
	}
	var pupils []pupil
	l.mu.Lock()
	for _, f := range l.feeds {
		if !f.filled(l.at) {
			continue
		}
		for _, t := range f.tracks {
			if !t.calibration.live && t.series.Known() > 0 {
				pupils = append(pupils, pupil{t, forecast.History{Workload: t.workload, Series: t.view()}})
			}
		}
	}
	l.mu.Unlock()
	// Those that are under way first, so that one after the other is done.
	slices.SortFunc(pupils, func(a, b pupil) int {
		if begun := b.calibration.next.Compare(a.calibration.next); begun != 0 {
			return begun
		}
		return a.workload.Compare(b.workload)
	})
	planner.Baseline = nil // it takes no part in a calibration
	left := relearnAtOnce
	for _, p := range pupils {
		if left <= 0 || ctx.Err() != nil {
			return
		}
		left -= p.calibration.relearn(planner, p.history, min(left, plan.Batch))
	}
}

// relearn makes at most so many forecasts of h again and says how many it
// asked for.
func (c *calibration) relearn(planner plan.Planner, h forecast.History, most int) int {
	end := h.Origin()
	if c.next.IsZero() {
		c.online = calibrate.NewOnline(networkExpert)
		c.next = later(h.Start, end.Add(-relearnSpan))
	}
	var past []forecast.History
	for ; len(past) < most && !c.next.After(end.Add(-relearnEvery)); c.next = c.next.Add(relearnEvery) {
		if s := h.Through(c.next); s.Known() > 0 {
			past = append(past, forecast.History{Workload: h.Workload, Series: s})
		}
	}
	c.live = c.next.After(end.Add(-relearnEvery))
	asked := planner.Forecast(past)
	for i, o := range asked {
		var network forecast.Forecast
		if o.Forecast != nil {
			network = *o.Forecast
		}
		// Where nobody could say anything there is nothing to learn from.
		_, _ = c.online.Forecast(past[i], network)
	}
	return len(past) + 1
}

// tally counts where the calibrations are from. The caller holds forecasting.
func (l *Loop) tally() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s CalibrationStatus
	for _, f := range l.feeds {
		for _, t := range f.tracks {
			switch c := &t.calibration; {
			case c.restored:
				s.Restored++
			case c.live:
				s.Relearned++
			default:
				if _, _, known := t.series.Last(); known {
					s.Relearning++
				}
			}
		}
	}
	l.calibrations = s
}
