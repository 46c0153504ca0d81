// Package inspect shows over HTTP what the scaler knows: a JSON API, metrics,
// probes and a page. It only reads snapshots, so asking it often costs the
// scaler nothing. The README beside it documents the API.
package inspect

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/scaler"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Source gives the newest snapshot, nil before the first step. It is called
// by many requests at once and must answer from memory.
type Source interface {
	Snapshot() *scaler.Snapshot
}

// Config is what a Handler reads. Only Source must be set.
type Config struct {
	Source Source
	// Metrics is what /metrics gathers; without it the path is not found.
	Metrics prometheus.Gatherer
	// Logger gets what goes wrong while answering; nil discards it.
	Logger *slog.Logger
	// Clock tells the present instant, which ages are counted to; nil is
	// [time.Now]. A replay passes its own clock.
	Clock func() time.Time
	// Ledger gives the running score of a replay, see [LedgerRow]; nil where
	// there is none. It is called by many requests at once.
	Ledger func() []LedgerRow
	// Version is the version of the program, for the page.
	Version string
	// Ready is a further condition of /readyz, beside a fresh snapshot: nil, or
	// the reason why not. A nil Ready asks for nothing more.
	Ready func() error
}

// LedgerRow is what one workload has cost in a replay so far, under Foretide
// and under the reactive HPA that is replayed beside it on the same load.
type LedgerRow struct {
	Workload forecast.Workload
	// Minutes is how many minutes were played.
	Minutes int
	// ShortMinutes is in how many of them fewer pods served than the load
	// needed; PodHours is what the pods add up to.
	ShortMinutes int
	PodHours     float64
	// ReactiveShortMinutes and ReactivePodHours are the same of the rival.
	ReactiveShortMinutes int
	ReactivePodHours     float64
}

type handler struct {
	Config
}

// Handler serves the page on /, the API under /api/v1/, /metrics, /healthz and
// /readyz. It answers only GET and HEAD, and is safe for concurrent use.
func Handler(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	h := &handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/workloads", h.workloads)
	mux.HandleFunc(workloadPath, h.workload)
	mux.HandleFunc("/api/v1/model", h.model)
	mux.HandleFunc("/healthz", h.healthz)
	mux.HandleFunc("/readyz", h.readyz)
	if c.Ledger != nil {
		mux.HandleFunc("/api/v1/ledger", h.ledger)
	}
	if c.Metrics != nil {
		mux.Handle("/metrics", promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{
			ErrorLog:      slog.NewLogLogger(c.Logger.Handler(), slog.LevelError),
			ErrorHandling: promhttp.ContinueOnError,
		}))
	}
	handlePage(mux)
	mux.HandleFunc("/", h.notFound)
	return guard(h, mux)
}

// guard refuses what would change something, and tells browsers to load
// nothing from elsewhere and to let nobody frame the page.
func guard(h *handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			h.fail(w, r, http.StatusMethodNotAllowed, "method %q: want GET or HEAD, as nothing can be changed here", r.Method)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) healthz(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, http.StatusOK, map[string]string{"status": "alive"})
}

func (h *handler) readyz(w http.ResponseWriter, r *http.Request) {
	snap, now := h.Source.Snapshot(), h.Clock()
	if snap == nil {
		h.fail(w, r, http.StatusServiceUnavailable, "%s", noSnapshot)
		return
	}
	if age := now.Sub(snap.At); age > plan.Fresh {
		h.fail(w, r, http.StatusServiceUnavailable, "the snapshot is %v old: want at most %v", age.Round(time.Second), plan.Fresh)
		return
	}
	if h.Ready != nil {
		if err := h.Ready(); err != nil {
			h.fail(w, r, http.StatusServiceUnavailable, "%v", err)
			return
		}
	}
	h.answer(w, r, http.StatusOK, map[string]string{"status": "ready"})
}

func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	paths := []string{"/", "/api/v1/workloads", "/api/v1/workloads/{namespace}/{name}", "/api/v1/model"}
	if h.Ledger != nil {
		paths = append(paths, "/api/v1/ledger")
	}
	if h.Metrics != nil {
		paths = append(paths, "/metrics")
	}
	paths = append(paths, "/healthz", "/readyz")
	h.fail(w, r, http.StatusNotFound, "%s", fmt.Sprintf("path %q: want one of %s; a slash within a namespace is written %%2F",
		r.URL.EscapedPath(), strings.Join(paths, ", ")))
}
