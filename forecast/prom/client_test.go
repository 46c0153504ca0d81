package prom_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/prom"
	"github.com/foretide/foretide/forecast/prom/promtest"
)

func TestClient(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t, promtest.Options{})
	gate := newGate(t, server.URL)
	t.Run("answers", func(t *testing.T) { answers(t, gate) })
	t.Run("credentials", func(t *testing.T) { credentials(t, gate) })
	t.Run("repeats", func(t *testing.T) { repeats(t, gate) })
	t.Run("refusals", func(t *testing.T) { refusals(t, gate) })
	t.Run("deadline", func(t *testing.T) { deadline(t, gate) })
	t.Run("tls", func(t *testing.T) { clientTLS(t, server.URL) })
	t.Run("outage", func(t *testing.T) { outage(t, server) }) // leaves it running
}

// What a query may answer, and what becomes of it.
func answers(t *testing.T, gate *gate) {
	client := newClient(t, prom.Config{URL: gate.URL, Window: time.Minute})
	now := time.Now()
	series := func(value, namespace, workload string) string {
		return fmt.Sprintf(`label_replace(label_replace(vector(%s), "ns", %q, "", ""), "app", %q, "", "")`, value, namespace, workload)
	}
	f := func(query string, want map[forecast.Workload]float64, wantErr string) {
		t.Helper()
		bulk, err := client.Bulk(prom.Mapping{Query: query, NamespaceLabel: "ns", WorkloadLabel: "app"})
		if err != nil {
			t.Fatal(err)
		}
		check(t, bulk, now, query, want, wantErr)
	}
	one := map[forecast.Workload]float64{shop("cart"): 3}
	f(series("3", "shop", "cart"), one, "")
	f(series("3", "shop", "cart")+" or "+series("0", "shop", "idle")+" or "+series("7", "", "bare"),
		map[forecast.Workload]float64{shop("cart"): 3, shop("idle"): 0, {Name: "bare"}: 7}, "")
	f(series("3", "shop", "cart")+" or "+series("0/0", "shop", "a")+" or "+series("1/0", "shop", "b")+" or "+series("-1", "shop", "c"), one, "")
	f(series("3", "shop", "cart")+" or vector(9)", one, "") // without the label it is nobody's
	f("nothing_of_that_name", map[forecast.Workload]float64{}, "")
	f("vector(1)", nil, `none of 1 series has the label "app"`)
	f("1", nil, `none of 1 series has the label "app"`)
	f(series("3", "shop", "cart")+` or label_replace(`+series("4", "shop", "cart")+`, "pod", "b", "", "")`, nil, `workload "shop/cart" has the series`)
	f(`"text"`, nil, "string")
	f("sum(", nil, "bad_data")

	g := func(query string, want map[forecast.Workload]float64, wantErr string) {
		t.Helper()
		single, err := client.Query(shop("cart"), query)
		if err != nil {
			t.Fatal(err)
		}
		check(t, single, now, query, want, wantErr)
	}
	g("vector(3)", one, "")
	g("1 + 2", one, "")
	g(series("3", "any", "thing"), one, "")
	g("nothing_of_that_name", map[forecast.Workload]float64{}, "")
	g("vector(0/0)", map[forecast.Workload]float64{}, "")
	g(series("3", "shop", "cart")+" or "+series("0", "shop", "idle"), nil, "want one, so aggregate them")

	// The same, as history.
	single, err := client.Query(shop("cart"), "minute() < bool 30")
	if err != nil {
		t.Fatal(err)
	}
	hour := now.Truncate(time.Hour)
	hs, err := single.History(t.Context(), hour, hour.Add(time.Hour))
	if err != nil || len(hs) != 1 || hs[0].Len() != 60 {
		t.Fatalf("history: %v, %v; want an hour of one workload", hs, err)
	}
	for i, v := range hs[0].Values {
		// Stamped i, so evaluated at minute i+1.
		if want := map[bool]float64{true: 1, false: 0}[(i+1)%60 < 30]; v != want {
			t.Errorf("minute %d: %v, want %v", i, v, want)
		}
	}
	if _, err := client.Preset("consul"); err == nil || !strings.Contains(err.Error(), "istio, linkerd") {
		t.Errorf("an unknown preset: %v, want an error that names the known", err)
	}
}

// check reads both rates and history of a minute.
func check(t *testing.T, s *prom.Source, at time.Time, query string, want map[forecast.Workload]float64, wantErr string) {
	t.Helper()
	got, err := s.Rates(t.Context(), at)
	if wantErr != "" {
		if err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("rates by %s: %v, want an error with %q", query, err, wantErr)
		}
		if _, err := s.History(t.Context(), at, at.Add(time.Minute)); err == nil {
			t.Errorf("history by %s: no error", query)
		}
		return
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("rates by %s: %v (-want +got):\n%s", query, err, d)
	}
	hs, err := s.History(t.Context(), at, at.Add(time.Minute))
	past := map[forecast.Workload]float64{}
	for _, h := range hs {
		if !math.IsNaN(h.Values[0]) {
			past[h.Workload] = h.Values[0]
		}
	}
	if d := cmp.Diff(want, past); err != nil || d != "" {
		t.Errorf("history by %s: %v (-want +got):\n%s", query, err, d)
	}
}

// Credentials reach the server, and a file that changes does from then on.
func credentials(t *testing.T, gate *gate) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	expect := func(header, value string) {
		gate.set(func(w http.ResponseWriter, r *http.Request) bool {
			if got := r.Header.Get(header); got != value {
				http.Error(w, fmt.Sprintf("%s is %q", header, got), http.StatusUnauthorized)
				return false
			}
			return true
		})
	}
	ping := func(client *prom.Client, want string) {
		t.Helper()
		err := client.Ping(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("ping: %v, want %q", err, want)
		}
		if n := gate.requests.Load(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}

	bearer := newClient(t, prom.Config{URL: gate.URL, BearerTokenFile: file("token", "one\n")})
	expect("Authorization", "Bearer one")
	ping(bearer, "")
	file("token", "two")
	expect("Authorization", "Bearer one")
	ping(bearer, `Authorization is \"Bearer two\"`)
	expect("Authorization", "Bearer two")
	ping(bearer, "")

	basic := newClient(t, prom.Config{URL: gate.URL, Username: "tide", PasswordFile: file("password", "p")})
	expect("Authorization", "Basic dGlkZTpw") // tide:p
	ping(basic, "")
	file("password", "q\n")
	expect("Authorization", "Basic dGlkZTpx") // tide:q
	ping(basic, "")

	tenant := newClient(t, prom.Config{URL: gate.URL,
		Headers:     map[string]string{"X-Scope-OrgID": "shop"},
		HeaderFiles: map[string]string{"X-Key": file("key", "k1\n")},
	})
	expect("X-Scope-Orgid", "shop")
	ping(tenant, "")
	expect("X-Key", "k1")
	ping(tenant, "")
	file("key", "k2\n")
	expect("X-Key", "k2")
	ping(tenant, "")
	gate.set(nil)
}
