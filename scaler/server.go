package scaler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
)

const (
	// maxSnapshotAge is how old the last step may be for its decisions to
	// count. Steps come every quarter of a minute, so older than this the loop
	// hangs, and another replica or the HPA's hold is the better answer.
	maxSnapshotAge = 2 * time.Minute
	// startGrace is how long after its start a server that has not read its
	// history yet leaves the answers to others.
	startGrace = time.Minute
	// maxValue keeps what KEDA multiplies by a thousand within 64 bits.
	maxValue = 1e15
)

// Server is KEDA's external scaler. Every answer comes from the loop's newest
// snapshot; whatever is not known is a gRPC error, at which the HPA holds, and
// never a zero or an "inactive", at which it scales in. Its methods may be
// called concurrently.
type Server struct {
	pb.UnimplementedExternalScalerServer

	loop    *Loop
	presets []string
	started time.Time
	closing chan struct{}
}

// NewServer makes a server that answers from loop. presets are the names that
// a trigger may have in its key preset.
func NewServer(loop *Loop, presets []string) *Server {
	return &Server{loop: loop, presets: slices.Clone(presets), started: loop.o.Now(), closing: make(chan struct{})}
}

// Ready tells whether the server can answer, or else why not: before the first
// step, while the history is being read at the start, and when the loop hangs.
// A metrics store that is down does not count once the start is over, because
// the answers about it are errors that say so and [Server.GetMetricSpec] needs
// none.
func (s *Server) Ready() error {
	snap, now := s.loop.Snapshot(), s.loop.o.Now()
	switch {
	case snap == nil:
		return errors.New("no step was made yet")
	case now.Sub(snap.At) > maxSnapshotAge:
		return fmt.Errorf("the last step was made %v ago", now.Sub(snap.At).Round(time.Second))
	case !snap.Source.Filled && now.Sub(s.started) < startGrace:
		return errors.New(cmp.Or(snap.Source.Err, "the history is being read"))
	}
	return nil
}

// GetMetricSpec answers from the trigger metadata alone, at once, with nothing
// behind it: without this answer KEDA cannot make a proper HPA.
func (s *Server) GetMetricSpec(_ context.Context, ref *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	t, err := s.parse(ref)
	if err != nil {
		return nil, err
	}
	return spec(t, s.loop.o.TargetPerPod(t)), nil
}

// GetMetrics answers with the rate that was decided, rounded up in the integer.
func (s *Server) GetMetrics(_ context.Context, req *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	t, err := s.parse(req.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	name := t.MetricName()
	if req.GetMetricName() != name {
		return nil, status.Errorf(codes.InvalidArgument, "metric %q: the trigger's is %q", clip(req.GetMetricName()), name)
	}
	a, _, err := s.answer(t)
	if err != nil {
		return nil, err
	}
	value := min(a.decision.Value, maxValue)
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{{
		MetricName: name, MetricValue: int64(math.Ceil(value)), MetricValueFloat: value,
	}}}, nil
}

// IsActive answers from the same decision as GetMetrics, so that the two fail
// and succeed together.
func (s *Server) IsActive(_ context.Context, ref *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	t, err := s.parse(ref)
	if err != nil {
		return nil, err
	}
	a, _, err := s.answer(t)
	if err != nil {
		return nil, err
	}
	return &pb.IsActiveResponse{Result: a.decision.Active}, nil
}

// StreamIsActive sends once when it knows, and then only what has changed:
// KEDA takes a repetition for activity. While it does not know, it waits.
func (s *Server) StreamIsActive(ref *pb.ScaledObjectRef, stream pb.ExternalScaler_StreamIsActiveServer) error {
	t, err := s.parse(ref)
	if err != nil {
		return err
	}
	var sent *bool
	return s.follow(stream.Context(), t, func(a *answer, err error) error {
		if status.Code(err) == codes.Unavailable || status.Code(err) == codes.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if active := a.decision.Active; sent == nil || *sent != active {
			sent = &active
			return stream.Send(&pb.IsActiveResponse{Result: active})
		}
		return nil
	})
}

// StreamMetricSpec sends what GetMetricSpec answers, at once and whenever it
// has changed: so a target per pod that was learned reaches the HPA.
func (s *Server) StreamMetricSpec(ref *pb.ScaledObjectRef, stream pb.ExternalScaler_StreamMetricSpecServer) error {
	t, err := s.parse(ref)
	if err != nil {
		return err
	}
	var sent float64
	return s.follow(stream.Context(), t, func(*answer, error) error {
		if target := s.loop.o.TargetPerPod(t); target != sent {
			sent = target
			return stream.Send(spec(t, target))
		}
		return nil
	})
}

// follow calls see now and at each new snapshot until it fails, the stream is
// cancelled, or it has lived as long as a connection should; its end is then a
// clean one, at which KEDA opens a new stream.
func (s *Server) follow(ctx context.Context, t Trigger, see func(*answer, error) error) error {
	age := time.NewTimer(connectionAge)
	defer age.Stop()
	for {
		a, next, err := s.answer(t)
		if err := see(a, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-s.closing:
			return nil
		case <-age.C:
			return nil
		case <-next:
		}
	}
}

// parse reads a request's trigger.
func (s *Server) parse(ref *pb.ScaledObjectRef) (Trigger, error) {
	t, err := ParseTrigger(forecast.Workload{Namespace: ref.GetNamespace(), Name: ref.GetName()}, ref.GetScalerMetadata(), s.presets)
	if err != nil {
		return Trigger{}, status.Error(codes.InvalidArgument, err.Error())
	}
	return t, nil
}

// answer looks t up in memory. next is closed when there may be another answer.
func (s *Server) answer(t Trigger) (a *answer, next <-chan struct{}, err error) {
	now := s.loop.o.Now()
	snap := s.loop.Snapshot()
	if snap == nil || snap.answers[t] == nil {
		if err := s.loop.register(t, now); err != nil {
			return nil, s.loop.begun, err
		}
		snap = s.loop.Snapshot()
	}
	if snap == nil {
		return nil, s.loop.begun, status.Errorf(codes.Unavailable, "history of %s is being read; ask again in some seconds", t.Workload)
	}
	a = snap.answers[t]
	if a == nil { // it was forgotten between the two looks
		return nil, snap.next, status.Errorf(codes.Unavailable, "the trigger of %s is being taken up; ask again", t.Workload)
	}
	a.asked.Store(now.UnixNano())
	if age := now.Sub(snap.At); age > maxSnapshotAge {
		return nil, snap.next, status.Errorf(codes.Unavailable, "the newest decision on %s is %v old", t.Workload, age.Round(time.Second))
	}
	return a, snap.next, a.err
}

// spec is what the HPA is made of. It depends on the trigger and its target
// alone: a forecast raises the metric, never the target.
func spec(t Trigger, target float64) *pb.GetMetricSpecResponse {
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{{
		MetricName: t.MetricName(), TargetSize: int64(math.Ceil(target)), TargetSizeFloat: target,
	}}}
}
