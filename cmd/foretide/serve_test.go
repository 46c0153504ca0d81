package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/prom/promtest"
	"github.com/foretide/foretide/forecast/registry"
)

// hundred are the workloads of a mesh, and what each is asked for, which never
// changes, in requests per second.
func hundred() map[forecast.Workload]float64 {
	m := map[forecast.Workload]float64{}
	for i := range 100 {
		m[forecast.Workload{Namespace: "shop", Name: fmt.Sprintf("svc-%02d", i)}] = 1 + float64(i)/2
	}
	return m
}

// istioTraffic is what Istio's sidecars counted, as OpenMetrics.
func istioTraffic(loads map[forecast.Workload]float64, from, to time.Time) []byte {
	var b bytes.Buffer
	for w, rate := range loads {
		for at := from; at.Before(to); at = at.Add(30 * time.Second) {
			fmt.Fprintf(&b, "istio_requests_total{reporter=\"destination\",destination_workload_namespace=%q,destination_workload=%q} %v %d\n",
				w.Namespace, w.Name, rate*at.Sub(from).Seconds(), at.Unix())
		}
	}
	return b.Bytes()
}

// publish fits a small network and makes it the champion of the store.
func publish(t *testing.T, dir string, created time.Time) (version string) {
	t.Helper()
	var histories []forecast.History
	for i := range 4 {
		h := forecast.History{Workload: forecast.Workload{Namespace: "fit", Name: fmt.Sprint(i)}, Series: forecast.Series{Start: created.Truncate(time.Minute).Add(-72 * time.Hour)}}
		for k := range 72 * 60 {
			h.Values = append(h.Values, 20+float64(10*i)*(1+math.Sin(float64(k)*2*math.Pi/1440)))
		}
		histories = append(histories, h)
	}
	m, _, err := lstm.Fit(t.Context(), histories, lstm.FitOptions{Seed: 1, Budget: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var weights bytes.Buffer
	if err := m.Encode(&weights); err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return promote(t, r, created, weights.Bytes(), 1)
}

func promote(t *testing.T, r *registry.Registry, created time.Time, weights []byte, seq int) (version string) {
	t.Helper()
	put, err := r.Put(t.Context(), registry.Manifest{Created: created}, weights)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: seq, Version: put.ID, Reason: "test", At: created}); err != nil {
		t.Fatal(err)
	}
	return put.ID
}

// TestServeThroughTheLossOfEverything: foretide serve reads a real Prometheus
// and a real store and answers KEDA's client for 100 workloads. Then Prometheus
// is killed, the champion is followed by a damaged one, the store is deleted,
// and hours pass. No answer is ever a zero or an inactive, and the program
// stays up.
func TestServeThroughTheLossOfEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("fits a network and runs Prometheus")
	}
	loads := hundred()
	now := time.Now().UTC()
	server := promtest.Start(t, promtest.Options{OpenMetrics: istioTraffic(loads, now.Add(-4*time.Hour), now.Add(10*time.Minute))})
	dir := filepath.Join(t.TempDir(), "store")
	p := startServe(t, "--prometheus", server.URL, "--rate-window", "2m", "--store", "file://"+dir)

	// all asks for every workload; observed says that nobody may be answered
	// below his load, errors how many may be refused.
	all := func(wantErrors int) {
		t.Helper()
		refused := 0
		for w, rate := range loads {
			v, err := p.ask(w)
			if err != nil {
				refused++
			} else if v < 0.99*rate {
				t.Fatalf("%s: answered with %v, below the %v last observed", w, v, rate)
			}
			if err != nil && wantErrors == 0 {
				t.Fatalf("%s: %v", w, err)
			}
		}
		if refused != wantErrors {
			t.Fatalf("%d workloads refused, want %d", refused, wantErrors)
		}
	}
	model := func(text string) func() error {
		return func() error {
			if _, body := p.get("/api/v1/model"); !strings.Contains(body, text) {
				return fmt.Errorf("model is %s, want %q in it", body, text)
			}
			return nil
		}
	}
	failed := func(what string) func() error {
		return func() error {
			if _, body := p.get("/metrics"); !strings.Contains(body, "foretide_"+what+"_failed 1\n") {
				return fmt.Errorf("foretide_%s_failed is not 1", what)
			}
			return nil
		}
	}

	p.wait("the store is empty", 10*time.Second, model("no trained model yet"))
	p.wait("the prior forecasts", time.Minute, func() error {
		if _, body := p.get("/metrics"); !regexp.MustCompile(`foretide_forecasts_total\{rung="prior"\} [1-9]\d`).MatchString(body) {
			return fmt.Errorf("nothing by the prior yet")
		}
		if _, body := p.get("/metrics"); !strings.Contains(body, `foretide_model_info{version="`+prior.Version()+`"} 1`) || strings.Contains(body, "\nforetide_model_age_seconds ") {
			t.Errorf("the metrics name another model, or an age of the prior:\n%s", body)
		}
		return nil
	})
	p.wait("the prior is named", time.Second, model(`"prior":true`))
	version := publish(t, dir, now) // while it runs
	p.wait("all workloads are answered", time.Minute, func() error {
		for w := range loads {
			if _, err := p.ask(w); err != nil {
				return err
			}
		}
		return nil
	})
	p.wait("it is ready", 10*time.Second, func() error {
		if code, body := p.get("/readyz"); code != http.StatusOK {
			return fmt.Errorf("readyz: %s", body)
		}
		r, err := healthpb.NewHealthClient(p.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "externalscaler.ExternalScaler"})
		if err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("health: %v, %v", r, err)
		}
		return nil
	})
	p.wait("the champion serves", 10*time.Second, model(version))
	p.wait("the network forecasts", 90*time.Second, func() error {
		if _, body := p.get("/metrics"); !regexp.MustCompile(`foretide_forecasts_total\{rung="network"\} [1-9]\d\d`).MatchString(body) {
			return fmt.Errorf("not all by the network yet")
		}
		return nil
	})
	all(0)

	server.Kill()
	p.wait("the loss of Prometheus is seen", 30*time.Second, failed("source"))
	all(0)

	r, err := registry.Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	damaged := promote(t, r, now, []byte("not weights"), 2)
	p.wait("the damaged champion is seen", 10*time.Second, model("load model \\\""+damaged))
	p.wait("the old one serves on", time.Second, model(version))
	all(0)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p.wait("the loss of the store is seen", 10*time.Second, model("read champion"))
	p.wait("the old one serves on", time.Second, model(version))
	p.wait("the metrics say so", time.Second, failed("model"))
	all(0)

	p.ahead.Store(int64(30 * time.Minute))
	time.Sleep(3 * time.Second) // some steps, each of which publishes
	all(0)
	p.ahead.Store(int64(2 * time.Hour))
	p.wait("nothing counts any more", 10*time.Second, func() error {
		if _, err := p.ask(forecast.Workload{Namespace: "shop", Name: "svc-00"}); err == nil {
			return fmt.Errorf("still answered")
		}
		return nil
	})
	all(len(loads))
	if code, body := p.get("/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, body)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("exit code %d, want %d:\n%s", code, exitOK, p.log)
	}
}

