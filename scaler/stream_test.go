package scaler

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestStreamIsActiveSendsOnceAndThenChanges: messages come in order, so that
// the second one is the change says that nothing was repeated.
func TestStreamIsActiveSendsOnceAndThenChanges(t *testing.T) {
	s := newStore(map[string]float64{"cart": 5})
	r := newRig(t, s, nil)
	c, _ := r.dial(t)
	stream, err := c.StreamIsActive(t.Context(), ref("cart", "activationThreshold", "5", "mode", "forecast-only"))
	if err != nil {
		t.Fatal(err)
	}
	level := func(v float64) { s.set(func(s *store) { s.rate[shop("cart")] = constant(v) }) }
	receive := func(want bool) {
		t.Helper()
		got, err := stream.Recv()
		if err != nil || got.Result != want {
			t.Fatalf("received %v, %v; want %v", got, err, want)
		}
	}
	_ = r.at(t, 0) // the stream was open before anything was known
	receive(false)
	r.steps(t, 0, 2*time.Minute)
	level(5.1)
	r.steps(t, 2*time.Minute, 4*time.Minute)
	receive(true)
	s.set(func(s *store) { s.fail = errors.New("connection refused") })
	r.steps(t, 4*time.Minute, 30*time.Minute) // nothing is known any more: silence
	s.set(func(s *store) { s.fail = nil })
	r.steps(t, 30*time.Minute, 32*time.Minute)
	level(4)
	r.steps(t, 32*time.Minute, 34*time.Minute)
	receive(false)
}

// TestStreamMetricSpecEqualsGetMetricSpec, before anything is known and after
// each change of what was learned.
func TestStreamMetricSpecEqualsGetMetricSpec(t *testing.T) {
	var learned atomic.Int64
	learned.Store(10)
	r := newRig(t, newStore(map[string]float64{"cart": 100}), func(o *Options) {
		o.TargetPerPod = func(Trigger) float64 { return float64(learned.Load()) }
	})
	c, _ := r.dial(t)
	stream, err := c.StreamMetricSpec(t.Context(), ref("cart"))
	if err != nil {
		t.Fatal(err)
	}
	receive := func(want float64) {
		t.Helper()
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := c.GetMetricSpec(t.Context(), ref("cart"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pulled, got, protocmp.Transform()); diff != "" || got.MetricSpecs[0].TargetSizeFloat != want {
			t.Errorf("streamed %v, want %v (-pulled +streamed):\n%s", got, want, diff)
		}
	}
	receive(10)
	_ = r.at(t, 0)
	r.steps(t, 0, 2*time.Minute)
	learned.Store(25)
	r.steps(t, 2*time.Minute, 3*time.Minute)
	receive(25)
	if d := r.Snapshot().Workloads[0].Decisions[0]; d.Policy.TargetPerPod != 25 || d.Replicas != 4 {
		t.Errorf("decided on %v replicas at %v, want 4 at 25", d.Replicas, d.Policy.TargetPerPod)
	}
}
