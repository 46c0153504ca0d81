package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
)

// stepper is the loop as the player drives it.
type stepper interface {
	Step(ctx context.Context, now time.Time) error
	Snapshot() *scaler.Snapshot
}

// fastClock is the simulated present, which the server and the page go by.
type fastClock struct{ nanos atomic.Int64 }

func (c *fastClock) now() time.Time  { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *fastClock) set(t time.Time) { c.nanos.Store(t.UnixNano()) }

// player plays a shop's days: what KEDA and the HPA would do with Foretide's
// answers, and beside it what they would do with a reactive trigger's.
type player struct {
	mesh     *synthetic.Mesh
	services []demoService
	loop     stepper
	keda     pb.ExternalScalerClient
	clock    *fastClock
	out      io.Writer // what happens, for people

	refs    []*pb.ScaledObjectRef
	metrics []string
	answers int
	errors  int
	made    []forecast.Forecast // some of them, for the score

	mu             sync.Mutex // guards what the page reads while it is played
	ours, reactive []*fleet
}

const (
	// scoreEvery is the distance of the forecasts that are scored, in minutes:
	// a number that meets every minute of the hour in turn.
	scoreEvery = 37
	// scoreMost is how many are kept: about a week's for a dozen services.
	scoreMost = 7 * 40 * 12
	// tellEvery is how often a line says how it goes.
	tellEvery = 2 * time.Hour
)

// prepare lets the loop read its history and registers each service with the
// gRPC server, as KEDA does for a ScaledObject that is new.
func (p *player) prepare(ctx context.Context, from time.Time) error {
	p.clock.set(from)
	if err := p.loop.Step(ctx, from.Add(-synthetic.Tick)); err != nil {
		return fmt.Errorf("read the shop's records: %w", err)
	}
	load := readTraffic(p.mesh, p.services, from, from.Add(synthetic.Tick))
	for i, s := range p.services {
		ref := &pb.ScaledObjectRef{Name: s.Name, Namespace: s.Namespace, ScalerMetadata: map[string]string{
			"workload":     s.Name,
			"targetPerPod": strconv.FormatFloat(s.perPod*demoUtilisation, 'g', 4, 64),
			"leadTime":     demoLead,
		}}
		spec, err := p.keda.GetMetricSpec(ctx, ref)
		if err != nil {
			return fmt.Errorf("ask for the metric of %s: %w", s.Workload, err)
		}
		if n := len(spec.GetMetricSpecs()); n != 1 {
			return fmt.Errorf("ask for the metric of %s: %d metrics, want 1", s.Workload, n)
		}
		metric := spec.GetMetricSpecs()[0]
		p.refs, p.metrics = append(p.refs, ref), append(p.metrics, metric.GetMetricName())
		ours, err := newFleet(s, metric.GetTargetSizeFloat(), load.load(i, 0))
		if err != nil {
			return err
		}
		reactive, err := newFleet(s, metric.GetTargetSizeFloat(), load.load(i, 0))
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.ours, p.reactive = append(p.ours, ours), append(p.reactive, reactive)
		p.mu.Unlock()
	}
	return p.loop.Step(ctx, from.Add(-synthetic.Tick))
}

// play plays [from, to), one tick each pace of real time or as fast as it can
// be done, until ctx ends. It gives the instant that it came to.
//
// In each tick first KEDA asks, and so is answered from what was measured a
// tick ago, which is as late as the reactive scaler's metric is.
func (p *player) play(ctx context.Context, from, to time.Time, pace time.Duration) (time.Time, error) {
	events := p.mesh.Events(from, to)
	day := readTraffic(p.mesh, p.services, from, to)
	begin := time.Now()
	for k := range day.ticks() {
		now := day.at(k)
		// Late ticks are not waited for, so that a hiccup is made up for.
		if !sleep(ctx, time.Until(begin.Add(time.Duration(k)*pace))) {
			return now, nil
		}
		for len(events) > 0 && !events[0].At.After(now) {
			fmt.Fprintf(p.out, "   %s  %s\n", events[0].At.Format("15:04"), events[0].What)
			events = events[1:]
		}
		p.clock.set(now)
		// A tick that has begun is finished, so that both ways are played alike.
		if err := p.tick(context.WithoutCancel(ctx), day, k); err != nil {
			return now, err
		}
		if end := day.at(k + 1); end.Truncate(tellEvery).Equal(end) {
			p.tell(end, day, k)
		}
	}
	return to, nil
}

// sleep waits for d, or not at all if that is past. It is false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err() == nil
}

// tick is one look of each HPA at its metric, and one step of the loop.
func (p *player) tick(ctx context.Context, day traffic, k int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	now := day.at(k)
	answers := make([]float64, len(p.services))
	for i := range p.services {
		answers[i] = p.ask(ctx, i)
	}
	p.mu.Lock()
	for i := range p.services {
		p.ours[i].tick(now, answers[i], day.load(i, k))
		p.reactive[i].tick(now, day.reactive(i, k), day.load(i, k))
	}
	p.mu.Unlock()
	if err := p.loop.Step(ctx, now); err != nil {
		return fmt.Errorf("step at %s: %w", now.Format(time.TimeOnly), err)
	}
	if now.Truncate(forecast.Step).Equal(now) {
		p.keep(p.loop.Snapshot())
	}
	return nil
}

