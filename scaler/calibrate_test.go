package scaler

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
)

// restless is a load with noise around mean, the same for the same instant.
func restless(mean float64) func(time.Time) float64 {
	return func(at time.Time) float64 {
		r := rand.New(rand.NewPCG(uint64(at.Unix()), uint64(mean)))
		return max(mean*(1+0.1*r.NormFloat64()), 0)
	}
}

// A network that says ten times what comes loses its say, and what is given out
// covers what comes: from the past alone, soon after the start.
func TestCalibrationIsLearnedFromThePast(t *testing.T) {
	s := newStore(map[string]float64{"cart": 0})
	s.rate[shop("cart")] = restless(40)
	reg := prometheus.NewPedanticRegistry()
	r := newRig(t, s, func(o *Options) { tenfold(o); o.Calibrate = true; o.Registerer = reg })
	_ = r.at(t, 0)
	w := state(t, r.Snapshot(), "cart")
	if f := w.Decisions[0].Forecast; f == nil || strings.Contains(f.By, "calibrated") || w.Calibration != nil {
		t.Errorf("at first the forecast is %v with the calibration %v, want the network's own", f, w.Calibration)
	}
	r.steps(t, 0, 2*time.Minute)
	w = state(t, r.Snapshot(), "cart")
	d, c := w.Decisions[0], w.Calibration
	if d.Rung != plan.RungNetwork || d.Model != "v1" || !strings.HasSuffix(d.Forecast.By, ", calibrated") || c == nil {
		t.Fatalf("two minutes later: rung %s, model %q, by %q, calibration %v", d.Rung, d.Model, d.Forecast.By, c)
	}
	if m := d.Forecast.Steps[4][forecast.Median]; math.Abs(m-40) > 8 {
		t.Errorf("the median is %g, want about 40", m)
	}
	if w := c.Buckets[0].Weights[0]; c.Experts[0] != "network" || w > 0.01 {
		t.Errorf("the network has the weight %g, want less than 0.01", w)
	}
	if share := c.Coverage(5); math.Abs(share-0.95) > 0.04 {
		t.Errorf("0.95 covers %.3f", share)
	}
	for name, want := range map[string]int{
		"foretide_forecast_coverage_ratio":      forecast.NumLevels,
		"foretide_forecast_pinball_loss":        calibrate.NumBuckets,
		"foretide_forecast_expert_weight_ratio": calibrate.NumBuckets * len(c.Experts),
	} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != want {
			t.Errorf("%s: %d series, %v; want %d", name, n, err, want)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	// A reader of an older snapshot keeps what it has.
	before := c.Buckets[0].Verified
	r.steps(t, 2*time.Minute, 30*time.Minute)
	now := state(t, r.Snapshot(), "cart").Calibration
	if c.Buckets[0].Verified != before || now.Buckets[0].Verified == before {
		t.Errorf("verified %g, then %g; an older report has %g", before, now.Buckets[0].Verified, c.Buckets[0].Verified)
	}
}

// Without a network the simple experts forecast, and for a workload that
// nothing can be learned of yet the baseline does.
func TestCalibrationWithoutANetwork(t *testing.T) {
	s := newStore(map[string]float64{"cart": 0, "new": 0})
	s.rate[shop("cart")] = restless(40)
	s.rate[shop("new")] = func(at time.Time) float64 {
		if at.Before(noon.Add(-20 * time.Minute)) {
			return math.NaN()
		}
		return 5
	}
	r := newRig(t, s, func(o *Options) { o.Calibrate = true })
	r.steps(t, -15*time.Second, 2*time.Minute)
	for name, calibrated := range map[string]bool{"cart": true, "new": false} {
		w := state(t, r.Snapshot(), name)
		d := w.Decisions[0]
		if d.Rung != plan.RungBaseline || d.Forecast == nil || strings.Contains(d.Forecast.By, "calibrated") != calibrated || (w.Calibration != nil) != calibrated {
			t.Errorf("%s: rung %s, forecast %v, calibration %v; want a baseline's, calibrated %v", name, d.Rung, d.Forecast, w.Calibration, calibrated)
		}
	}
}

// counting counts the histories that it is asked for.
type counting struct {
	forecast.Forecaster
	asked *atomic.Int64
}

func (c counting) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	c.asked.Add(int64(len(batch)))
	return c.Forecaster.Forecast(batch)
}

// What is learned from the past is bounded at each step, and has an end.
func TestCalibrationTakesItsTime(t *testing.T) {
	const workloads = 20
	load := map[string]float64{}
	for i := range workloads {
		load["w"+string(rune('a'+i))] = float64(i + 1)
	}
	var asked atomic.Int64
	s := newStore(load)
	r := newRig(t, s, func(o *Options) {
		o.Calibrate = true
		o.Model = func() Model {
			return Model{Forecaster: counting{cheap{}, &asked}, Status: ModelStatus{Version: "v1"}}
		}
	})
	for after := time.Duration(0); after < 2*time.Minute; after += 15 * time.Second {
		before := asked.Load()
		_ = r.at(t, after)
		if n := asked.Load() - before; n > relearnAtOnce+workloads {
			t.Errorf("%d forecasts at %v, want at most %d", n, after, relearnAtOnce+workloads)
		}
	}
	before := asked.Load()
	if all := int64(workloads * (relearnSpan / relearnEvery)); before < all {
		t.Errorf("%d forecasts of the past, want %d", before, all)
	}
	_ = r.at(t, 2*time.Minute)
	if n := asked.Load() - before; n != workloads {
		t.Errorf("%d forecasts in a later minute, want %d", n, workloads)
	}
	for _, w := range r.Snapshot().Workloads {
		if w.Calibration == nil {
			t.Errorf("%s is not calibrated", w.Workload)
		}
	}
}

// cheap says the last rate, at every level.
type cheap struct{}

func (cheap) Name() string { return "cheap" }

func (cheap) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out := make([]forecast.Forecast, len(batch))
	for i, h := range batch {
		v, _, _ := h.Last()
		f := forecast.Forecast{Workload: h.Workload, Origin: h.Origin(), By: "cheap", Steps: make([]forecast.Quantiles, forecast.Horizon)}
		for k := range f.Steps {
			f.Steps[k] = forecast.Quantiles{v, v, v, v, v, v, v}
		}
		f.Peaks = f.Steps
		out[i] = f
	}
	return out, nil
}
