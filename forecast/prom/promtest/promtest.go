// Package promtest runs a real Prometheus server for tests, and pods for it to
// scrape that count requests as the sidecars of Istio and Linkerd do.
package promtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Options say what a server scrapes and what it knows from the start.
type Options struct {
	// ScrapeInterval is a second if it is 0.
	ScrapeInterval time.Duration
	// Targets are scraped from the start; see [Server.Scrape].
	Targets []Target
	// OpenMetrics is history that the server has: samples with time stamps in
	// the OpenMetrics text format, with or without its closing line.
	OpenMetrics []byte
	// Args are further arguments, such as "--query.max-samples=1000".
	Args []string
}

// Target is an address that a server scrapes at /metrics, and the labels its
// series get.
type Target struct {
	Address string
	Labels  map[string]string
}

// Server is a running Prometheus on 127.0.0.1. Its methods are for the test's
// own goroutine.
type Server struct {
	// URL is the root of the API; it stays the same when the server restarts.
	URL string

	t    testing.TB
	dir  string
	bin  string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed once cmd has ended
	log  *bytes.Buffer // of cmd, read only once done
}

// Start runs a server until the test ends, and returns once it answers. The
// program is built from the module in e2e/prometheus, which the Go build cache
// keeps; the first time takes some minutes. A server that cannot be built or
// started fails the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	interval := o.ScrapeInterval
	if interval == 0 {
		interval = time.Second
	}
	s := &Server{t: t, dir: t.TempDir(), bin: tool(t, "prometheus")}
	addr := freeAddress(t)
	s.URL = "http://" + addr
	s.write("prometheus.yml", map[string]any{ // JSON is YAML
		"global": map[string]any{"scrape_interval": fmt.Sprintf("%dms", interval.Milliseconds())},
		"scrape_configs": []any{map[string]any{
			"job_name":        "pods",
			"file_sd_configs": []any{map[string]any{"files": []string{filepath.Join(s.dir, "targets.json")}}},
		}},
	})
	s.Scrape(o.Targets...)
	data := filepath.Join(s.dir, "data")
	if o.OpenMetrics != nil {
		s.backfill(o.OpenMetrics, data)
	}
	s.args = append([]string{
		"--config.file=" + filepath.Join(s.dir, "prometheus.yml"),
		"--storage.tsdb.path=" + data,
		"--storage.tsdb.retention.time=50y",
		"--web.listen-address=" + addr,
		"--log.level=warn",
	}, o.Args...)
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// Scrape makes the server scrape these targets and no others, from about now
// on.
func (s *Server) Scrape(targets ...Target) {
	s.t.Helper()
	groups := []any{}
	for _, target := range targets {
		groups = append(groups, map[string]any{"targets": []string{target.Address}, "labels": target.Labels})
	}
	s.write("targets.json", groups)
}

// Kill ends the server at once, as a crash would, and returns when it is gone.
// Killing what does not run does nothing.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill() // fails only if it ended by itself
	<-s.done
	s.cmd = nil
}

// Restart starts the server that was killed at the same address with the data
// it had, and returns once it answers. A server that runs is killed first.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.log = new(bytes.Buffer)
	cmd := exec.Command(s.bin, s.args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start prometheus: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait() // how it ended is in the log
	}()
	s.cmd, s.done = cmd, done
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for range 600 {
		if resp, err := client.Get(s.URL + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-done:
			s.t.Fatalf("prometheus ended while starting:\n%s", s.log)
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.Kill()
	s.t.Fatalf("prometheus is not ready after a minute:\n%s", s.log)
}

// backfill makes blocks of history beneath data.
func (s *Server) backfill(metrics []byte, data string) {
	s.t.Helper()
	if !bytes.HasSuffix(metrics, []byte("# EOF\n")) {
		metrics = append(bytes.Clone(metrics), "# EOF\n"...)
	}
	file := filepath.Join(s.dir, "history.om")
	if err := os.WriteFile(file, metrics, 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(tool(s.t, "promtool"), "tsdb", "create-blocks-from", "--max-block-duration=768h", "openmetrics", file, data)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("backfill history: %v\n%s", err, out)
	}
}

// write replaces a file of the server whole, so that it never reads half.
func (s *Server) write(name string, content any) {
	s.t.Helper()
	b, err := json.Marshal(content)
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// tool builds a program of Prometheus' module, or finds it built, and returns
// its path.
func tool(t testing.TB, name string) string {
	t.Helper()
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	cmd := exec.Command("go", "tool", "-n", name)
	cmd.Dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(gomod))), "e2e", "prometheus")
	// The tag leaves out the clients of all clouds.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false -mod=readonly -trimpath -tags=remove_all_sd")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begun := time.Now()
	path, err := cmd.Output()
	if err != nil {
		t.Fatalf("build %s in %s: %v\n%s\nIts modules come from the Go module proxy or the module cache; without a network, fill the cache before: go -C e2e/prometheus mod download", name, cmd.Dir, err, &stderr)
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Logf("built %s in %v", name, d.Round(time.Second))
	}
	return strings.TrimSpace(string(path))
}

// freeAddress is an address of 127.0.0.1 that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
