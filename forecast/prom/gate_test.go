package prom_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A gate stands before a real server: it counts what passes, and can keep
// requests from passing.
type gate struct {
	*httptest.Server
	requests atomic.Int32
	proxy    *httputil.ReverseProxy

	mu    sync.Mutex
	seen  map[int]int                                       // statuses, by how often
	guard func(w http.ResponseWriter, r *http.Request) bool // false: answered already
}

// newGate starts a gate before the server at target.
func newGate(t *testing.T, target string) *gate {
	g := newUnstartedGate(t, target)
	g.Start()
	return g
}

func newUnstartedGate(t *testing.T, target string) *gate {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	g := &gate{seen: map[int]int{}, proxy: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport: transport,
	}}
	g.proxy.ModifyResponse = func(resp *http.Response) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen[resp.StatusCode]++
		return nil
	}
	g.Server = httptest.NewUnstartedServer(g)
	t.Cleanup(func() {
		g.Close()
		transport.CloseIdleConnections()
	})
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	g.mu.Lock()
	guard := g.guard
	g.mu.Unlock()
	// The server may answer before the proxy has seen the end of the request,
	// and net/http then takes the body away from it: so it is read before.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if guard == nil || guard(w, r) {
		g.proxy.ServeHTTP(w, r)
	}
}

// set puts a guard in place, and counts from zero.
func (g *gate) set(guard func(w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.guard = guard
	g.requests.Store(0)
}

// statuses tells how often the server answered with a status.
func (g *gate) statuses(code int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen[code]
}
