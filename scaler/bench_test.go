package scaler

import (
	"fmt"
	"testing"
	"time"

	"net"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
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
