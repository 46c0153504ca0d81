package scaler

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// connectionAge is how long a connection lives: KEDA spreads its calls over
	// the replicas that it found when it connected, and finds new ones only by
	// connecting again. Streams end by themselves at the same age, within the
	// grace that follows, so that none is cut.
	connectionAge = 5 * time.Minute
	// maxMessage bounds a request: metadata is some lines long.
	maxMessage = 256 << 10
	// stopGrace is how long calls under way may take at the end.
	stopGrace = 10 * time.Second
)

// ServeOptions are how a [Server] is served; all of it may be zero.
type ServeOptions struct {
	TLS TLSFiles
	// Drain is how long the server goes on answering after it has said that it
	// will stop, so that KEDA goes elsewhere before it does.
	Drain      time.Duration
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Serve answers on lis, with gRPC's health service, until ctx ends, and then
// stops in this order:
//
//  1. health says NOT_SERVING; calls are still answered for Drain
//  2. streams end, as if by themselves
//  3. clients are told to go away; calls under way are finished
//  4. after some seconds more, the rest is cut off
//
// It closes lis. A stop by ctx is no error. Serve may be called once.
func (s *Server) Serve(ctx context.Context, lis net.Listener, o ServeOptions) error {
	defer lis.Close() // where it does not come to serving, which closes it too
	log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	measured := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(
		grpcprom.WithHistogramBuckets(prometheus.ExponentialBuckets(0.00005, 4, 9))))
	recovered := recovery.WithRecoveryHandlerContext(func(_ context.Context, r any) error {
		log.Error("call panicked", "panic", r, "stack", string(debug.Stack()))
		return status.Error(codes.Internal, "internal error; the log has it")
	})
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(measured.UnaryServerInterceptor(), recovery.UnaryServerInterceptor(recovered)),
		grpc.ChainStreamInterceptor(measured.StreamServerInterceptor(), recovery.StreamServerInterceptor(recovered)),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: connectionAge + time.Minute, Time: time.Minute}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if o.TLS != (TLSFiles{}) {
		config, err := o.TLS.Config(log)
		if err != nil {
			return fmt.Errorf("serve gRPC: %w", err)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(measured); err != nil {
			return fmt.Errorf("register gRPC metrics: %w", err)
		}
	}
	g := grpc.NewServer(options...)
	pb.RegisterExternalScalerServer(g, s)
	checks := health.NewServer()
	healthpb.RegisterHealthServer(g, checks)
	measured.InitializeMetrics(g)

	var background sync.WaitGroup
	stopped := make(chan struct{})
	background.Go(func() {
		s.tell(ctx, stopped, checks)
		checks.Shutdown() // 1
		select {
		case <-time.After(o.Drain):
		case <-stopped: // the listener failed
		}
		close(s.closing) // 2
		hard := time.AfterFunc(stopGrace, g.Stop)
		g.GracefulStop() // 3, 4
		hard.Stop()
	})
	err := g.Serve(lis)
	close(stopped)
	background.Wait()
	if err != nil {
		return fmt.Errorf("serve gRPC on %s: %w", lis.Addr(), err)
	}
	return nil
}

// tell keeps the health service saying whether s is ready, until ctx ends or
// stopped is closed.
func (s *Server) tell(ctx context.Context, stopped <-chan struct{}, checks *health.Server) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		state := healthpb.HealthCheckResponse_SERVING
		if s.Ready() != nil {
			state = healthpb.HealthCheckResponse_NOT_SERVING
		}
		checks.SetServingStatus("", state)
		checks.SetServingStatus(pb.ExternalScaler_ServiceDesc.ServiceName, state)
		select {
		case <-ctx.Done():
			return
		case <-stopped:
			return
		case <-tick.C:
		}
	}
}
