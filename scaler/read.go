package scaler

import (
	"context"
	"fmt"
	"time"

	"github.com/foretide/foretide/forecast"
)

// reading is what a source said in one step.
type reading struct {
	rates map[forecast.Workload]float64
	pages []page
	// size is the size of page to ask for next.
	size time.Duration
	// answered tells whether rates were given; err is what failed first, and
	// paused that time was up before all was read.
	answered, paused bool
	err              error
}

// page is the history of the steps stamped in [from, to).
type page struct {
	from, to  time.Time
	histories []forecast.History
}

// read asks the source for all that the feed lacks at now, for as long as ctx
// allows: the rates of now, then the steps since the last one held, then,
// newest first, the pages of the past. It changes nothing.
func (f *feed) read(ctx context.Context, now time.Time) reading {
	r := reading{size: f.page}
	r.rates, r.err = f.source.Rates(ctx, now)
	if r.err != nil {
		r.err = fmt.Errorf("read rates from %s: %w", f.spec, r.err)
		return r
	}
	r.answered = true
	complete, oldest := now.Truncate(forecast.Step), horizonOf(now)
	since, until := f.since, f.until
	if until.Before(oldest) { // the first step, or one after a very long outage
		since, until = complete, complete
	}
	if until.Add(forecast.Step).Equal(complete) && now.Equal(complete) {
		// The rate measured at a full minute is that of the step that ends.
		r.pages = append(r.pages, page{until, complete, single(r.rates, until)})
		until = complete
	}
	for until.Before(complete) && r.err == nil && !r.paused {
		to := earlier(until.Add(r.size), complete)
		f.readPage(ctx, &r, until, to)
		until = to
	}
	for since.After(oldest) && r.err == nil && !r.paused {
		from := later(since.Add(-r.size), oldest)
		f.readPage(ctx, &r, from, since)
		since = from
	}
	return r
}

// readPage reads one page.
func (f *feed) readPage(ctx context.Context, r *reading, from, to time.Time) {
	histories, err := f.source.History(ctx, from, to)
	switch {
	case err == nil:
		r.pages = append(r.pages, page{from, to, histories})
	case ctx.Err() != nil && len(r.pages) > 0:
		// The step's time is up after pages that did come: no fault of the
		// store, and the next step goes on from here.
		r.paused = true
	default:
		if ctx.Err() != nil {
			r.size = max(r.size/2, smallestPage)
		}
		r.err = fmt.Errorf("read history from %s, %s to %s: %w", f.spec, from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
}

// single makes a history of one step of each rate.
func single(rates map[forecast.Workload]float64, at time.Time) []forecast.History {
	out := make([]forecast.History, 0, len(rates))
	for w, v := range rates {
		out = append(out, forecast.History{Workload: w, Series: forecast.Series{Start: at, Values: []float64{v}}})
	}
	return out
}
