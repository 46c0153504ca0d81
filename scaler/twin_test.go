package scaler

import (
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func shop(name string) forecast.Workload { return forecast.Workload{Namespace: "shop", Name: name} }

// store is a metrics store in memory that can fail, and be slow.
type store struct {
	mu sync.Mutex
	// rate is the load of each workload in the step stamped at, NaN where the
	// store does not know it.
	rate map[forecast.Workload]func(at time.Time) float64
	// since is when the store's memory begins.
	since time.Time
	// fail is what it answers with, if not nil; hang lets it not answer at all.
	fail error
	hang bool
	// most is how long a history may be that is asked for, if not zero: a
	// longer one does not come in time.
	most time.Duration

	rates, histories int // calls
}

func constant(v float64) func(time.Time) float64 { return func(time.Time) float64 { return v } }

// newStore has the load of each named workload of the shop.
func newStore(load map[string]float64) *store {
	s := &store{rate: map[forecast.Workload]func(time.Time) float64{}, since: noon.Add(-30 * 24 * time.Hour)}
	for name, v := range load {
		s.rate[shop(name)] = constant(v)
	}
	return s
}

// set changes the store.
func (s *store) set(change func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// enter is what every call begins with.
func (s *store) enter(ctx context.Context, calls *int, length time.Duration) error {
	s.mu.Lock()
	*calls++
	fail, hang := s.fail, s.hang || s.most > 0 && length > s.most
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fail
}

func (s *store) Rates(ctx context.Context, at time.Time) (map[forecast.Workload]float64, error) {
	if err := s.enter(ctx, &s.rates, 0); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[forecast.Workload]float64{}
	for w, rate := range s.rate {
		if v := rate(at.Add(-forecast.Step)); !math.IsNaN(v) {
			out[w] = v
		}
	}
	return out, nil
}

func (s *store) History(ctx context.Context, from, to time.Time) ([]forecast.History, error) {
	if err := s.enter(ctx, &s.histories, to.Sub(from)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []forecast.History
	for w, rate := range s.rate {
		h := forecast.History{Workload: w, Series: forecast.Series{Start: from}}
		for at := from; at.Before(to); at = at.Add(forecast.Step) {
			v := math.NaN()
			if !at.Before(s.since) {
				v = rate(at)
			}
			h.Values = append(h.Values, v)
		}
		if h.Known() > 0 {
			out = append(out, h)
		}
	}
	return out, nil
}

// rig is a loop over a store, on a clock that stands still until it is set.
type rig struct {
	*Loop
	store  *store
	server *Server
	clock  atomic.Int64
}

func newRig(t testing.TB, s *store, change func(*Options)) *rig {
	t.Helper()
	r := &rig{store: s}
	r.clock.Store(noon.UnixNano())
	o := Options{
		Open:       func(LoadSpec) (Source, error) { return s, nil },
		Baseline:   baseline.SeasonalNaiveDay(),
		Now:        r.now,
		Registerer: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.Loop, err = NewLoop(o); err != nil {
		t.Fatal(err)
	}
	r.server = NewServer(r.Loop, []string{"istio", "linkerd"})
	return r
}

func (r *rig) now() time.Time { return time.Unix(0, r.clock.Load()).UTC() }

// at sets the clock to a time after noon and makes a step.
func (r *rig) at(t *testing.T, after time.Duration) error {
	t.Helper()
	r.clock.Store(noon.Add(after).UnixNano())
	return r.Step(t.Context(), r.now())
}

// steps makes a step every 15 seconds in (from, to] after noon.
func (r *rig) steps(t *testing.T, from, to time.Duration) {
	t.Helper()
	for after := from + 15*time.Second; after <= to; after += 15 * time.Second {
		_ = r.at(t, after) // the store may be down
	}
}

// dial serves the rig on a port of the loopback until the test ends, and gives
// KEDA's client, connected as KEDA connects.
func (r *rig) dial(t *testing.T) (pb.ExternalScalerClient, *grpc.ClientConn) {
	t.Helper()
	address := serve(t, r.server, ServeOptions{})
	return client(t, address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func serve(t *testing.T, s *Server, o ServeOptions) (address string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return lis.Addr().String()
}

func client(t *testing.T, address string, options ...grpc.DialOption) (pb.ExternalScalerClient, *grpc.ClientConn) {
	t.Helper()
	options = append(options, grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin":{}}]}`))
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewExternalScalerClient(conn), conn
}

// ref is a ScaledObject of the shop named as the workload, with the metadata
// as pairs of key and value.
func ref(workload string, pairs ...string) *pb.ScaledObjectRef {
	m := map[string]string{"scalerAddress": "foretide:9090", "workload": workload, "targetPerPod": "10"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return &pb.ScaledObjectRef{Name: workload + "-scaler", Namespace: "shop", ScalerMetadata: m}
}

// metric asks as KEDA does: the spec for the name, then the metric by it.
func metric(ctx context.Context, c pb.ExternalScalerClient, ref *pb.ScaledObjectRef) (*pb.MetricValue, error) {
	spec, err := c.GetMetricSpec(ctx, ref)
	if err != nil {
		return nil, err
	}
	got, err := c.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: spec.MetricSpecs[0].MetricName})
	if err != nil {
		return nil, err
	}
	return got.MetricValues[0], nil
}
