package scaler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run makes a step at once and then at every full interval of the clock, until
// ctx ends; it then saves what is kept and returns nil. A source that fails or
// is slow, a forecast that takes long, and a disk that does, delay no snapshot
// beyond Timeout: forecasts are made and calibrations saved beside the steps,
// and each step publishes what there is.
func (l *Loop) Run(ctx context.Context) error {
	var g errgroup.Group
	beside := func(do func(now time.Time)) chan time.Time {
		due := make(chan time.Time, 1)
		g.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case now := <-due:
					do(now)
				}
			}
		})
		return due
	}
	forecasts, saves := beside(func(now time.Time) { l.forecast(ctx, now) }), beside(l.keep)
	g.Go(func() error {
		now, onlyNew := l.o.Now(), false
		for {
			_ = l.observe(ctx, now, onlyNew) // it has logged what failed
			for _, due := range []chan time.Time{forecasts, saves} {
				select {
				case due <- now:
				default: // it is busy, and asked again next time
				}
			}
			next := l.o.Now().Truncate(l.o.Interval).Add(l.o.Interval)
			timer := time.NewTimer(next.Sub(l.o.Now()))
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-timer.C:
				now, onlyNew = next, false
			case <-l.wake:
				timer.Stop()
				now, onlyNew = l.o.Now(), true
			}
		}
	})
	err := g.Wait()
	l.save(l.o.Now())
	return err
}

// Step does at now what Run does at each interval, one thing after the other:
// read, publish, forecast what a new minute asks for, publish again, save if it
// is time to. The error is what the sources failed with; a snapshot is
// published all the same.
func (l *Loop) Step(ctx context.Context, now time.Time) error {
	err := l.observe(ctx, now, false)
	l.forecast(ctx, now)
	l.keep(now)
	return err
}
