package scaler

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/foretide/foretide/forecast"
)

// thousand is a loop over a thousand workloads, each with a trigger, after its
// first step.
func thousand(b *testing.B) *rig {
	b.Helper()
	load := map[string]float64{}
	for i := range 1000 {
		load[fmt.Sprintf("w%03d", i)] = float64(i)
	}
	s := newStore(load)
	r := &rig{store: s}
	r.clock.Store(noon.UnixNano())
	var err error
	r.Loop, err = NewLoop(Options{Open: func(LoadSpec) (Source, error) { return s, nil }, Now: r.now, Timeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	r.server = NewServer(r.Loop, nil)
	_ = r.Step(b.Context(), noon)
	for name := range load {
		if _, err := r.server.IsActive(b.Context(), ref(name)); err != nil {
			b.Fatal(err)
		}
	}
	return r
}

// BenchmarkStep is a step of a thousand workloads without their forecasts.
func BenchmarkStep(b *testing.B) {
	r := thousand(b)
	now := noon
	for b.Loop() {
		now = now.Add(15 * time.Second)
		r.clock.Store(now.UnixNano())
		if err := r.Step(b.Context(), now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGetMetrics is one call of KEDA's client over the loopback.
func BenchmarkGetMetrics(b *testing.B) {
	r := thousand(b)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	g := grpc.NewServer()
	defer g.Stop()
	pb.RegisterExternalScalerServer(g, r.server)
	go func() { _ = g.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	c := pb.NewExternalScalerClient(conn)
	spec, err := c.GetMetricSpec(b.Context(), ref("w500"))
	if err != nil {
		b.Fatal(err)
	}
	req := &pb.GetMetricsRequest{ScaledObjectRef: ref("w500"), MetricName: spec.MetricSpecs[0].MetricName}
	for b.Loop() {
		if _, err := c.GetMetrics(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstContact is the first request of a trigger, which publishes.
func BenchmarkFirstContact(b *testing.B) {
	r := thousand(b)
	i := 0
	for b.Loop() {
		i++
		r.mu.Lock()
		r.triggers = r.triggers[:1000]
		r.mu.Unlock()
		if _, err := r.server.IsActive(b.Context(), ref("w500", "activationThreshold", fmt.Sprint(i))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkState saves the calibrations of ten thousand workloads, and gives
// them to a loop that has just started.
func BenchmarkState(b *testing.B) {
	const workloads = 10_000
	s := restlessShop()
	r := newRig(b, s, keeping(b.TempDir(), io.Discard))
	_ = r.Step(b.Context(), noon)
	_ = r.Step(b.Context(), noon.Add(15*time.Second))
	base := r.feeds[LoadSpec{}]
	cart := base.tracks[shop("cart")]
	var online bytes.Buffer
	if err := cart.calibration.online.Encode(&online); err != nil {
		b.Fatal(err)
	}
	base.tracks = map[forecast.Workload]*track{}
	for i := range workloads {
		t := base.track(shop(fmt.Sprintf("w%05d", i)))
		t.series = cart.series
		r.keeper.unclaimed[r.identity(LoadSpec{}, t.workload)] = learned{noon, online.Bytes()}
	}
	unclaimed := maps.Clone(r.keeper.unclaimed)
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			r.keeper.unclaimed = maps.Clone(unclaimed)
			r.restore()
		}
		b.ReportMetric(float64(len(r.keeper.unclaimed)), "refused")
	})
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			r.save(noon)
		}
		file, err := os.Stat(r.keeper.path)
		if err != nil || r.keeper.failed != nil {
			b.Fatal(err, r.keeper.failed)
		}
		b.ReportMetric(float64(file.Size())/workloads, "bytes/workload")
	})
}
