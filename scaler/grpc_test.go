package scaler

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// await asks until the answer is right, or fails the test.
func await(t *testing.T, what string, right func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if right() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

// TestHealthSaysWhetherItCanAnswer, to a balancer that knows the service by
// name and to one that does not.
func TestHealthSaysWhetherItCanAnswer(t *testing.T) {
	s := newStore(map[string]float64{"cart": 40})
	r := newRig(t, s, nil)
	_, conn := r.dial(t)
	health := healthpb.NewHealthClient(conn)
	is := func(want healthpb.HealthCheckResponse_ServingStatus) func() bool {
		return func() bool {
			for _, service := range []string{"", "externalscaler.ExternalScaler"} {
				got, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				if err != nil || got.Status != want {
					return false
				}
			}
			return true
		}
	}
	no, yes := healthpb.HealthCheckResponse_NOT_SERVING, healthpb.HealthCheckResponse_SERVING
	await(t, "not serving before the first step", is(no))
	s.set(func(s *store) { s.fail = errors.New("connection refused") })
	_ = r.at(t, 0)
	if err := r.server.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("ready with no history at the start: %v", err)
	}
	_ = r.at(t, startGrace)
	await(t, "serving after the start, whatever Prometheus does", is(yes))
	r.clock.Store(noon.Add(startGrace + maxSnapshotAge + time.Second).UnixNano())
	await(t, "not serving when the loop hangs", is(no))
	s.set(func(s *store) { s.fail = nil })
	_ = r.at(t, 10*time.Minute)
	await(t, "serving again", is(yes))
}

// TestGracefulStop: health first, calls answered while it drains, streams ended
// cleanly, and nothing left.
func TestGracefulStop(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 40}), nil)
	_ = r.at(t, 0)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, lis, ServeOptions{Drain: 500 * time.Millisecond}) }()
	c, conn := client(t, lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	active, err := c.StreamIsActive(t.Context(), ref("cart"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := c.StreamMetricSpec(t.Context(), ref("cart"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := active.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := spec.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	await(t, "not serving", func() bool {
		got, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		return err == nil && got.Status == healthpb.HealthCheckResponse_NOT_SERVING
	})
	if _, err := metric(t.Context(), c, ref("cart")); err != nil {
		t.Errorf("while it drains: %v", err)
	}
	if _, err := active.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("stream of activity ended with %v, want its end", err)
	}
	if _, err := spec.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("stream of specs ended with %v, want its end", err)
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestAPanicIsOneCallsError and not the end of the others.
func TestAPanicIsOneCallsError(t *testing.T) {
	r := newRig(t, newStore(map[string]float64{"cart": 40}), func(o *Options) {
		o.TargetPerPod = func(t Trigger) float64 {
			if t.Workload.Name == "odd" {
				panic("odd")
			}
			return t.Policy.TargetPerPod
		}
	})
	reg := prometheus.NewRegistry()
	address := serve(t, r.server, ServeOptions{Registerer: reg})
	c, _ := client(t, address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if _, err := c.GetMetricSpec(t.Context(), ref("odd")); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "panic") {
		t.Errorf("unary: %v, want internal and nothing of the inside", err)
	}
	stream, err := c.StreamMetricSpec(t.Context(), ref("odd"))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("stream: %v, want internal", err)
	}
	if _, err := c.GetMetricSpec(t.Context(), ref("cart")); err != nil {
		t.Errorf("another call: %v", err)
	}
	if n, err := testutil.GatherAndCount(reg, "grpc_server_handling_seconds"); err != nil || n == 0 {
		t.Errorf("latency of calls: %d series, %v", n, err)
	}
}

// TestRequestsAreBounded in size.
func TestRequestsAreBounded(t *testing.T) {
	c, _ := newRig(t, newStore(nil), nil).dial(t)
	_, err := c.GetMetricSpec(t.Context(), ref("cart", "query", strings.Repeat("x", maxMessage)))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a huge request: %v, want resource exhausted", err)
	}
}

func TestServeFailsOnWhatItCannotUse(t *testing.T) {
	server := newRig(t, newStore(nil), nil).server
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(t.Context(), lis, ServeOptions{TLS: TLSFiles{Cert: "/none"}}); err == nil || !strings.Contains(err.Error(), "/none") {
		t.Errorf("certificate that is not there: %v", err)
	}
	if err := lis.Close(); err == nil {
		t.Error("the listener was left open")
	}
	lis, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	if err := newRig(t, newStore(nil), nil).server.Serve(t.Context(), lis, ServeOptions{}); err == nil {
		t.Error("a closed listener: no error")
	}
}

var _ pb.ExternalScalerServer = (*Server)(nil)
