package prom_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast/prom"
	"github.com/foretide/foretide/forecast/prom/promtest"
)

const days = 14

// scraped is what was scraped of two workloads every 30 s for some days. cart's
// rate is another one every hour, and six hours of the fourth day were lost.
func scraped(from time.Time, days int) []byte {
	var b bytes.Buffer
	var cart, web float64
	for s := 0; s <= days*24*3600; s += 30 {
		unix := from.Unix() + int64(s)
		if !lost(s) {
			fmt.Fprintf(&b, `istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="cart",pod="a"} %v %d`+"\n", cart, unix)
		}
		fmt.Fprintf(&b, `istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="web",pod="b"} %v %d`+"\n", web, unix)
		for _, instance := range []string{"a", "b", "c"} {
			fmt.Fprintf(&b, "up{instance=%q} 1 %d\n", instance, unix)
		}
		cart += 30 * cartRate(s)
		web += 30 * 0.5
	}
	return b.Bytes()
}

func cartRate(second int) float64 { return float64(1 + second/3600%24) }
func lost(second int) bool        { return second > 3*86400 && second < 3*86400+6*3600 }

// Two weeks are the same whatever the pages they are read in, and are what was
// scraped. The server refuses a page that touches too many samples, as a busy
// one does.
func TestHistoryInPages(t *testing.T) {
	t.Parallel()
	from := time.Now().UTC().Truncate(time.Hour).Add(-(days + 1) * 24 * time.Hour)
	to := from.Add(days * 24 * time.Hour)
	server := promtest.Start(t, promtest.Options{
		OpenMetrics: scraped(from, days),
		Args:        []string{"--query.max-samples=13000"},
	})
	gate := newGate(t, server.URL)

	read := func(pageSteps int) (values map[string][]float64, requests int) {
		t.Helper()
		client := newClient(t, prom.Config{URL: gate.URL, PageSteps: pageSteps, Window: 2 * time.Minute})
		source, err := client.Preset("istio")
		if err != nil {
			t.Fatal(err)
		}
		before := gate.requests.Load()
		hs, err := source.History(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		values = map[string][]float64{}
		for _, h := range hs {
			if !h.Start.Equal(from) || h.Len() != days*24*60 {
				t.Errorf("%s: %d steps from %v, want %d from %v", h.Workload, h.Len(), h.Start, days*24*60, from)
			}
			values[h.Workload.String()] = h.Values
		}
		return values, int(gate.requests.Load() - before)
	}
	small, requests := read(997)
	if want := (days*24*60 + 996) / 997; requests != want {
		t.Errorf("%d requests for pages of 997, want %d", requests, want)
	}
	large, _ := read(prom.MaxPageSteps)
	if gate.statuses(http.StatusUnprocessableEntity) == 0 {
		t.Error("the server refused no page, so halving was not tested")
	}
	if d := cmp.Diff(small, large, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("in pages of 997 and of %d (-small +large):\n%s", prom.MaxPageSteps, d)
	}
	if len(small) != 2 {
		t.Fatalf("%d workloads, want 2", len(small))
	}
	for m := range days * 24 * 60 {
		if got := small["shop/web"][m]; m > 1 && math.Abs(got-0.5) > 1e-9 {
			t.Fatalf("web at minute %d: %v, want 0.5", m, got)
		}
		got, s := small["shop/cart"][m], m*60
		switch {
		case lost(s) && lost(s-120) && lost(s+120):
			if !math.IsNaN(got) {
				t.Fatalf("cart at minute %d, which was lost: %v, want NaN", m, got)
			}
		case m%60 > 2 && !lost(s-180) && !lost(s+180) && math.Abs(got-cartRate(s)) > 1e-9:
			t.Fatalf("cart at minute %d: %v, want %v", m, got, cartRate(s))
		}
	}
}

// The window is four scrapes of what the server scrapes, which is every 30 s.
func TestWindowIsFound(t *testing.T) {
	t.Parallel()
	from := time.Now().UTC().Truncate(time.Hour).Add(-(days + 1) * 24 * time.Hour)
	server := promtest.Start(t, promtest.Options{OpenMetrics: scraped(from, 1)})
	gate := newGate(t, server.URL)
	client := newClient(t, prom.Config{URL: gate.URL})
	source, err := client.Query(shop("x"), `count_over_time(up{instance="a"}[$window])`)
	if err != nil {
		t.Fatal(err)
	}
	f := func(at time.Time, want float64, requests int32) {
		t.Helper()
		before := gate.requests.Load()
		rates, err := source.Rates(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if got := rates[shop("x")]; got != want {
			t.Errorf("%v samples in the window, want %v", got, want)
		}
		if got := gate.requests.Load() - before; got != requests {
			t.Errorf("%d requests, want %d", got, requests)
		}
	}
	f(from.Add(5*time.Hour+10*time.Second), 4, 2)
	f(from.Add(5*time.Hour+70*time.Second), 4, 1) // what was found is used again
	f(from.Add(9*time.Hour), 4, 2)                // but not for ever

	// Without a scrape to learn from, the window is two minutes.
	constant, err := client.Query(shop("x"), `count_over_time(vector(1)[$window:1s])`)
	if err != nil {
		t.Fatal(err)
	}
	rates, err := constant.Rates(t.Context(), from.Add(-time.Hour))
	if err != nil || rates[shop("x")] != 120 {
		t.Errorf("before any scrape: %v, %v; want a window of 120 s", rates, err)
	}
}

func TestHistoryWithoutSteps(t *testing.T) {
	client := newClient(t, prom.Config{URL: "http://127.0.0.1:1"})
	source, err := client.Preset("istio")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1700000000, 0)
	for _, to := range []time.Time{now, now.Add(-time.Hour)} {
		if hs, err := source.History(t.Context(), now, to); len(hs) != 0 || err != nil {
			t.Errorf("history from %v to %v: %v, %v; want none, and no query", now, to, hs, err)
		}
	}
}
