package prom

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foretide/foretide/forecast"
)

const (
	// fallbackWindow suits scrapes every 30 seconds, and is taken where the
	// store does not tell how often it scrapes.
	fallbackWindow = 2 * time.Minute
	// maxWindow bounds what is found: a mean over more than that says little
	// about now.
	maxWindow = 10 * time.Minute
	// windowAge is for how long a window that was found is used.
	windowAge = 10 * time.Minute
	// windowUnit is what a window is rounded up to, and windowSlack the part of
	// it that is forgiven, as scrapes are never exactly on time.
	windowUnit  = 15 * time.Second
	windowSlack = 2 * time.Second

	// intervalQuery is the median distance of a target's scrapes: the time that
	// its last ten minutes of scrapes span, by their number.
	intervalQuery = `quantile(0.5, (max_over_time(timestamp(up)[10m:15s]) - min_over_time(timestamp(up)[10m:15s])) / count_over_time(up[10m]))`
)

// expand puts the window into a query.
func (c *Client) expand(ctx context.Context, query string, at time.Time) (string, error) {
	if !strings.Contains(query, WindowPlaceholder) {
		return query, nil
	}
	w, err := c.windowAt(ctx, at)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(query, WindowPlaceholder, model.Duration(w).String()), nil
}

// windowAt is the window that was configured, or the one that suits the scrape
// interval around at.
func (c *Client) windowAt(ctx context.Context, at time.Time) (time.Duration, error) {
	if c.fixed != 0 {
		return c.fixed, nil
	}
	c.mu.Lock()
	w, age := c.window, at.Sub(c.asOf).Abs()
	c.mu.Unlock()
	if w != 0 && age < windowAge {
		return w, nil
	}
	v, warnings, _, err := c.api.Query(ctx, intervalQuery, at)
	if err != nil {
		return 0, fmt.Errorf("find scrape interval: %w", explain(err))
	}
	c.warn(intervalQuery, warnings)
	w = fallbackWindow
	if vec, ok := v.(model.Vector); ok && len(vec) == 1 {
		w = windowFor(float64(vec[0].Value))
	}
	c.mu.Lock()
	c.window, c.asOf = w, at
	c.mu.Unlock()
	return w, nil
}

// windowFor is the window for a scrape interval in seconds: four of them, so
// that a lost scrape or two leave a rate.
func windowFor(interval float64) time.Duration {
	if !(interval > 0) || math.IsInf(interval, 0) {
		return fallbackWindow
	}
	w := time.Duration(math.Min(4*interval, maxWindow.Seconds()) * float64(time.Second))
	w = (w - windowSlack + windowUnit - 1).Truncate(windowUnit)
	return min(max(w, forecast.Step), maxWindow)
}
