package inspect_test

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
)

// source is a snapshot that a test can swap.
type source struct {
	atomic.Pointer[scaler.Snapshot]
}

func (s *source) Snapshot() *scaler.Snapshot { return s.Load() }

func sourceOf(snap *scaler.Snapshot) *source {
	s := &source{}
	s.Store(snap)
	return s
}

var noon = time.Date(2026, 3, 10, 12, 7, 30, 0, time.UTC)

// service is one workload of the made-up mesh.
type service struct {
	namespace, name string
	mean            float64 // requests per second over a day
	perPod          float64
	mode            replica.Mode
	rung            plan.Rung
	silent          int // minutes without data at the end
	seed            uint64
}

func shop() []service {
	return []service{
		{namespace: "shop", name: "frontend", mean: 840, perPod: 50, seed: 1},
		{namespace: "shop", name: "checkout", mean: 96, perPod: 12, seed: 2},
		{namespace: "shop", name: "cart", mean: 310, perPod: 40, seed: 3},
		{namespace: "shop", name: "catalog", mean: 1240, perPod: 120, seed: 4},
		{namespace: "shop", name: "payments", mean: 41, perPod: 8, mode: replica.ForecastOnly, seed: 5},
		{namespace: "shop", name: "recommendations", mean: 520, perPod: 25, rung: plan.RungBaseline, seed: 6},
		{namespace: "shop", name: "search", mean: 260, perPod: 30, silent: 18, seed: 7},
		{namespace: "mesh/eu", name: "gateway", mean: 25300, perPod: 900, seed: 8},
		{namespace: "batch", name: "thumbnails", mean: 0.4, perPod: 0.5, rung: plan.RungObserved, seed: 9},
		{namespace: "batch", name: "exports", mean: 3.2, perPod: 0, seed: 10},
		{namespace: "batch", name: "mailer", silent: 1000, perPod: 5, seed: 11},
	}
}

// load is what the service gets at an instant, without noise: a day's rhythm
// with a lunch peak.
func (s service) load(t time.Time) float64 {
	h := t.Sub(t.Truncate(24 * time.Hour)).Hours()
	return s.mean * (1 + 0.5*math.Sin((h-9)/24*2*math.Pi) + 0.55*math.Exp(-(h-12.6)*(h-12.6)/0.5))
}

func (s service) quantiles(t time.Time, spread float64) forecast.Quantiles {
	var q forecast.Quantiles
	for i, z := range []float64{-1.28, -0.67, 0, 0.67, 1.28, 1.64, 2.6} {
		q[i] = math.Max(0, s.load(t)*(1+z*spread))
	}
	return q
}

// state is the service as the loop would publish it at now. The decision is
// made by plan, the forecast by knowing the formula.
func (s service) state(now time.Time) *scaler.WorkloadState {
	random := rand.New(rand.NewPCG(s.seed, 0))
	end := now.Truncate(forecast.Step)
	w := &scaler.WorkloadState{Workload: forecast.Workload{Namespace: s.namespace, Name: s.name}}
	const minutes = 26 * 60
	w.History = forecast.Series{Start: end.Add(-minutes * forecast.Step)}
	for i := range minutes {
		v := s.load(w.History.Time(i)) * (1 + 0.05*random.NormFloat64())
		if i >= minutes-s.silent || i >= minutes-75 && i < minutes-71 {
			v = math.NaN()
		}
		w.History.Values = append(w.History.Values, v)
	}
	rate, at, ok := w.History.Last()
	outlook := plan.Outlook{Rung: plan.RungNetwork, Model: "20260309-141502-7f3a"}
	observed := plan.Observation{Rate: rate}
	if !ok || s.silent > forecast.Horizon {
		outlook = plan.Outlook{Rung: plan.RungObserved, Why: "its load was not observed for 60 min"}
	}
	if ok {
		observed.At = at.Add(forecast.Step)
	}
	if outlook.Rung == plan.RungNetwork {
		w.Calibration = calibrated()
		f := &forecast.Forecast{Workload: w.Workload, Origin: end.Add(-forecast.Step), By: "lstm"}
		for h := 1; h <= forecast.Horizon; h++ {
			f.Steps = append(f.Steps, s.quantiles(f.Time(h), 0.05+0.0014*float64(h)))
		}
		f.Peaks = forecast.RunningPeaks(f.Steps)
		outlook.Forecast = f
		switch s.rung {
		case plan.RungBaseline:
			f.By = "seasonal-naive-day"
			outlook.Rung, outlook.Model, outlook.Why = s.rung, "", "history too short: 8 known minutes, the model wants 10"
		case plan.RungObserved:
			outlook = plan.Outlook{Rung: s.rung, Why: "model failed: lstm: panic: odd shape; baseline failed: there is none"}
		}
	}
	policy := replica.Defaults()
	policy.TargetPerPod = s.perPod
	if s.mode != "" {
		policy.Mode = s.mode
	}
	d, err := plan.Decide(now, w.Workload, policy, observed, outlook)
	if err != nil {
		w.Err = err.Error()
		return w
	}
	t := scaler.TriggerDecision{Decision: d}
	if s.perPod > 0 {
		t.ScaledObject = forecast.Workload{Namespace: s.namespace, Name: s.name + "-scaler"}
	}
	w.Decisions = append(w.Decisions, t)
	for i := -scaler.PastSteps + scaler.PastLead; i < scaler.PastLead; i++ {
		at := end.Add(time.Duration(i) * forecast.Step)
		p := scaler.Past{At: at, Quantiles: s.quantiles(at, 0.055)}
		if s.perPod > 0 {
			p.Replicas = int(math.Ceil(s.quantiles(at.Add(5*forecast.Step), 0.055).At(0.95) / s.perPod))
		}
		w.Past = append(w.Past, p)
	}
	return w
}

