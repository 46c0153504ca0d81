// Package prom reads request rates from a store that speaks Prometheus' query
// API: Prometheus itself, Thanos, Mimir, VictoriaMetrics and others. README.md
// beside it has the queries of the presets, and says what windows and limits
// they keep.
//
// A workload that the store has no value for is absent or NaN, never zero: a
// scrape that failed must not look like a service that nobody calls.
package prom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Client asks one metrics store. It may be used concurrently.
type Client struct {
	api   v1.API
	http  api.Client
	log   *slog.Logger
	fixed time.Duration // the window, 0 to find it
	page  int

	mu     sync.Mutex // guards what follows, and is not held while asking
	window time.Duration
	asOf   time.Time // the instant that window was found for
}

// New makes a client; it checks cfg and connects to nothing. log gets the
// store's warnings and reg the durations of its answers and the number of
// attempts that had to be repeated; both may be nil.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configure prometheus: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	rt, err := config.NewRoundTripperFromConfig(cfg.http(), "foretide", config.WithUserAgent("foretide"))
	if err != nil {
		return nil, fmt.Errorf("configure prometheus: %w", err)
	}
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "foretide_prometheus_request_duration_seconds",
		Help:    "How long the metrics store took to answer, by the status it answered with.",
		Buckets: []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100},
	}, []string{"code"})
	repeats := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "foretide_prometheus_repeats_total",
		Help: "Requests to the metrics store that were repeated because it was away or overloaded.",
	})
	if reg != nil {
		if err := errors.Join(reg.Register(seconds), reg.Register(repeats)); err != nil {
			return nil, fmt.Errorf("register metrics of prometheus client: %w", err)
		}
	}
	plain, err := api.NewClient(api.Config{
		Address:      cfg.URL,
		RoundTripper: promhttp.InstrumentRoundTripperDuration(seconds, rt),
	})
	if err != nil {
		return nil, fmt.Errorf("configure prometheus: %w", err)
	}
	again := &repeater{Client: plain, timeout: cfg.timeout(), repeats: repeats, idle: rt}
	return &Client{api: v1.NewAPI(again), http: again, log: log, fixed: cfg.Window, page: cfg.pageSteps()}, nil
}

// Close closes the connections that are idle. The client can still be used.
func (c *Client) Close() {
	if idle, ok := c.http.(api.CloseIdler); ok {
		idle.CloseIdleConnections()
	}
}

// Ping tells whether the store answers queries, and lets this client ask them.
// It asks for a constant, which every back end knows without any data.
func (c *Client) Ping(ctx context.Context) error {
	v, warnings, _, err := c.api.Query(ctx, "vector(1)", time.Time{})
	if err != nil {
		return fmt.Errorf("probe prometheus: %w", explain(err))
	}
	c.warn("vector(1)", warnings)
	if vec, ok := v.(model.Vector); !ok || len(vec) != 1 || vec[0].Value != 1 {
		return fmt.Errorf("probe prometheus: vector(1) is answered with %v: want a server of Prometheus' query API", v)
	}
	return nil
}

func (c *Client) warn(query string, warnings v1.Warnings) {
	for _, w := range warnings {
		c.log.Warn("metrics store warns", "query", query, "warning", w)
	}
}

// explain adds to an API error what the server wrote beside it, such as why a
// proxy refused.
func explain(err error) error {
	var e *v1.Error
	if !errors.As(err, &e) || e.Detail == "" {
		return err
	}
	detail := e.Detail
	if len(detail) > 200 {
		detail = detail[:200] + "..."
	}
	return fmt.Errorf("%w: %q", err, detail)
}
