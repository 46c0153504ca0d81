package replica

import (
	"math"
	"slices"
	"time"
)

// How the HPA behaves unless it is told otherwise (Kubernetes, Horizontal Pod
// Autoscaling, "Algorithm details").
const (
	// Tolerance is the share by which the metric may be off its target without
	// anything happening.
	Tolerance = 0.1
	// Stabilisation is how long the HPA keeps the most that it was asked for
	// before it removes a pod.
	Stabilisation = 5 * time.Minute
)

// Pods is what is known of a workload's pods when it is decided on. The zero
// value knows nothing: then a target is a rate, and the HPA makes of it what
// it does.
type Pods struct {
	// Now is how many the HPA counts, those that start included; 0 where that
	// is not known.
	Now int
	// Held is how many of them the HPA keeps until a pod that is asked for with
	// the next answer would serve, whatever this answer is. See [Asked.Held].
	Held int
}

// hair is by how much less than whole pods is asked for, so that rounding on the
// way neither makes one pod more of it nor decides what lies on the edge of the
// tolerance.
const hair = 1e-6

// still tells whether the HPA takes being asked for so many pods for no change.
func (p Pods) still(ask int) bool {
	return p.Now > 0 && math.Abs(float64(ask)*(1-hair)/float64(p.Now)-1) <= Tolerance
}

// reach is what to ask for to have at least need pods: the HPA does not move for
// a step within its tolerance, so a step up is made larger than that.
func (p Pods) reach(need int) int {
	if need > p.Now {
		for p.still(need) {
			need++
		}
	}
	return need
}

// Asked remembers how many pods a workload's HPA was asked for lately, as the
// HPA does. The zero value has asked for nothing. It is not safe for concurrent
// use.
type Asked struct {
	// most are the answers that may still be the most of a window: ever fewer
	// pods, oldest first.
	most []ask
}

type ask struct {
	at   time.Time
	pods int
}

// Note takes in that the HPA is asked at now for so many pods, while there are
// others. Instants ascend.
func (a *Asked) Note(now time.Time, pods int, there Pods) {
	if there.still(pods) {
		pods = there.Now
	}
	for len(a.most) > 0 && now.Sub(a.most[0].at) > Stabilisation {
		a.most = a.most[1:]
	}
	for n := len(a.most); n > 0 && a.most[n-1].pods <= pods; n-- {
		a.most = a.most[:n-1]
	}
	a.most = append(a.most, ask{now, pods})
}

// Held is how many pods what was asked for before now keeps until a pod that is
// asked for one step later serves, lead after that. It is 0 where lead is too
// long for the HPA to hold anything.
func (a *Asked) Held(now time.Time, step, lead time.Duration) int {
	since := now.Add(step + lead - Stabilisation)
	i := slices.IndexFunc(a.most, func(x ask) bool { return !x.at.Before(since) })
	if i < 0 {
		return 0
	}
	return a.most[i].pods
}
