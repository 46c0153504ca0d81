package promtest_test

import (
	"net/http"
	"testing"

	"github.com/foretide/foretide/forecast/prom/promtest"
)

// TestServerOutlivesAKill also builds the server, which takes minutes the first
// time, so that no other test has to wait for it: see make servers.
func TestServerOutlivesAKill(t *testing.T) {
	s := promtest.Start(t, promtest.Options{})
	answers := func() error {
		r, err := http.Get(s.URL + "/api/v1/query?query=vector(1)")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("status %s, want 200", r.Status)
		}
		return nil
	}
	if err := answers(); err != nil {
		t.Errorf("started: %v", err)
	}
	s.Kill()
	if answers() == nil {
		t.Error("killed, and still answers")
	}
	s.Restart()
	if err := answers(); err != nil {
		t.Errorf("started again: %v", err)
	}
}