// TestServeWithNothing: no store, and a Prometheus that was never there. It
// says so, answers what needs neither, and stops cleanly.
func TestServeWithNothing(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	p := startServe(t, "--prometheus", "http://127.0.0.1:1", "--state", state)
	w := forecast.Workload{Namespace: "shop", Name: "cart"}
	p.wait("the reason is told", 20*time.Second, func() error {
		_, err := p.ask(w)
		if err == nil {
			t.Fatal("answered from nothing")
		}
		if !strings.Contains(err.Error(), "history of shop/cart is being read") || !strings.Contains(err.Error(), "127.0.0.1:1") {
			return err
		}
		return nil
	})
	if _, body := p.get("/api/v1/model"); !strings.Contains(body, "no model store is given") || !strings.Contains(body, prior.Version()) {
		t.Errorf("model: %s", body)
	}
	if !strings.Contains(p.log.String(), "no model store is given; the prior forecasts\" version="+prior.Version()) {
		t.Errorf("the log does not say that there is no store:\n%s", p.log)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("exit code %d, want %d:\n%s", code, exitOK, p.log)
	}
	if saved, err := filepath.Glob(filepath.Join(state, "*")); err != nil || len(saved) != 1 {
		t.Errorf("in the state directory there is %q, %v; want one file", saved, err)
	}
}

// TestServeWithoutAPlaceForItsState: it ends before it listens or asks.
func TestServeWithoutAPlaceForItsState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"serve", "--prometheus", "http://127.0.0.1:1", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", file}, &out, &errs)
	want := fmt.Sprintf("keep state in %q", file)
	if code != exitFailure || !strings.Contains(errs.String(), want) || strings.Contains(errs.String(), "serving") {
		t.Errorf("exit code %d, want %d and %s before anything is served:\n%s", code, exitFailure, want, &errs)
	}
}

// TestServeNamesEveryMistake: exit code 2 and a line for each.
func TestServeNamesEveryMistake(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, fmt.Append(nil, sha256.Sum256(nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(line string, want ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"serve"}, strings.Fields(line)...), &out, &errs); code != exitMistake {
			t.Errorf("%s: exit code %d, want %d\n%s", line, code, exitMistake, &errs)
		}
		var missing []string
		for _, w := range want {
			if !strings.Contains(errs.String(), w) {
				missing = append(missing, w)
			}
		}
		if diff := cmp.Diff([]string(nil), missing); diff != "" {
			t.Errorf("%s: not named:\n%s\nin\n%s", line, diff, &errs)
		}
	}
	f("", "--prometheus \"\"")
	f("--prometheus ftp://x --preset itsio --grpc nowhere --http :99999999 --tls-cert a --interval 7s --model-interval 0s --drain -1s --max-workloads 0 --prometheus-header tenant --prometheus-bearer-token-file /nope --rate-window 1s",
		"--prometheus \"ftp://x\"", "--preset \"itsio\"", "--grpc \"nowhere\"", "--http \":99999999\"", "--tls-cert \"a\" and --tls-key \"\"", "--interval 7s",
		"--model-interval 0s", "--drain -1s", "--max-workloads 0", "--prometheus-header", "--prometheus-bearer-token-file \"/nope\"", "--rate-window \"1s\"")
	f("--prometheus http://x --tls-client-ca ca.crt", "--tls-client-ca \"ca.crt\"")
	f("--prometheus http://x --state /tmp --calibrate=false", "--state \"/tmp\": want it with --calibrate only")
	f("--prometheus http://x --tls-cert "+junk+" --tls-key "+junk+" --tls-client-ca "+junk, "load certificate", "load client authority")
	f("--prometheus http://x --query up --preset istio --query-workload-label 0", "--preset \"istio\": want none beside --query", "--query-workload-label \"0\"")
	f("--prometheus http://x --store nowhere://x --grpc 127.0.0.1:0 --http 127.0.0.1:0", "--store \"nowhere://x\"")
}
