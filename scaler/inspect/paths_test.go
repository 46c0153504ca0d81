package inspect_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/scaler"
)

// TestNames asks for workloads whose names need escaping.
func TestNames(t *testing.T) {
	for _, w := range []forecast.Workload{
		{Name: "bare"}, {Namespace: "a/b", Name: "c"}, {Namespace: "a/b/c", Name: "d.e"},
		{Namespace: "50%", Name: "a b"}, {Namespace: "ü", Name: "?x=#y"}, {Namespace: "%2F", Name: "+"}, {Namespace: "/", Name: "/"},
	} {
		h := handlerOf(&scaler.Snapshot{At: noon, Workloads: []*scaler.WorkloadState{{Workload: w, Err: "quiet"}}})
		path := "/api/v1/workloads/" + url.PathEscape(w.Name)
		if w.Namespace != "" {
			path = "/api/v1/workloads/" + url.PathEscape(w.Namespace) + "/" + url.PathEscape(w.Name)
		}
		got := ask(h, "GET", path)
		var body struct{ Workload forecast.Workload }
		if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || got.Code != 200 || body.Workload != w {
			t.Errorf("GET %s: %d %s, want workload %+v", path, got.Code, got.Body, w)
		}
	}
}

// FuzzPaths asks for any path and query: nothing panics, each answer has a
// code that was meant, and what calls itself JSON is JSON. A workload by the
// fuzzed name is always found.
func FuzzPaths(f *testing.F) {
	f.Add("/api/v1/workloads/shop/cart", "hours=3", "a/b", "c")
	f.Add("/api/v1/workloads//x", "hours=%zz&hours=;", "", "%2F")
	f.Add("/api/v1/workloads/%2e%2e/..", "spark=1e9", "..", " ")
	f.Add("//../readyz", "", "a?b#c", "ü\x00")
	f.Fuzz(func(t *testing.T, path, query, namespace, name string) {
		own := forecast.Workload{Namespace: namespace, Name: name}
		snap := plain()
		snap.Workloads = append(snap.Workloads, &scaler.WorkloadState{Workload: own, Err: "quiet"})
		h := handlerOf(snap)
		check := func(u *url.URL) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, &http.Request{Method: "GET", URL: u, Host: "h", Header: http.Header{}})
			switch w.Code {
			case 200, 301, 307, 400, 404:
			default:
				t.Fatalf("GET %s: %d", u, w.Code)
			}
			if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("GET %s: not JSON: %q", u, w.Body)
			}
			return w
		}
		if u, err := url.ParseRequestURI(path); err == nil {
			u.RawQuery = query
			check(u)
		}
		// A browser and every proxy take . and .. for steps along the path.
		for _, part := range []string{namespace, name} {
			if part == "." || part == ".." || name == "" {
				return
			}
		}
		escaped := "/api/v1/workloads/"
		if namespace != "" {
			escaped += url.PathEscape(namespace) + "/"
		}
		u, err := url.ParseRequestURI(escaped + url.PathEscape(name))
		if err != nil {
			t.Fatal(err)
		}
		if w := check(u); w.Code != 200 {
			t.Fatalf("GET %s: %d %s, want workload %+v", u, w.Code, w.Body, own)
		}
	})
}
