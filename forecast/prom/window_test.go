package prom

import (
	"math"
	"testing"
	"time"
)

func TestWindowFor(t *testing.T) {
	for interval, want := range map[float64]time.Duration{
		0.1:         time.Minute, // never below a step
		5:           time.Minute,
		15:          time.Minute,
		15.3:        time.Minute, // scrapes are never exactly on time
		20:          90 * time.Second,
		30:          2 * time.Minute,
		60:          4 * time.Minute,
		300:         10 * time.Minute,
		1e300:       10 * time.Minute,
		0:           2 * time.Minute, // one scrape, or none
		math.Inf(1): 2 * time.Minute,
	} {
		if got := windowFor(interval); got != want {
			t.Errorf("scraped every %v s: window %v, want %v", interval, got, want)
		}
	}
	if got := windowFor(math.NaN()); got != fallbackWindow {
		t.Errorf("scraped every NaN s: window %v, want %v", got, fallbackWindow)
	}
}
