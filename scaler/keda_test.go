package scaler

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/replica"
)

// The tests of this file hold the server to what KEDA and the HPA do with its
// answers, through KEDA's own client on a real connection. Each is named after
// the rule that it keeps.

// high forecasts ten times the last known rate for the whole horizon.
type high struct{ forecast.Forecaster }

func (high) Name() string { return "high" }

func (h high) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out, err := h.Forecaster.Forecast(batch)
	for i := range out {
		rate, _, _ := batch[i].Last()
		out[i].By = h.Name()
		for k := range out[i].Steps {
			for j := range out[i].Steps[k] {
				out[i].Steps[k][j] = 10 * rate
			}
		}
		out[i].Peaks = forecast.RunningPeaks(out[i].Steps)
	}
	return out, err
}

func tenfold(o *Options) {
	o.Model = func() Model {
		return Model{Forecaster: high{baseline.LastValue()}, Status: ModelStatus{Version: "v1"}}
	}
}

func TestSpecComesFromMetadataAlone(t *testing.T) {
	s := newStore(nil)
	s.hang = true // nothing behind the server answers, and no step was made
	c, _ := newRig(t, s, nil).dial(t)
	got, err := c.GetMetricSpec(t.Context(), ref("cart", "targetPerPod", "2.5"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.MetricSpecs) != 1 || s.rates != 0 {
		t.Errorf("specs %v after %d calls of the store, want one after none", got.MetricSpecs, s.rates)
	}
}

func TestBothTheFloatAndTheRoundedUpInteger(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 12.3, "idle": 0}), nil)
	c, _ := r.dial(t)
	_ = r.at(t, 0)
	spec, err := c.GetMetricSpec(t.Context(), ref("cart", "targetPerPod", "2.5"))
	if err != nil || spec.MetricSpecs[0].TargetSize != 3 || spec.MetricSpecs[0].TargetSizeFloat != 2.5 {
		t.Errorf("spec %v, %v; want 2.5 and 3", spec, err)
	}
	v, err := metric(t.Context(), c, ref("cart", "mode", "forecast-only"))
	if err != nil || v.MetricValue != 13 || v.MetricValueFloat != 12.3 {
		t.Errorf("value %v, %v; want 12.3 and 13", v, err)
	}
	// An idle workload that is observed is a zero that is known.
	v, err = metric(t.Context(), c, ref("idle", "mode", "forecast-only"))
	if err != nil || v.MetricValue != 0 || v.MetricValueFloat != 0 {
		t.Errorf("value %v, %v; want 0", v, err)
	}
}

// TestValueIsANumber: whatever the store makes up, the answer is finite and not
// negative, or an error.
func TestValueIsANumber(t *testing.T) {
	for _, odd := range []float64{-1, -1e300, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 1e18, 5e-324} {
		s := newStore(map[string]float64{"odd": odd, "turned": 40})
		s.rate[shop("turned")] = func(at time.Time) float64 {
			if at.Before(noon) {
				return 40
			}
			return odd
		}
		r := newRig(t, s, tenfold)
		c, _ := r.dial(t)
		for after := time.Duration(0); after <= 3*time.Minute; after += 15 * time.Second {
			_ = r.at(t, after)
			for _, name := range []string{"odd", "turned"} {
				v, err := metric(t.Context(), c, ref(name))
				if err != nil {
					if name == "turned" {
						t.Errorf("rate %v after a known one: %v", odd, err)
					}
					continue
				}
				if f := v.MetricValueFloat; !(f > 0) || math.IsInf(f, 0) || v.MetricValue < 1 || float64(v.MetricValue) < f {
					t.Errorf("rate %v: value %v", odd, v)
				}
			}
		}
	}
}

