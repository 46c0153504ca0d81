package registry_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/forecast/registry/s3test"
)

// broken stands before an S3 server and breaks the connection at some of the
// writes, which it counts from 1.
type broken struct {
	// before tells whether write n never arrives, after whether it arrives
	// and its answer is lost.
	before, after func(n int) bool

	mu sync.Mutex
	n  int
}

func (b *broken) serve(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.n++
		if b.before != nil && b.before(b.n) {
			panic(http.ErrAbortHandler)
		}
		if b.after != nil && b.after(b.n) {
			pass.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
	}
	pass.ServeHTTP(w, r)
}

// A writer that dies after any of its objects leaves a store that reads as
// before, or as if it had come to the end of that step.
func TestInterruptedAfterEachObject(t *testing.T) {
	server := s3test.Start(t)
	r := open(t, server.URL)
	first := put(t, r, 0, "first weights")
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: 1, Version: first.ID, At: at(0)}); err != nil {
		t.Fatal(err)
	}
	versions := 1
	for writes := range 3 {
		// The objects are weights, manifest, promotion, in this order.
		c := &broken{before: func(n int) bool { return n > writes }}
		dying := open(t, proxy(t, server, c.serve))
		m, err := dying.Put(t.Context(), manifest(writes+1), []byte("weights"))
		if (err == nil) != (writes == 2) {
			t.Fatalf("put with %d writes gives %v", writes, err)
		}
		if err == nil {
			versions++
			if _, err := dying.Promote(t.Context(), registry.Promotion{Seq: 2, Version: m.ID, At: at(9)}); err == nil {
				t.Fatal("promoted without a write")
			}
		}
		got, err := r.Versions(t.Context())
		if err != nil || len(got) != versions {
			t.Errorf("after %d writes versions are %v, %v, want %d", writes, got, err, versions)
		}
		champion, err := r.Champion(t.Context())
		if err != nil || champion.Version != first.ID {
			t.Errorf("after %d writes champion is %v, %v, want %s", writes, champion, err, first.ID)
		}
		if _, _, err := r.Get(t.Context(), champion.Version); err != nil {
			t.Error(err)
		}
	}
}

// A write whose answer is lost is repeated by the S3 client, which then finds
// an object there: its own.
func TestLostAnswer(t *testing.T) {
	server := s3test.Start(t)
	for lost := 1; lost <= 3; lost++ {
		c := &broken{after: func(n int) bool { return n == lost }}
		r := open(t, proxy(t, server, c.serve))
		m := put(t, r, lost, fmt.Sprint("weights ", lost))
		if _, err := r.Promote(t.Context(), registry.Promotion{Seq: lost, Version: m.ID, At: at(lost)}); err != nil {
			t.Errorf("answer %d lost: %v", lost, err)
		}
		if c.n != 4 {
			t.Errorf("%d writes, want three and one of them again", c.n)
		}
		champion, err := r.Champion(t.Context())
		if err != nil || champion.Version != m.ID {
			t.Errorf("champion is %v, %v, want %s", champion, err, m.ID)
		}
	}
}

// A server that is away is an error that is none of the registry's own, so
// that nobody takes it for an empty or a broken store.
func TestServerAway(t *testing.T) {
	server := s3test.Start(t)
	r := open(t, server.URL)
	m := put(t, r, 1, "weights")
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: 1, Version: m.ID, At: at(1)}); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	_, championErr := r.Champion(t.Context())
	_, _, getErr := r.Get(t.Context(), m.ID)
	list, listErr := r.Versions(t.Context())
	for _, err := range []error{championErr, getErr, listErr} {
		if err == nil {
			t.Error("no error from a dead server")
		}
		for _, own := range []error{registry.ErrNotFound, registry.ErrCorrupt, registry.ErrFormat, registry.ErrNoChampion, registry.ErrConflict} {
			if errors.Is(err, own) {
				t.Errorf("dead server gives %v", err)
			}
		}
	}
	if list != nil {
		t.Errorf("dead server lists %v", list)
	}
	server.Restart()
	if champion, err := r.Champion(t.Context()); err != nil || champion.Version != m.ID {
		t.Errorf("champion is %v, %v, want %s again", champion, err, m.ID)
	}
}

// A process that writes to a folder is killed at any time; what it leaves is
// readable, and others go on from there.
func TestKilled(t *testing.T) {
	if store := os.Getenv("REGISTRY_TEST_WRITE_TO"); store != "" {
		writeForever(t, store)
	}
	store := (&url.URL{Scheme: "file", Path: t.TempDir()}).String()
	r := open(t, store)
	written := 0
	for round := range 12 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "REGISTRY_TEST_WRITE_TO="+store)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It has written some; it dies at one moment or another of the next.
		lines := bufio.NewScanner(out)
		for range 2 + round%3 {
			lines.Scan()
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		champion, err := r.Champion(t.Context())
		if err != nil && !errors.Is(err, registry.ErrNoChampion) {
			t.Fatalf("round %d: %v", round, err)
		}
		if err == nil {
			if _, _, err := r.Get(t.Context(), champion.Version); err != nil {
				t.Errorf("round %d: champion: %v", round, err)
			}
		}
		versions, err := r.Versions(t.Context())
		if err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		written = len(versions)
		m := put(t, r, round, "weights of the survivor")
		if _, err := r.Promote(t.Context(), registry.Promotion{Seq: champion.Seq + 1, Version: m.ID, At: at(round)}); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
	if written < 20 {
		t.Errorf("the killed ones wrote %d versions in all, too few for a test", written)
	}
}

// writeForever puts and promotes until it is killed.
func writeForever(t *testing.T, store string) {
	r := open(t, store)
	for i := os.Getpid() * 1000; ; i++ {
		m := put(t, r, i, strings.Repeat(fmt.Sprint("weights ", i), 1<<14))
		champion, err := r.Champion(t.Context())
		if err != nil && !errors.Is(err, registry.ErrNoChampion) {
			t.Fatal(err)
		}
		if _, err := r.Promote(t.Context(), registry.Promotion{Seq: champion.Seq + 1, Version: m.ID, At: at(0)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("promoted", m.ID)
	}
}