// ask asks the gRPC server for service i's metric as KEDA would: the metric,
// then whether it is active. An answer that KEDA would not take is NaN.
func (p *player) ask(ctx context.Context, i int) float64 {
	p.answers++
	r, err := p.keda.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: p.refs[i], MetricName: p.metrics[i]})
	if err == nil {
		_, err = p.keda.IsActive(ctx, p.refs[i])
	}
	if err != nil || len(r.GetMetricValues()) != 1 {
		p.errors++
		return math.NaN()
	}
	v := r.GetMetricValues()[0]
	if v.GetMetricValueFloat() > 0 {
		return v.GetMetricValueFloat()
	}
	return float64(v.GetMetricValue())
}

// keep remembers a snapshot's forecasts now and then, to score them by what
// comes.
func (p *player) keep(s *scaler.Snapshot) {
	for _, w := range s.Workloads {
		for _, d := range w.Decisions[:min(1, len(w.Decisions))] {
			f := d.Forecast
			if f != nil && int(f.Origin.Unix()/60)%scoreEvery == 0 {
				p.made = append(p.made, *f)
			}
		}
	}
	p.made = p.made[max(0, len(p.made)-scoreMost):]
}

// tell says how it goes after tick k.
func (p *player) tell(end time.Time, day traffic, k int) {
	var load float64
	for i := range p.services {
		load += day.load(i, k)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var ours, reactive demoCosts
	var pods, reactivePods int
	for i := range p.services {
		ours.ShortMinutes += p.ours[i].ledger.Short
		reactive.ShortMinutes += p.reactive[i].ledger.Short
		pods += p.ours[i].hpa.Pods()
		reactivePods += p.reactive[i].hpa.Pods()
	}
	fmt.Fprintf(p.out, "   %s  %5.0f requests/s   pods %3d, reactive %3d   short minutes so far %3d, reactive %3d\n",
		end.Format("15:04"), load, pods, reactivePods, ours.ShortMinutes, reactive.ShortMinutes)
}

// score is the ledger so far, for the page.
func (p *player) score() []inspect.LedgerRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := make([]inspect.LedgerRow, len(p.ours))
	for i := range rows {
		ours, reactive := p.ours[i].ledger, p.reactive[i].ledger
		rows[i] = inspect.LedgerRow{
			Workload: p.services[i].Workload, Minutes: ours.Minutes,
			ShortMinutes: ours.Short, PodHours: ours.PodHours,
			ReactiveShortMinutes: reactive.Short, ReactivePodHours: reactive.PodHours,
		}
	}
	return rows
}

// summary is what was played, from the first instant to the one it came to.
func (p *player) summary(from, to time.Time, model string) (demoSummary, error) {
	s := demoSummary{From: from, To: to, Model: model, Answers: p.answers, Errors: p.errors, Total: demoRow{Service: "total"}}
	scores := scoreForecasts(p.made, p.mesh.History(p.mesh.Opening(), to), from)
	var ratios, shares []float64
	for i, service := range p.services {
		row := demoRow{
			Service: service.Name, Minutes: p.ours[i].ledger.Minutes,
			Ours: p.ours[i].costs(), Reactive: p.reactive[i].costs(),
			Error: scores[i].MASERatio, Coverage: scores[i].Coverage[1].Share,
		}
		s.Services = append(s.Services, row)
		s.Total.add(row)
		ratios, shares = append(ratios, float64(row.Error)), append(shares, float64(row.Coverage))
	}
	s.Total.Error = accuracy.Figure(accuracy.GeoMean(ratios))
	s.Total.Coverage = accuracy.Figure(accuracy.Mean(shares))
	if to.Sub(from) >= time.Hour {
		var err error
		if s.AsDear, err = equalPrice(readTraffic(p.mesh, p.services, from, to), p.services, s.Total.Ours.PodHours); err != nil {
			return s, err
		}
	}
	s.Verdict = s.verdict()
	return s, nil
}

// scoreForecasts holds forecasts against what was recorded, and that against
// the seasonal naive forecast, over all horizons: a score a history, in their
// order. What was recorded before played is what seasonal naive learns from.
func scoreForecasts(made []forecast.Forecast, records []forecast.History, played time.Time) []accuracy.HorizonScore {
	scores := make([]accuracy.HorizonScore, len(records))
	for i, h := range records {
		reference := accuracy.NewReference(h.Series, played.Add(-forecast.Step))
		var ours, naive accuracy.Tally
		for _, f := range made {
			if f.Workload == h.Workload {
				actual := h.Between(f.Time(1), f.Time(forecast.Horizon+1)).Values
				ours.Add(actual, f.Steps, f.Peaks)
				naive.Add(actual, reference.Steps(f.Origin), nil)
			}
		}
		scores[i] = accuracy.Compare(&ours, &naive, reference.Scale()).Horizons[accuracy.All]
	}
	return scores
}
