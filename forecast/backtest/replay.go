package backtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
)

// Replayer replays windows with one way to decide.
type Replayer struct {
	// Planner makes the forecasts.
	Planner plan.Planner
	// Calibrate weighs and corrects them as a live loop does, from [LeadIn]
	// before the window on.
	Calibrate bool
	// Policy is how each workload is decided on; its TargetPerPod is what a pod
	// of the window carries.
	Policy replica.Policy
	// Scaling is how each workload's HPA is set; its Target is not looked at.
	Scaling Scaling
	// Calls is how many windows are replayed at once, 2 if 0.
	Calls int
	// OnMinute, if set, is told of each minute that was decided on. It is called
	// concurrently.
	OnMinute func()
}

// Answer is what KEDA would have been answered with from an instant on.
type Answer struct {
	At time.Time
	// Value is the metric and Target its target per pod, in requests per
	// second.
	Value, Target float64
}

// Course is what came of a way to scale over a window.
type Course struct {
	Ledger
	// Pods and Ready are how many there were and how many served at the last
	// tick of each minute, warm-up included.
	Pods, Ready []int
}

// Replayed is what came of a window's decisions.
type Replayed struct {
	Course
	// Answers is one a minute. One that could not be made is left out: KEDA then
	// gets an error, and the HPA holds.
	Answers []Answer
}

// learnEvery is the distance of the forecasts that only serve to calibrate, the
// least that a calibration remembers apart.
const learnEvery = 5 * forecast.Step

// Replay decides once a minute on each window, as a loop would have done then:
// from the minutes that had ended, and from the pods that the decisions before
// had led to. The results are in the order of windows. It ends early with ctx's
// error or that of a window or setting which cannot be.
func (r Replayer) Replay(ctx context.Context, windows []Window) ([]Replayed, error) {
	out := make([]Replayed, len(windows))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(r.Calls, 1))
	if r.Calls == 0 {
		group.SetLimit(2)
	}
	for i, w := range windows {
		group.Go(func() error {
			var err error
			if out[i], err = r.window(ctx, w); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
			return nil
		})
	}
	return out, group.Wait()
}

// window replays one.
func (r Replayer) window(ctx context.Context, w Window) (Replayed, error) {
	g, err := w.begin(r.Scaling, w.PerPod)
	if err != nil {
		return Replayed{}, err
	}
	policy := r.Policy
	policy.TargetPerPod = w.PerPod
	if err := policy.Check(); err != nil {
		return Replayed{}, fmt.Errorf("window of %s: %w", w.History.Workload, err)
	}
	h := w.History
	var online *calibrate.Online
	if r.Calibrate {
		online = calibrate.NewOnline("network")
	}
	var asked replica.Asked
	var answers []Answer
	for origins := range slices.Chunk(r.origins(w), plan.Batch) {
		known := make([]forecast.History, len(origins))
		for i, o := range origins {
			known[i] = forecast.History{Workload: h.Workload, Series: h.Through(o)}
		}
		for i, outlook := range r.Planner.Forecast(known) {
			if ctx.Err() != nil {
				return Replayed{}, ctx.Err()
			}
			if online != nil {
				outlook, _ = outlook.Calibrated(known[i], online)
			}
			now := origins[i].Add(forecast.Step)
			if now.Before(w.From) {
				continue
			}
			obs := plan.Observation{Pods: replica.Pods{Now: g.hpa.Pods(), Held: asked.Held(now, forecast.Step, policy.LeadTime)}}
			var ok bool
			if obs.Rate, obs.At, ok = known[i].Last(); ok {
				obs.At = obs.At.Add(forecast.Step)
			}
			value := math.NaN()
			if d, err := plan.Decide(now, h.Workload, policy, obs, outlook); err == nil {
				value = d.Value
				asked.Note(now, d.Replicas, obs.Pods)
				answers = append(answers, Answer{now, d.Value, policy.TargetPerPod})
			}
			g.minute(now, func(time.Time) float64 { return value })
			if r.OnMinute != nil {
				r.OnMinute()
			}
		}
	}
	return Replayed{g.course, answers}, nil
}

// origins are those of a window's decisions, and before them those that are
// learned from.
func (r Replayer) origins(w Window) []time.Time {
	h := w.History
	first := h.Index(w.From) - 1
	var out []time.Time
	if r.Calibrate {
		step := int(learnEvery / forecast.Step)
		for i := first - int(LeadIn/learnEvery)*step; i < first; i += step {
			if i >= 0 && h.Through(h.Time(i)).Known() > 0 {
				out = append(out, h.Time(i))
			}
		}
	}
	for i := first; h.Time(i + 1).Before(w.To); i++ {
		out = append(out, h.Time(i))
	}
	return out
}

// game is a window played against an HPA.
type game struct {
	load   forecast.Series
	hpa    *HPA
	from   time.Time // when counting begins
	course Course
}

// utilisationAtFirst is how busy the pods are that a game begins with.
const utilisationAtFirst = 0.6

// begin begins a game with what the first minute needs.
func (w Window) begin(s Scaling, target float64) (*game, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	s.Target = target
	load := w.Load()
	hpa, err := NewHPA(s, int(math.Ceil(min(load.Values[0]/(utilisationAtFirst*w.PerPod), 1e9))))
	if err != nil {
		return nil, fmt.Errorf("window of %s: %w", w.History.Workload, err)
	}
	return &game{load: load, hpa: hpa, from: w.From.Add(WarmUp), course: Course{Ledger: Ledger{PerPod: w.PerPod}}}, nil
}

// Load is what is offered in the window: where it is not known, the last known rate before.
func (w Window) Load() forecast.Series {
	h := w.History
	window := h.Between(w.From, w.To)
	values := slices.Clone(window.Values)
	last, _, ok := h.Through(w.From).Last()
	if !ok {
		last = 0
	}
	for i, v := range values {
		if math.IsNaN(v) {
			values[i] = last
		}
		last = values[i]
	}
	return forecast.Series{Start: window.Start, Values: values}
}

// minute plays the minute from now on, with the metric that each sync gets.
func (g *game) minute(now time.Time, metric func(time.Time) float64) {
	for end := now.Add(forecast.Step); now.Before(end); now = now.Add(SyncPeriod) {
		pods := g.hpa.Sync(now, metric(now))
		g.count(now, pods, g.hpa.Ready(now))
	}
	g.course.Pods = append(g.course.Pods, g.hpa.Pods())
	g.course.Ready = append(g.course.Ready, g.hpa.Ready(now.Add(-SyncPeriod)))
}

func (g *game) count(now time.Time, pods, ready int) {
	if !now.Before(g.from) {
		g.course.Tick(now, g.load.At(now), pods, ready)
	}
}
