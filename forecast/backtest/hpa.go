package backtest

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Scaling is how a workload is scaled: the settings of its HPA for one external
// metric of type AverageValue, and what its pods are like.
type Scaling struct {
	// Target is the metric's average per pod, above 0.
	Target float64
	// Min and Max bound the pods, from 1 on.
	Min, Max int
	// Startup is how long a pod takes from its creation to its first request.
	Startup time.Duration
	// Tolerance is the share by which the metric may be off the target without
	// anything happening, 0.1 by default.
	Tolerance float64
	// Stabilisation is how long a recommendation holds against a lower one,
	// 300 s by default.
	Stabilisation time.Duration
}

// DefaultScaling has the defaults of Kubernetes, and bounds and a start-up time
// to begin with. It has no Target.
func DefaultScaling() Scaling {
	return Scaling{Min: 1, Max: 100, Startup: 2 * time.Minute, Tolerance: 0.1, Stabilisation: 5 * time.Minute}
}

// SyncPeriod is the time from one look of the HPA at its metric to the next.
const SyncPeriod = 15 * time.Second

// Check names every field that is out of bounds, and the bounds.
func (s Scaling) Check() error {
	var errs []error
	bad := func(is bool, field string, value any, want string) {
		if is {
			errs = append(errs, fmt.Errorf("%s %v: want %s", field, value, want))
		}
	}
	bad(!(s.Target > 0) || math.IsInf(s.Target, 0), "target", s.Target, "the metric one pod carries, above 0")
	bad(s.Min < 1, "min", s.Min, "1 or more")
	bad(s.Max < s.Min, "max", s.Max, fmt.Sprintf("at least min, %d", s.Min))
	bad(s.Startup < 0, "startup", s.Startup, "0s or more")
	bad(!(s.Tolerance >= 0) || s.Tolerance >= 1, "tolerance", s.Tolerance, "from 0 to below 1")
	bad(s.Stabilisation < 0, "stabilisation", s.Stabilisation, "0s or more")
	return errors.Join(errs...)
}

// HPA plays the HorizontalPodAutoscaler of Kubernetes on one external metric,
// with its default behaviour: up at once, by four pods or to the double a sync,
// whichever is more; down to the highest recommendation of the stabilisation
// window. It is not safe for concurrent use.
type HPA struct {
	scaling Scaling
	pods    int
	// starting are the pods that do not serve yet, oldest first.
	starting []batch
	// recommended are the recommendations of the window that may still be its
	// highest: ever lower ones, oldest first.
	recommended []recommendation
}

type batch struct {
	ready time.Time
	pods  int
}

type recommendation struct {
	at   time.Time
	pods int
}

// NewHPA starts with pods that serve. The error is that of [Scaling.Check].
func NewHPA(s Scaling, pods int) (*HPA, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("new HPA: %w", err)
	}
	return &HPA{scaling: s, pods: min(max(pods, s.Min), s.Max)}, nil
}

// Sync lets the HPA look at value, the metric's sum over the pods, and gives
// the pods that there are from now on. NaN is a metric that could not be
// fetched: then all stays. The instants of calls must not go back.
func (h *HPA) Sync(now time.Time, value float64) int {
	h.start(now)
	if math.IsNaN(value) {
		return h.pods
	}
	want := h.pods
	if off := value/(h.scaling.Target*float64(h.pods)) - 1; math.Abs(off) > h.scaling.Tolerance {
		// Far beyond Max the number would not fit an int. The little less
		// keeps rounding from asking for one pod too many.
		want = int(math.Ceil(min(value/h.scaling.Target, 1e9) - 1e-9))
	}
	want = h.stabilise(now, want)
	want = min(max(want, h.scaling.Min), h.scaling.Max)
	switch {
	case want > h.pods:
		h.grow(now, min(want, max(h.pods+4, 2*h.pods)))
	case want < h.pods:
		h.shrink(want)
	}
	return h.pods
}

// Pods is how many pods there are, ready or not: what is paid for.
func (h *HPA) Pods() int { return h.pods }

// Ready is how many pods serve at now, which must not go back.
func (h *HPA) Ready(now time.Time) int {
	h.start(now)
	ready := h.pods
	for _, b := range h.starting {
		ready -= b.pods
	}
	return ready
}

// start lets those pods serve whose time has come.
func (h *HPA) start(now time.Time) {
	for len(h.starting) > 0 && !h.starting[0].ready.After(now) {
		h.starting = h.starting[1:]
	}
}

// stabilise remembers want, and raises one below the pods there are to the
// highest of the window.
func (h *HPA) stabilise(now time.Time, want int) int {
	since := now.Add(-h.scaling.Stabilisation)
	for len(h.recommended) > 0 && h.recommended[0].at.Before(since) {
		h.recommended = h.recommended[1:]
	}
	// What is not above a newer one will never be the highest.
	for n := len(h.recommended); n > 0 && h.recommended[n-1].pods <= want; n-- {
		h.recommended = h.recommended[:n-1]
	}
	h.recommended = append(h.recommended, recommendation{now, want})
	if want < h.pods {
		want = min(h.pods, h.recommended[0].pods)
	}
	return want
}

func (h *HPA) grow(now time.Time, to int) {
	if h.scaling.Startup > 0 {
		h.starting = append(h.starting, batch{now.Add(h.scaling.Startup), to - h.pods})
	}
	h.pods = to
}

// shrink removes the newest pods first.
func (h *HPA) shrink(to int) {
	gone := h.pods - to
	for n := len(h.starting); gone > 0 && n > 0; n-- {
		last := &h.starting[n-1]
		if last.pods > gone {
			last.pods -= gone
			break
		}
		gone -= last.pods
		h.starting = h.starting[:n-1]
	}
	h.pods = to
}