// TestInDoubtAnError: never 0 and never inactive, and both fail together.
func TestInDoubtAnError(t *testing.T) {
	s := newStore(map[string]float64{"cart": 40})
	r := newRig(t, s, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	c, _ := r.dial(t)
	f := func(name string, ref *pb.ScaledObjectRef, wantCode codes.Code, wantText string) {
		t.Helper()
		v, err := metric(t.Context(), c, ref)
		if status.Code(err) != wantCode || !strings.Contains(err.Error(), wantText) {
			t.Errorf("%s: metric %v, %v; want %v with %q", name, v, err, wantCode, wantText)
		}
		active, err2 := c.IsActive(t.Context(), ref)
		if status.Code(err2) != wantCode {
			t.Errorf("%s: active %v, %v; want %v", name, active, err2, wantCode)
		}
	}
	f("before the first step", ref("cart"), codes.Unavailable, "history of shop/cart is being read")
	s.set(func(s *store) { s.fail = errors.New("connection refused") })
	_ = r.at(t, 0)
	f("store down from the start", ref("cart"), codes.Unavailable, "connection refused")
	s.set(func(s *store) { s.fail, s.most = nil, time.Hour })
	_ = r.at(t, 15*time.Second)
	f("not there while history is read", ref("nobody"), codes.Unavailable, "history of shop/nobody is being read")
	s.set(func(s *store) { s.most = 0 })
	_ = r.at(t, 30*time.Second)
	f("not there at all", ref("crat"), codes.NotFound, `in namespace "shop": did you mean cart?`)
	f("bad metadata", ref("cart", "quantile", "high", "leadTime", "1h", "mod", "max"), codes.InvalidArgument, "quantile")
	r.clock.Store(noon.Add(4 * time.Minute).UnixNano())
	f("a loop that hangs", ref("cart"), codes.Unavailable, "3m30s old")
	wrong := &pb.GetMetricsRequest{ScaledObjectRef: ref("cart"), MetricName: "s0-other"}
	if _, err := c.GetMetrics(t.Context(), wrong); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a metric that is not the trigger's: %v", err)
	}
	if _, err := c.GetMetrics(t.Context(), &pb.GetMetricsRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an empty request: %v", err)
	}
}

// TestMetricsAndActivityAreEquallyAvailable through an outage that begins after
// ten minutes and goes on until nothing counts any more.
func TestMetricsAndActivityAreEquallyAvailable(t *testing.T) {
	s := newStore(map[string]float64{"cart": 40})
	r := newRig(t, s, tenfold)
	c, _ := r.dial(t)
	_ = r.at(t, 0)
	var answered, refused int
	for after := 15 * time.Second; after <= 90*time.Minute; after += 15 * time.Second {
		if after == 10*time.Minute {
			s.set(func(s *store) { s.fail = errors.New("connection refused") })
		}
		_ = r.at(t, after)
		v, err := metric(t.Context(), c, ref("cart"))
		active, err2 := c.IsActive(t.Context(), ref("cart"))
		if status.Code(err) != status.Code(err2) {
			t.Fatalf("after %v: metric %v, active %v; want both or none", after, err, err2)
		}
		if err != nil {
			refused++
			if status.Code(err) != codes.Unavailable {
				t.Fatalf("after %v: %v, want unavailable", after, err)
			}
			continue
		}
		answered++
		if refused > 0 {
			t.Fatalf("after %v: answered again with the store still down", after)
		}
		if v.MetricValueFloat < 40 || !active.Result {
			t.Fatalf("after %v: %v active %v, below what was observed last", after, v.MetricValueFloat, active.Result)
		}
	}
	// The forecast from 12:08 holds for its hour but for the lead time.
	if held := time.Duration(answered) * 15 * time.Second; held < 60*time.Minute || held > 66*time.Minute || refused == 0 {
		t.Errorf("answered for %v and refused %d times, want about an hour and then errors", held, refused)
	}
}

// TestAnswersComeFromMemory: no call of the server asks the store or the model.
func TestAnswersComeFromMemory(t *testing.T) {
	s := newStore(map[string]float64{"cart": 40})
	r := newRig(t, s, nil)
	c, _ := r.dial(t)
	_ = r.at(t, 0)
	rates, histories := s.rates, s.histories
	s.hang = true
	began := time.Now()
	for range 200 {
		if _, err := metric(t.Context(), c, ref("cart")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.IsActive(t.Context(), ref("cart")); err != nil {
			t.Fatal(err)
		}
	}
	if s.rates != rates || s.histories != histories {
		t.Errorf("%d calls of the store, want none", s.rates+s.histories-rates-histories)
	}
	// 600 calls: half a millisecond each is a lot on an idle machine, ten are
	// not to be had from anything but memory on a busy one.
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("600 calls took %v", took)
	}
}