// calibrated is a report as a good day leaves it, with a quantile that is off
// and a bucket that nothing was verified of.
func calibrated() *calibrate.Report {
	r := &calibrate.Report{Experts: []string{"network", "last-value", "seasonal-naive-day", "seasonal-naive-week"}}
	for i, b := range calibrate.Buckets() {
		to := &r.Buckets[i]
		*to = calibrate.BucketReport{
			Bucket: b.Name, Verified: 864.4, Mixed: 2.5, Given: 2.25,
			Weights:  []float64{0.75 - 0.0625*float64(i), 0.125, 0.0625, 0.0625 + 0.0625*float64(i)},
			Losses:   []float64{2.5, 3.5, 5, 4},
			Coverage: [forecast.NumLevels]float64{0.104, 0.251, 0.5, 0.748, 0.897, 0.953, 0.988},
			Pinball:  [forecast.NumLevels]float64{1.5, 3, 4, 3, 2, 1.25, 0.5},
		}
		to.Corrections[5] = 0.25
	}
	r.Buckets[2].Coverage[5] = 0.874
	last := &r.Buckets[calibrate.NumBuckets-1]
	last.Verified, last.Mixed, last.Given = 0, math.NaN(), math.NaN()
	for j := range last.Coverage {
		last.Coverage[j], last.Pinball[j] = math.NaN(), math.NaN()
	}
	return r
}

func snapshotOf(now time.Time, services []service) *scaler.Snapshot {
	snap := &scaler.Snapshot{
		At:     now,
		Model:  scaler.ModelStatus{Version: "20260309-141502-7f3a", Loaded: now.Add(-20 * time.Hour), Trained: now.Add(-22 * time.Hour)},
		Source: scaler.SourceStatus{Answered: now.Add(-4 * time.Second)},
	}
	for _, s := range services {
		snap.Workloads = append(snap.Workloads, s.state(now))
	}
	return snap
}

// score is what a replay's ledger may look like.
func score() []inspect.LedgerRow {
	row := func(name string, minutes, short int, hours float64, reactiveShort int, reactiveHours float64) inspect.LedgerRow {
		return inspect.LedgerRow{Workload: forecast.Workload{Namespace: "shop", Name: name}, Minutes: minutes,
			ShortMinutes: short, PodHours: hours, ReactiveShortMinutes: reactiveShort, ReactivePodHours: reactiveHours}
	}
	return []inspect.LedgerRow{
		row("frontend", 727, 6, 214.4, 61, 221.9),
		row("checkout", 727, 11, 118.25, 48, 116.5),
		row("catalog", 727, 3, 160.1, 39, 171.75),
	}
}

func config(t *testing.T, snap *scaler.Snapshot) inspect.Config {
	t.Helper()
	return inspect.Config{Source: sourceOf(snap), Clock: func() time.Time { return noon.Add(20 * time.Second) }, Version: "v0.1.0"}
}
