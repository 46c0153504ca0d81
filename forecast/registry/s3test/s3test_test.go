package s3test_test

import (
	"net/http"
	"testing"

	"github.com/foretide/foretide/forecast/registry/s3test"
)

// TestServerOutlivesAKill also builds the server, which takes minutes the first
// time, so that no other test has to wait for it: see make servers.
func TestServerOutlivesAKill(t *testing.T) {
	s := s3test.Start(t)
	answers := func() error {
		r, err := http.Get(s.Endpoint)
		if err != nil {
			return err
		}
		return r.Body.Close()
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
