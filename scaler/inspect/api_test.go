package inspect_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
	"github.com/google/go-cmp/cmp"
)

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// plain is a snapshot small enough to be read: one workload with a forecast of
// one rate, one in mode forecast-only, and one of which nothing is known.
func plain() *scaler.Snapshot {
	at := time.Date(2026, 3, 10, 12, 0, 30, 0, time.UTC)
	origin := at.Truncate(forecast.Step).Add(-forecast.Step)
	flat := func(v float64) forecast.Quantiles {
		return forecast.Quantiles{v - 3, v - 2, v, v + 2, v + 3, v + 4, v + 6}
	}
	known := func(name string, mode replica.Mode) *scaler.WorkloadState {
		w := forecast.Workload{Namespace: "shop", Name: name}
		f := &forecast.Forecast{Workload: w, Origin: origin, By: "lstm"}
		for range forecast.Horizon {
			f.Steps = append(f.Steps, flat(30))
		}
		f.Peaks = forecast.RunningPeaks(f.Steps)
		d, err := plan.Decide(at, w, replica.Policy{TargetPerPod: 10, Quantile: 0.95, LeadTime: 5 * time.Minute, Mode: mode},
			plan.Observation{Rate: 21.5, At: origin.Add(forecast.Step)}, plan.Outlook{Forecast: f, Rung: plan.RungNetwork, Model: "v7"})
		if err != nil {
			panic(err)
		}
		return &scaler.WorkloadState{
			Workload:    w,
			Calibration: calibrated(),
			History:     forecast.Series{Start: origin.Add(-3 * forecast.Step), Values: []float64{20, math.NaN(), 1.0 / 3, 21.5}},
			Decisions:   []scaler.TriggerDecision{{ScaledObject: forecast.Workload{Namespace: "shop", Name: name + "-so"}, Metric: "foretide-shop-" + name + "-5eed", Decision: d}},
			Past: []scaler.Past{
				{At: origin.Add(-2 * forecast.Step), Quantiles: flat(25), Replicas: 3},
				{At: origin.Add(-forecast.Step), Quantiles: flat(25), Replicas: 3},
				{At: origin, Quantiles: flat(20), Replicas: 4},
				{At: origin.Add(forecast.Step), Quantiles: flat(20), Replicas: 4},
			},
		}
	}
	return &scaler.Snapshot{
		At:     at,
		Model:  scaler.ModelStatus{Version: "v7", Loaded: at.Add(-time.Hour), Trained: at.Add(-2 * time.Hour)},
		Source: scaler.SourceStatus{Answered: at.Add(-time.Second), Since: at.Add(-24 * time.Hour), Filled: true},
		Workloads: []*scaler.WorkloadState{
			known("cart", replica.Max),
			known("pay", replica.ForecastOnly),
			{Workload: forecast.Workload{Namespace: "shop", Name: "quiet"}, Err: "its load was never observed"},
		},
	}
}

func handlerOf(snap *scaler.Snapshot, change ...func(*inspect.Config)) http.Handler {
	c := inspect.Config{Source: sourceOf(snap), Version: "v0.1.0", Clock: func() time.Time { return time.Date(2026, 3, 10, 12, 0, 45, 0, time.UTC) }}
	for _, f := range change {
		f(&c)
	}
	return inspect.Handler(c)
}

