package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/foretide/foretide/forecast"
)

// program is foretide serve, run in this process on the ports it chose.
type program struct {
	t          *testing.T
	grpc, http string
	log        *lockedBuffer
	// ahead is by how many nanoseconds its clock is ahead of the real one.
	ahead atomic.Int64
	stop  func() (exitCode int)
	keda  pb.ExternalScalerClient
	conn  *grpc.ClientConn
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startServe runs foretide serve with args until the test ends or it is
// stopped.
func startServe(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, log: new(lockedBuffer)}
	a := &app{stdout: io.Discard, stderr: p.log, now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	args = append([]string{"serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--interval", "1s", "--model-interval", "1s", "--drain", "0s"}, args...)
	go func() { done <- a.execute(ctx, newRoot(a), args) }()
	p.stop = sync.OnceValue(func() int { cancel(); return <-done })
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("log of the program:\n%s", p.log)
		}
	})
	addresses := regexp.MustCompile(`msg=serving grpc=(\S+) http=(\S+)`)
	p.wait("it serves", 10*time.Second, func() error {
		m := addresses.FindStringSubmatch(p.log.String())
		if m == nil {
			return fmt.Errorf("no addresses in the log")
		}
		p.grpc, p.http = m[1], "http://"+m[2]
		return nil
	})
	conn, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p.conn, p.keda = conn, pb.NewExternalScalerClient(conn)
	return p
}

// wait asks until there is no error, or fails the test.
func (p *program) wait(what string, most time.Duration, ask func() error) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	p.t.Fatalf("waited %v until %s: %v\n%s", most, what, err, p.log)
}

// ask asks as KEDA does: the metric and then whether it is active. Together
// they are an error or a load; a zero and an inactive are neither.
func (p *program) ask(w forecast.Workload) (float64, error) {
	p.t.Helper()
	ref := &pb.ScaledObjectRef{Name: w.Name, Namespace: w.Namespace, ScalerMetadata: map[string]string{
		"scalerAddress": "foretide:9090", "workload": w.Name, "targetPerPod": "2",
	}}
	spec, err := p.keda.GetMetricSpec(p.t.Context(), ref)
	if err != nil || len(spec.MetricSpecs) != 1 || spec.MetricSpecs[0].TargetSizeFloat != 2 {
		p.t.Fatalf("spec of %s: %v, %v; want one, whatever else is missing", w, spec, err)
	}
	got, err := p.keda.GetMetrics(p.t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: spec.MetricSpecs[0].MetricName})
	active, err2 := p.keda.IsActive(p.t.Context(), ref)
	if err == nil && err2 == nil {
		v := got.MetricValues[0].MetricValueFloat
		if !(v > 0) || math.IsInf(v, 0) || got.MetricValues[0].MetricValue < 1 || !active.Result {
			p.t.Fatalf("%s: metric %v, active %v; want a load and active", w, got, active.Result)
		}
		return v, nil
	}
	for _, err := range []error{err, err2} {
		if err != nil && status.Code(err) != codes.Unavailable {
			p.t.Fatalf("%s: %v, want unavailable", w, err)
		}
	}
	if err == nil {
		err = err2
	}
	return 0, err
}

func (p *program) get(path string) (int, string) {
	p.t.Helper()
	r, err := http.Get(p.http + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}
