package scaler

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
)

// answer is what one trigger is answered with: a decision, or a gRPC error.
type answer struct {
	decision *plan.Decision
	err      error
	// target is the target per pod in effect.
	target float64
	// asked is when KEDA last asked, as in registration.
	asked *atomic.Int64
}

// register makes the loop know a trigger from its first request on, and
// publishes the answer to it: at once where its workload is known already, else
// the reason why it is not. The error is a gRPC one: more triggers than can be,
// or a source that cannot be.
func (l *Loop) register(t Trigger, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.triggers, func(r *registration) bool { return r.Trigger == t }) {
		return nil // another request was first
	}
	if len(l.triggers) >= maxTriggers {
		return status.Errorf(codes.ResourceExhausted, "there are %d triggers already, which is the most", maxTriggers)
	}
	spec := l.load(t)
	f, ok := l.feeds[spec]
	if !ok {
		if len(l.feeds) >= maxFeeds {
			return status.Errorf(codes.ResourceExhausted, "there are %d sources already, which is the most; use a preset in place of a query", maxFeeds)
		}
		source, err := l.o.Open(spec)
		if err != nil {
			return status.Errorf(codes.InvalidArgument, "open %s: %v", spec, err)
		}
		f = newFeed(spec, source)
		l.feeds[spec] = f
	}
	r := &registration{Trigger: t, metric: t.MetricName()}
	r.asked.Store(now.UnixNano())
	l.triggers = append(l.triggers, r)
	f.track(t.Workload)
	if f.until.IsZero() {
		select {
		case l.wake <- struct{}{}:
		default: // it is awake already
		}
	}
	if !l.at.IsZero() {
		l.publish()
	}
	return nil
}

// publish decides for every trigger and workload as of the last step and puts
// a new snapshot in the place of the old one. The caller holds mu.
func (l *Loop) publish() {
	base := l.feeds[LoadSpec{}]
	m := l.o.Model()
	s := &Snapshot{
		At:           l.at,
		Model:        m.Status,
		Source:       SourceStatus{Answered: base.answered, Since: base.since, Filled: base.filled(l.at), LeftOut: base.leftOut},
		Calibrations: l.calibrations,
		answers:      make(map[Trigger]*answer, len(l.triggers)),
		next:         make(chan struct{}),
	}
	if l.keeper != nil {
		s.Calibrations.Saved = l.keeper.saved
	}
	if base.err != nil {
		s.Source.Err = base.err.Error()
	}
	triggers := map[*track][]*registration{}
	named := map[forecast.Workload]bool{}
	for _, r := range l.triggers {
		t := l.feeds[l.load(r.Trigger)].tracks[r.Workload]
		triggers[t] = append(triggers[t], r)
		named[r.Workload] = true
	}
	for _, f := range l.feeds {
		for _, t := range f.tracks {
			if len(triggers[t]) == 0 && named[t.workload] {
				continue // its trigger reads its load from elsewhere
			}
			s.Workloads = append(s.Workloads, l.state(s, f, t, triggers[t]))
		}
	}
	slices.SortStableFunc(s.Workloads, func(a, b *WorkloadState) int {
		return cmp.Or(a.Workload.Compare(b.Workload), -cmp.Compare(a.History.Len(), b.History.Len()))
	})
	if old := l.snap.Swap(s); old != nil {
		close(old.next)
	} else {
		close(l.begun)
	}
}

// state decides for one workload.
func (l *Loop) state(s *Snapshot, f *feed, t *track, triggers []*registration) *WorkloadState {
	w := &WorkloadState{Workload: t.workload, History: t.view(), Calibration: t.calibration.report}
	for _, r := range triggers {
		a := &answer{target: l.o.TargetPerPod(r.Trigger), asked: &r.asked}
		s.answers[r.Trigger] = a
		policy := r.Policy
		policy.TargetPerPod = a.target
		d, err := plan.Decide(l.at, t.workload, policy, t.observed, t.outlook)
		if err != nil {
			a.err = l.refuse(f, t, err)
			w.Err = status.Convert(a.err).Message()
			continue
		}
		a.decision = &d
		w.Decisions = append(w.Decisions, TriggerDecision{ScaledObject: r.ScaledObject, Metric: r.metric, Decision: d})
	}
	if len(triggers) == 0 {
		d, err := plan.Decide(l.at, t.workload, replica.Defaults(), t.observed, t.outlook)
		if err != nil {
			w.Err = status.Convert(l.refuse(f, t, err)).Message()
		} else {
			w.Decisions = []TriggerDecision{{Decision: d}}
		}
	}
	l.begin(t, w)
	return w
}

// begin moves the forecasts of steps that have begun into the past.
func (l *Loop) begin(t *track, w *WorkloadState) {
	for len(t.ahead) > 0 && !t.ahead[0].At.After(l.at) {
		p := t.ahead[0]
		if len(w.Decisions) > 0 {
			p.Replicas = w.Decisions[0].Replicas
		}
		t.ahead, t.past = t.ahead[1:], append(t.past, p)
	}
	t.past = t.past[max(0, len(t.past)-PastSteps):]
	w.Past = slices.Clip(t.past)
}

// refuse turns a decision that could not be made into what KEDA is told. An
// error makes the HPA hold, a zero would scale in.
func (l *Loop) refuse(f *feed, t *track, err error) error {
	_, _, seen := t.series.Last()
	switch {
	case seen || known(t.observed.Rate):
		return status.Error(codes.Unavailable, err.Error())
	case f.err != nil:
		return status.Errorf(codes.Unavailable, "history of %s is being read, and the metrics store fails: %v", t.workload, f.err)
	case !f.filled(l.at):
		return status.Errorf(codes.Unavailable, "history of %s is being read; ask again in some seconds", t.workload)
	}
	names := []string{}
	for w := range maps.Keys(f.tracks) {
		if w != t.workload && w.Namespace == t.workload.Namespace {
			names = append(names, w.Name)
		}
	}
	slices.Sort(names)
	return status.Errorf(codes.NotFound, "the metrics store has no load of %s by %s; in namespace %q: %s",
		t.workload, f.spec, t.workload.Namespace, suggest(t.workload.Name, names[:min(len(names), 20)]))
}