// TestGolden compares whole answers with those in testdata, which the README
// shows to readers. FORETIDE_UPDATE=1 writes them anew.
func TestGolden(t *testing.T) {
	h := handlerOf(plain(), func(c *inspect.Config) { c.Ledger = score })
	for file, path := range map[string]string{
		"workloads.json": "/api/v1/workloads?spark=3",
		"workload.json":  "/api/v1/workloads/shop/cart?hours=1",
		"unknown.json":   "/api/v1/workloads/shop/quiet",
		"model.json":     "/api/v1/model",
		"ledger.json":    "/api/v1/ledger",
	} {
		t.Run(file, func(t *testing.T) {
			w := ask(h, "GET", path)
			if w.Code != http.StatusOK {
				t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			file := "testdata/" + file
			if os.Getenv("FORETIDE_UPDATE") != "" {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("GET %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	h := handlerOf(plain())
	f := func(method, path string, code int, want string) {
		t.Helper()
		w := ask(h, method, path)
		var body struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s %s: %v in %q", method, path, err, w.Body)
		}
		if w.Code != code || !strings.Contains(body.Error, want) {
			t.Errorf("%s %s: %d %q, want %d with %q", method, path, w.Code, body.Error, code, want)
		}
	}
	f("GET", "/api/v1/workloads/shop/none", 404, `workload "shop/none": want one of the 3 that /api/v1/workloads lists`)
	f("GET", "/api/v1/workloads/none", 404, `workload "none"`)
	f("GET", "/api/v1/workloads/shop/cart?hours=0", 400, `hours "0": want "hours", a whole number from 1 to 336`)
	f("GET", "/api/v1/workloads/shop/cart?hours=337", 400, "from 1 to 336")
	f("GET", "/api/v1/workloads/shop/cart?hours=NaN", 400, "whole number")
	f("GET", "/api/v1/workloads/shop/cart?hours=2&hours=3", 400, `hours "2,3"`)
	f("GET", "/api/v1/workloads/shop/cart?hour=3", 400, `"hour": this path takes "hours"`)
	f("GET", "/api/v1/workloads?spark=-1", 400, "from 0 to 1440")
	f("GET", "/api/v1/model?x=1", 400, "takes none")
	f("GET", "/api/v2/workloads", 404, "/api/v1/workloads/{namespace}/{name}")
	f("GET", "/api/v1/workloads/a/b/c", 404, "%2F")
	f("GET", "/api/v1/workloads/", 404, "want one of /")
	f("GET", "/api/v1/workloads/a/", 404, "want one of /")
	f("GET", "/api/v1/ledger", 404, "want one of /")
	f("GET", "/metrics", 404, "want one of /")
	f("POST", "/api/v1/workloads", 405, "want GET or HEAD")
	f("DELETE", "/api/v1/workloads/shop/cart", 405, "want GET or HEAD")
	f("OPTIONS", "/", 405, "want GET or HEAD")
	if got := ask(h, "PUT", "/").Header().Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow %q", got)
	}

	h = handlerOf(nil)
	for _, path := range []string{"/api/v1/workloads", "/api/v1/workloads/shop/cart", "/api/v1/model", "/readyz"} {
		f("GET", path, 503, "no snapshot yet")
	}
}

// TestSources shows a workload once whose triggers read its load from two
// sources, with the decisions of both.
func TestSources(t *testing.T) {
	snap := plain()
	second := *snap.Workloads[0]
	second.Decisions = []scaler.TriggerDecision{second.Decisions[0]}
	second.Decisions[0].ScaledObject.Name = "other"
	second.Err = "no answer for a third"
	snap.Workloads = append(snap.Workloads[:1:1], append([]*scaler.WorkloadState{&second}, snap.Workloads[1:]...)...)
	h := handlerOf(snap)
	var list struct {
		Workloads []struct {
			Name, State string
			Triggers    int
			Error       *string
		}
	}
	if err := json.Unmarshal(ask(h, "GET", "/api/v1/workloads").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Workloads) != 3 || list.Workloads[0].Triggers != 2 || list.Workloads[0].State != "network" || list.Workloads[0].Error == nil {
		t.Errorf("list %+v, want 3 workloads, the first with 2 triggers and an error beside them", list.Workloads)
	}
	var one struct {
		Decisions []struct{ ScaledObject forecast.Workload }
	}
	if err := json.Unmarshal(ask(h, "GET", "/api/v1/workloads/shop/cart").Body.Bytes(), &one); err != nil {
		t.Fatal(err)
	}
	if len(one.Decisions) != 2 || one.Decisions[1].ScaledObject.Name != "other" {
		t.Errorf("decisions %+v, want those of both sources", one.Decisions)
	}
	if len(snap.Workloads[0].Decisions) != 1 {
		t.Error("the snapshot was changed")
	}
}

// TestUnknownNumbers fills a snapshot with what JSON cannot say.
func TestUnknownNumbers(t *testing.T) {
	snap := plain()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		w := snap.Workloads[0]
		w.History.Values[0] = v
		d := &w.Decisions[0]
		d.Observed, d.Predicted, d.Value, d.Planned = v, v, v, v
		w.Past[0].Quantiles[3] = v
		f := *d.Forecast
		f.Steps = append([]forecast.Quantiles{{v, v, v, v, v, v, v}}, f.Steps[1:]...)
		d.Forecast = &f
		h := handlerOf(snap)
		for _, path := range []string{"/api/v1/workloads?spark=10", "/api/v1/workloads/shop/cart"} {
			if got := ask(h, "GET", path); got.Code != 200 || !json.Valid(got.Body.Bytes()) {
				t.Errorf("%v: GET %s: %d %s", v, path, got.Code, got.Body)
			}
		}
	}
}