// TestMetricName: no prefix of KEDA's, stable, and another for each trigger.
func TestMetricName(t *testing.T) {
	names := map[string]string{}
	for _, change := range [][]string{
		{}, {"targetPerPod", "11"}, {"quantile", "0.9"}, {"leadTime", "6m"}, {"mode", "forecast-only"}, {"activationThreshold", "1"},
		{"preset", "istio"}, {"preset", "linkerd"}, {"query", "up"}, {"query", "up+1"}, {"namespace", "other"}, {"workload", "pay"},
	} {
		r := ref("cart", change...)
		trigger, err := ParseTrigger(forecast.Workload{Namespace: r.Namespace, Name: r.Name}, r.ScalerMetadata, []string{"istio", "linkerd"})
		if err != nil {
			t.Fatal(err)
		}
		name := trigger.MetricName()
		if other, taken := names[name]; taken {
			t.Errorf("%v has the metric %q of %v", change, name, other)
		}
		names[name] = fmt.Sprint(change)
		if !strings.HasPrefix(name, "foretide-") {
			t.Errorf("metric %q, want foretide-…", name)
		}
	}
	c, _ := newRig(t, newStore(nil), nil).dial(t)
	other := ref("cart")
	other.Name = "another"
	for want, r := range map[string]*pb.ScaledObjectRef{
		"foretide-shop-cart-a9f76d1f55": ref("cart"), // a new version must not rename it
		"foretide-shop-cart-5d0f1d9d63": other,
	} {
		spec, err := c.GetMetricSpec(t.Context(), r)
		if err != nil || spec.MetricSpecs[0].MetricName != want {
			t.Errorf("metric of %s: %v, %v; want %s", r.Name, spec, err, want)
		}
	}
}

// TestForecastRaisesTheMetricNotTheTarget: the HPA divides the total load by
// the target per pod (metricType AverageValue).
func TestForecastRaisesTheMetricNotTheTarget(t *testing.T) {
	f := func(change func(*Options), wantValue float64) {
		t.Helper()
		r := newRig(t, newStore(map[string]float64{"cart": 40}), change)
		c, _ := r.dial(t)
		_ = r.at(t, 0)
		_ = r.at(t, time.Minute)
		v, err := metric(t.Context(), c, ref("cart"))
		spec, err2 := c.GetMetricSpec(t.Context(), ref("cart"))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if v.MetricValueFloat != wantValue || spec.MetricSpecs[0].TargetSizeFloat != 10 {
			t.Errorf("value %v at target %v, want %v at 10", v.MetricValueFloat, spec.MetricSpecs[0].TargetSizeFloat, wantValue)
		}
	}
	f(func(o *Options) { o.Baseline = nil }, 40)
	f(tenfold, 400)
}

// TestActivationIsStrictlyAbove the threshold.
func TestActivationIsStrictlyAbove(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 40}), func(o *Options) { o.Baseline = nil })
	c, _ := r.dial(t)
	_ = r.at(t, 0)
	for threshold, want := range map[string]bool{"39.9": true, "40": false, "40.1": false} {
		got, err := c.IsActive(t.Context(), ref("cart", "activationThreshold", threshold))
		if err != nil || got.Result != want {
			t.Errorf("threshold %s: active %v, %v; want %v", threshold, got.GetResult(), err, want)
		}
	}
}

// TestNamesAreOnlyClaimed: a caller who invents triggers is stopped, and the
// ones that are there are still answered.
func TestNamesAreOnlyClaimed(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 40}), nil)
	_ = r.at(t, 0)
	if _, err := metricOf(t, r, ref("cart")); err != nil {
		t.Fatal(err)
	}
	for i := range maxFeeds {
		_, err := metricOf(t, r, ref("cart", "query", fmt.Sprintf("up * %d", i)))
		want := codes.Unavailable
		if i >= maxFeeds-1 { // the default source is one of them
			want = codes.ResourceExhausted
		}
		if status.Code(err) != want {
			t.Fatalf("query %d: %v, want %v", i, err, want)
		}
	}
	if v, err := metricOf(t, r, ref("cart")); err != nil || v.MetricValueFloat < 40 {
		t.Errorf("after the flood: %v, %v", v, err)
	}
}

func metricOf(t *testing.T, r *rig, ref *pb.ScaledObjectRef) (*pb.MetricValue, error) {
	t.Helper()
	spec, err := r.server.GetMetricSpec(t.Context(), ref)
	if err != nil {
		return nil, err
	}
	got, err := r.server.GetMetrics(t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: spec.MetricSpecs[0].MetricName})
	if err != nil {
		return nil, err
	}
	return got.MetricValues[0], nil
}

// TestForecastOnlyAnswersWithTheObservedLoad and publishes what it would do.
func TestForecastOnlyAnswersWithTheObservedLoad(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 40}), tenfold)
	c, _ := r.dial(t)
	_ = r.at(t, 0)
	v, err := metric(t.Context(), c, ref("cart", "mode", "forecast-only"))
	if err != nil || v.MetricValueFloat != 40 {
		t.Errorf("value %v, %v; want 40", v, err)
	}
	d := r.Snapshot().Workloads[0].Decisions[0]
	if d.Planned != 400 || d.PlannedReplicas != 40 || d.Replicas != 4 || d.Binding != replica.ByMode {
		t.Errorf("decision %+v, want 40 planned replicas and 4 acted on", d.Target)
	}
}
