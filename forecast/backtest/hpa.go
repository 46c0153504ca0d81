package backtest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast/replica"
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
	// Up and Down are how quickly pods may come and go: what the most permissive
	// rule allows, as quickly as asked for without one. In DefaultScaling four
	// pods or as many as there are in 15 s, and all of them in 15 s.
	Up, Down []Rule
	// Polling is how long KEDA answers with a metric that it has fetched, if the
	// trigger has useCachedMetrics; 0 fetches it for each sync.
	Polling time.Duration
}

// Rule lets so many pods, or percent of them, come or go in a period.
type Rule struct {
	Pods    int
	Percent float64
	Period  time.Duration
}

// change is by how many of so many pods the rule allows.
func (r Rule) change(pods int) float64 {
	return max(float64(r.Pods), float64(pods)*r.Percent/100)
}

// DefaultScaling has the defaults of Kubernetes, and bounds and a start-up time
// to begin with. It has no Target.
func DefaultScaling() Scaling {
	return Scaling{
		Min: 1, Max: 100, Startup: 2 * time.Minute, Tolerance: replica.Tolerance, Stabilisation: replica.Stabilisation,
		Up:   []Rule{{Pods: 4, Period: SyncPeriod}, {Percent: 100, Period: SyncPeriod}},
		Down: []Rule{{Percent: 100, Period: SyncPeriod}},
	}
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
	bad(s.Polling < 0, "polling", s.Polling, "0s or more")
	for _, r := range slices.Concat(s.Up, s.Down) {
		bad(r.Pods < 0 || !(r.Percent >= 0) || r.Period <= 0, "rule", r, "pods and percent of 0 or more, and a period above 0s")
	}
	return errors.Join(errs...)
}

// HPA plays the HorizontalPodAutoscaler of Kubernetes on one external metric:
// up at once and down to the highest recommendation of the stabilisation
// window, neither quicker than the rules allow. It is not safe for concurrent
// use.
type HPA struct {
	scaling Scaling
	pods    int
	// fetched is when the metric was, if it is kept, and value what it was.
	fetched time.Time
	value   float64
	// changes are those of the longest period of a rule.
	changes []change
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

// change is by how many pods there became more, or fewer below 0.
type change struct {
	at   time.Time
	pods int
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
	if value = h.fetch(now, value); math.IsNaN(value) {
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
	before := h.pods
	switch {
	case want > h.pods:
		if most := h.most(now); most > h.pods {
			h.grow(now, min(want, most))
		}
	case want < h.pods:
		if least := h.least(now); least < h.pods {
			h.shrink(max(want, least))
		}
	}
	if h.pods != before {
		h.changes = append(h.changes, change{now, h.pods - before})
	}
	return h.pods
}

// fetch gives the metric as KEDA has it at now.
func (h *HPA) fetch(now time.Time, value float64) float64 {
	if h.fetched.IsZero() || now.Sub(h.fetched) >= h.scaling.Polling {
		h.fetched, h.value = now, value
	}
	return h.value
}

// most is how many pods the rules for more allow at now.
func (h *HPA) most(now time.Time) int {
	most := -1
	for _, r := range h.scaling.Up {
		begun := h.begun(now, r.Period)
		most = max(most, int(math.Ceil(float64(begun)+r.change(begun)-1e-9)))
	}
	if most < 0 {
		return h.scaling.Max
	}
	return most
}

// least is how few pods the rules for fewer allow at now.
func (h *HPA) least(now time.Time) int {
	least := math.MaxInt
	for _, r := range h.scaling.Down {
		begun := h.begun(now, r.Period)
		least = min(least, int(float64(begun)-r.change(begun)+1e-9))
	}
	if least == math.MaxInt {
		return h.scaling.Min
	}
	return least
}

// begun is how many pods there were when the period that ends at now began.
func (h *HPA) begun(now time.Time, period time.Duration) int {
	pods := h.pods
	for _, c := range h.changes {
		if now.Sub(c.at) < period {
			pods -= c.pods
		}
	}
	return pods
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

// start lets those pods serve whose time has come, and forgets changes that no
// rule asks for.
func (h *HPA) start(now time.Time) {
	var longest time.Duration
	for _, rules := range [][]Rule{h.scaling.Up, h.scaling.Down} {
		for _, r := range rules {
			longest = max(longest, r.Period)
		}
	}
	for len(h.changes) > 0 && now.Sub(h.changes[0].at) >= longest {
		h.changes = h.changes[1:]
	}
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
