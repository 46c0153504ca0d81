package inspect_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/scaler/inspect"
	"github.com/prometheus/client_golang/prometheus"
)

func TestProbes(t *testing.T) {
	snap := plain()
	now := snap.At
	ready := error(nil)
	h := handlerOf(snap, func(c *inspect.Config) {
		c.Clock = func() time.Time { return now }
		c.Ready = func() error { return ready }
	})
	f := func(path string, code int, want string) {
		t.Helper()
		if w := ask(h, "GET", path); w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d %s, want %d with %q", path, w.Code, w.Body, code, want)
		}
	}
	f("/readyz", 200, "ready")
	ready = errors.New("the gRPC server is not up")
	f("/readyz", 503, "the gRPC server is not up")
	ready = nil
	now = snap.At.Add(plan.Fresh)
	f("/readyz", 200, "ready")
	now = snap.At.Add(plan.Fresh + time.Second)
	f("/readyz", 503, "the snapshot is 5m1s old: want at most 5m0s")
	f("/healthz", 200, "alive")
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "foretide_steps_total", Help: "Steps."})
	r.MustRegister(c)
	c.Add(3)
	w := ask(handlerOf(plain(), func(c *inspect.Config) { c.Metrics = r }), "GET", "/metrics")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "\nforetide_steps_total 3\n") {
		t.Errorf("GET /metrics: %d %s", w.Code, w.Body)
	}
}

func TestHeaders(t *testing.T) {
	h := handlerOf(plain())
	for _, path := range []string{"/", "/app.js", "/style.css", "/icon.svg", "/api/v1/workloads", "/healthz", "/nowhere"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			header := ask(h, method, path).Header()
			for key, want := range map[string]string{
				"Content-Security-Policy": "default-src 'self'",
				"X-Content-Type-Options":  "nosniff",
				"Referrer-Policy":         "no-referrer",
			} {
				if got := header.Get(key); !strings.HasPrefix(got, want) {
					t.Errorf("%s %s: %s %q, want %q", method, path, key, got, want)
				}
			}
		}
	}
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
		"/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
		w := ask(h, "GET", path)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.Len() == 0 {
			t.Errorf("GET %s: %d, %q of %d bytes, want %q", path, w.Code, got, w.Body.Len(), want)
		}
		tag := w.Header().Get("ETag")
		if again := ask(h, "GET", path, "If-None-Match", tag); tag == "" || again.Code != http.StatusNotModified {
			t.Errorf("GET %s with its tag %s: %d, want 304", path, tag, again.Code)
		}
	}
	if w := ask(h, "GET", "/index.html"); w.Code != 404 {
		t.Errorf("GET /index.html: %d, want 404, as the page has one address", w.Code)
	}
}

func TestCompressed(t *testing.T) {
	h := inspect.Handler(config(t, snapshotOf(noon, shop())))
	const path = "/api/v1/workloads?spark=180"
	want := ask(h, "GET", path).Body.String()
	w := ask(h, "GET", path, "Accept-Encoding", "br, gzip;q=0.8")
	if got := w.Header().Get("Content-Encoding"); got != "gzip" || w.Body.Len() > len(want)/2 {
		t.Fatalf("encoding %q, %d of %d bytes", got, w.Body.Len(), len(want))
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || string(got) != want {
		t.Errorf("the compressed answer differs from the plain one: %v", err)
	}
	for _, header := range []string{"", "br", "gzip;q=0", "gzip; q=0.0", "gzipped"} {
		if got := ask(h, "GET", path, "Accept-Encoding", header).Header().Get("Content-Encoding"); got != "" {
			t.Errorf("Accept-Encoding %q: got encoding %q", header, got)
		}
	}
}
