package prom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretide/foretide/forecast/prom"
	"github.com/foretide/foretide/forecast/prom/promtest"
)

// A store that is away for a moment is asked again.
func repeats(t *testing.T, gate *gate) {
	reg := prometheus.NewRegistry()
	client, err := prom.New(prom.Config{URL: gate.URL, Timeout: 500 * time.Millisecond}, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f := func(what string, fail func(w http.ResponseWriter, r *http.Request)) {
		t.Helper()
		gate.set(func(w http.ResponseWriter, r *http.Request) bool {
			if gate.requests.Load() <= 2 {
				fail(w, r)
				return false
			}
			return true
		})
		if err := client.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := gate.requests.Load(); n != 3 {
			t.Errorf("%s: %d requests, want 3", what, n)
		}
	}
	for _, status := range []int{500, 502, 503, 504, 429} {
		f(fmt.Sprint(status), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			got[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"foretide_prometheus_repeats_total":            5 * 2,
		"foretide_prometheus_request_duration_seconds": 5 * 3,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	f("a broken connection", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	f("half an answer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"status":`)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	f("no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	gate.set(nil)
	if _, err := prom.New(prom.Config{URL: gate.URL}, nil, reg); err == nil {
		t.Error("two clients on one registry: no error")
	}
}

// What the store understood and refused is asked once.
func refusals(t *testing.T, gate *gate) {
	client := newClient(t, prom.Config{URL: gate.URL})
	bad, err := client.Query(shop("cart"), "sum(")
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, guard func(http.ResponseWriter, *http.Request) bool, want string) {
		t.Helper()
		gate.set(guard)
		_, err := bad.Rates(t.Context(), time.Now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", what, err, want)
		}
		if n := gate.requests.Load(); n != 1 {
			t.Errorf("%s: %d requests, want 1", what, n)
		}
	}
	f("a bad query", nil, "bad_data")
	f("not found", func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no tenant", http.StatusNotFound)
		return false
	}, "no tenant")
	f("a query that takes too long", func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"status":"error","errorType":"timeout","error":"query timed out"}`)
		return false
	}, "query timed out")
	f("a page of another kind", func(w http.ResponseWriter, _ *http.Request) bool {
		io.WriteString(w, "<html>login</html>")
		return false
	}, "bad_response")
	gate.set(nil)
}

// The context's deadline holds, however often there is reason to ask again.
func deadline(t *testing.T, gate *gate) {
	client := newClient(t, prom.Config{URL: gate.URL})
	for _, guard := range []func(w http.ResponseWriter, r *http.Request) bool{
		func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		},
		func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return false },
	} {
		gate.set(guard)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		begun := time.Now()
		err := client.Ping(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v, want that the deadline is over", err)
		}
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("returned after %v, want about 0.7 s", d)
		}
	}
	gate.set(nil)
}

// A server that dies is an error, not an empty answer; one that comes back
// within the deadline is waited for.
func outage(t *testing.T, server *promtest.Server) {
	client := newClient(t, prom.Config{URL: server.URL})
	source, err := client.Preset("istio")
	if err != nil {
		t.Fatal(err)
	}
	if rates, err := source.Rates(t.Context(), time.Now()); err != nil || len(rates) != 0 {
		t.Fatalf("before: %v, %v; want nothing known", rates, err)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if rates, err := source.Rates(ctx, time.Now()); err == nil {
		t.Errorf("during an outage: %v, want an error", rates)
	}
	came := make(chan error, 1)
	go func() {
		_, err := source.Rates(t.Context(), time.Now())
		came <- err
	}()
	server.Restart()
	if err := <-came; err != nil {
		t.Errorf("after an outage: %v", err)
	}
}
