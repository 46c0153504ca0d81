// Package s3test runs a real S3 server for tests: versitygw on a folder, built
// from the Go module that e2e/s3/go.mod pins. The first build takes a minute or
// two; after that the build cache has it.
package s3test

import (
	"bytes"
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

const (
	bucket    = "models"
	accessKey = "foretide-test"
	secretKey = "foretide-test-secret"
)

// Server is a running S3 server with one empty bucket.
type Server struct {
	// URL names the bucket as forecast/registry takes it. Credentials are in
	// the test's environment.
	URL string
	// Endpoint is the server's own address, http://127.0.0.1:PORT.
	Endpoint string

	t       testing.TB
	binary  string
	address string
	dir     string // the objects
	meta    string // their metadata, which conditional writes need
	log     bytes.Buffer
	process *exec.Cmd
}

// Start starts a server that lives until the test ends, and sets the
// environment variables that S3 clients read their credentials from. It skips
// the test under -short.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no S3 server is built")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	s := &Server{t: t, binary: build(t), address: freeAddress(t), dir: t.TempDir(), meta: t.TempDir()}
	s.Endpoint = "http://" + s.address
	s.URL = BucketURL(s.Endpoint)
	// To versitygw a folder is a bucket.
	if err := os.Mkdir(filepath.Join(s.dir, bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// BucketURL names the bucket of a server at endpoint, such as a proxy before
// the real one.
func BucketURL(endpoint string) string {
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=" + endpoint
}

// Kill ends the server at once, as a crash would. What it has stored stays.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // says that it was killed
	s.process = nil
}

// Restart starts the server after [Server.Kill], at the same address and with
// what it has stored.
func (s *Server) Restart() {
	s.t.Helper()
	s.process = exec.Command(s.binary, "--port", s.address, "--region", "us-east-1", "--health", "/healthz", "posix", "--sidecar", s.meta, s.dir)
	s.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	s.log.Reset()
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start S3 server: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get(s.Endpoint + "/healthz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	s.Kill()
	s.t.Fatalf("S3 server at %s does not answer after 20 s; it said:\n%s", s.Endpoint, s.log.String())
}

// build gives the path of the server's binary, which the go command keeps in
// its cache.
func build(t testing.TB) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find module: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-n", "versitygw")
	cmd.Dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), "e2e", "s3")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build S3 server in %s: %v\n%s", cmd.Dir, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// freeAddress gives an address that was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
