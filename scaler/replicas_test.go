package scaler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/test/bufconn"
)

// TestEveryReplicaAnswersForEveryTrigger: KEDA spreads its calls over all
// replicas behind a headless Service. They agree, and one that leaves fails no
// call.
func TestEveryReplicaAnswersForEveryTrigger(t *testing.T) {
	s := newStore(map[string]float64{"cart": 40})
	one, two := newRig(t, s, tenfold), newRig(t, s, tenfold)
	_, _ = one.at(t, 0), two.at(t, 0)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- one.server.Serve(ctx, lis, ServeOptions{}) }()
	stays := serve(t, two.server, ServeOptions{})

	service := manual.NewBuilderWithScheme("headless")
	service.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: lis.Addr().String()}, {Addr: stays}}})
	c, _ := client(t, "headless:///foretide", grpc.WithResolvers(service), grpc.WithTransportCredentials(insecure.NewCredentials()))
	var asked peer.Peer
	spec, err := c.GetMetricSpec(t.Context(), ref("cart"), grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	call := func() {
		t.Helper()
		got, err := c.IsActive(t.Context(), ref("cart"), grpc.Peer(&asked))
		if err != nil || !got.Result {
			t.Fatalf("active %v, %v", got.GetResult(), err)
		}
		seen[asked.Addr.String()]++
		again, err := c.GetMetricSpec(t.Context(), ref("cart"), grpc.Peer(&asked))
		if err != nil || again.MetricSpecs[0].MetricName != spec.MetricSpecs[0].MetricName {
			t.Fatalf("spec %v, %v; want %v", again, err, spec)
		}
		if v, err := metric(t.Context(), c, ref("cart")); err != nil || v.MetricValueFloat != 400 {
			t.Fatalf("metric %v, %v; want 400", v, err)
		}
		seen[asked.Addr.String()]++
	}
	await(t, "both replicas are asked", func() bool { call(); return len(seen) == 2 })
	leave()
	for range 50 {
		call()
	}
	if err := <-left; err != nil {
		t.Errorf("the replica that left: %v", err)
	}
	for range 50 {
		call()
	}
}

// TestConnectionsAreRenewed, so that KEDA finds new replicas: streams end by
// themselves and calls go on, all over a connection's age.
func TestConnectionsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newStore(map[string]float64{"cart": 40}), func(o *Options) { o.Now = time.Now })
		r.store.since = time.Time{}
		_ = r.Step(t.Context(), time.Now())
		lis := bufconn.Listen(1 << 20)
		connections := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.server.Serve(ctx, lis, ServeOptions{}) }()
		c, conn := client(t, "passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				connections++
				return lis.DialContext(ctx)
			}))
		stream, err := c.StreamIsActive(t.Context(), ref("cart"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		for range 15 {
			time.Sleep(time.Minute)
			_ = r.Step(t.Context(), time.Now())
			if _, err := c.IsActive(t.Context(), ref("cart")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ended with %v, want its end", err)
		}
		if connections < 3 {
			t.Errorf("%d connections in a quarter of an hour, want one every 5 minutes", connections)
		}
		_ = conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// TestBadSourcesHoldUpNobody: queries that never answer, from triggers that
// anybody can write, take no time from the source of all others.
func TestBadSourcesHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bad := newStore(map[string]float64{"cart": 40}), newStore(nil)
		bad.hang = true
		r := newRig(t, s, func(o *Options) {
			o.Open = func(spec LoadSpec) (Source, error) {
				if spec == (LoadSpec{}) {
					return s, nil
				}
				return bad, nil
			}
		})
		_ = r.at(t, 0)
		for i := range 100 {
			_, _ = metricOf(t, r, ref("cart", "query", fmt.Sprint(i)))
		}
		for after := 15 * time.Second; after <= 5*time.Minute; after += 15 * time.Second {
			_ = r.at(t, after)
			if src := r.Snapshot().Source; src.Err != "" || !src.Answered.Equal(noon.Add(after)) {
				t.Fatalf("after %v: %+v", after, src)
			}
		}
	})
}
