package prom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/api"
	"github.com/prometheus/client_golang/prometheus"
)

// How often and how patiently a request is repeated, within its context.
const (
	maxAttempts = 6
	firstPause  = 200 * time.Millisecond
	maxPause    = 5 * time.Second
)

// repeater repeats a request that failed for a reason that passes by itself: a
// store that is away, restarting or overloaded. What the store understood and
// refused is never asked twice.
type repeater struct {
	api.Client
	timeout time.Duration
	repeats prometheus.Counter
	idle    http.RoundTripper
}

func (r *repeater) CloseIdleConnections() {
	if idle, ok := r.idle.(api.CloseIdler); ok {
		idle.CloseIdleConnections()
	}
}

// Do sends req, repeatedly if need be.
func (r *repeater) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		resp, body, err := r.once(ctx, req)
		reason := passing(resp, body, err)
		if reason == nil || ctx.Err() != nil || attempt == maxAttempts {
			return resp, body, err
		}
		// Jitter keeps many clients from coming back at the same moment.
		wait := max(pause/2+rand.N(pause/2), retryAfter(resp))
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w after %d attempts, the last: %w", ctx.Err(), attempt, reason)
		case <-time.After(wait):
		}
		r.repeats.Inc()
		pause = min(2*pause, maxPause)
	}
}

func (r *repeater) once(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req = req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, nil, err
		}
		req.Body = body
	}
	return r.Client.Do(ctx, req)
}

// passing gives the reason of a failure that may pass, nil for any other
// outcome.
func passing(resp *http.Response, body []byte, err error) error {
	if err != nil {
		var op *net.OpError
		switch {
		case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
			return nil // crypto/tls names so what one side refuses, such as a certificate
		case op != nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
			return err
		}
		return nil
	}
	switch code := resp.StatusCode; {
	case code == http.StatusNotImplemented:
		return nil // the API client asks again by GET
	case code == http.StatusServiceUnavailable && bytes.Contains(body, []byte(`"errorType":"timeout"`)):
		return nil // the query itself took too long, and would again
	case code >= 500, code == http.StatusTooManyRequests:
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// retryAfter is how long the server wants to be left alone, at most maxPause.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	s, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || s < 0 {
		return 0
	}
	return min(time.Duration(s)*time.Second, maxPause)
}
