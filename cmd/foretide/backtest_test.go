package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/trace"
)

// recorded is a folder of three series, of which one is too short to forecast.
func recorded(t *testing.T) (dir string, histories []forecast.History) {
	t.Helper()
	dir = t.TempDir()
	for _, s := range []struct {
		name string
		n    int
	}{{"cart", 4000}, {"checkout", 3600}, {"young", 600}} {
		h := forecast.History{
			Workload: forecast.Workload{Namespace: "shop", Name: s.name},
			Series:   forecast.Series{Start: time.Unix(1_700_000_000, 0).UTC(), Values: make([]float64, s.n)},
		}
		for i := range h.Values {
			h.Values[i] = math.Round(600*(2+math.Sin(2*math.Pi*float64(i)/1440)+0.3*math.Sin(float64(i*i)))) / 60
		}
		var file bytes.Buffer
		if err := trace.Write(&file, h); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "shop"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "shop", s.name+".csv"), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		histories = append(histories, h)
	}
	return dir, histories
}

func foretide(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestBacktestBaseline(t *testing.T) {
	traces, _ := recorded(t)
	out := t.TempDir()
	steps, peaks := filepath.Join(out, "f.csv.gz"), filepath.Join(out, "p.csv")
	code, stdout, stderr := foretide(t.Context(), "backtest", "--traces", traces, "--forecaster", "seasonal-naive-day", "--online=false", "--forecasts", steps, "--peaks", peaks, "--output", "json")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var report struct {
		Model   *string
		Results []struct {
			Forecaster string
			Forecasts  int
			Overall    accuracy.Scores
			Series     []struct{ Series string }
		}
		LeftOut []struct{ Series, Why string } `json:"leftOut"`
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	var by []string
	for _, r := range report.Results {
		by = append(by, r.Forecaster)
	}
	if diff := cmp.Diff([]string{"seasonal-naive-day", "last-value", "ewma", "seasonal-naive-week", "holt-winters"}, by); diff != "" {
		t.Errorf("forecasters (-want +got):\n%s", diff)
	}
	first := report.Results[0]
	if r := float64(first.Overall.Horizons[accuracy.All].MASERatio); math.Abs(r-1) > 1e-6 {
		t.Errorf("seasonal naive is %v of itself, want 1", r)
	}
	if report.Model != nil || len(first.Series) != 2 || len(report.LeftOut) != 1 || report.LeftOut[0].Series != "shop/young" {
		t.Errorf("model %v, %d series, left out %v; want none, 2 and shop/young", report.Model, len(first.Series), report.LeftOut)
	}

	if diff := cmp.Diff([]string{"f.csv.gz", "p.csv"}, names(t, out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := lines(t, steps); len(got) != 1+60*first.Forecasts || !strings.HasPrefix(got[1], "shop/cart,17") {
		t.Errorf("%d lines of steps, the first %q; want one for each of 60 steps of %d forecasts", len(got), got[1], first.Forecasts)
	}
	if got := lines(t, peaks); len(got) != 1+2*first.Forecasts {
		t.Errorf("%d lines of peaks, want two for each of %d forecasts", len(got), first.Forecasts)
	}
}

func TestBacktestText(t *testing.T) {
	traces, histories := recorded(t)
	origins := filepath.Join(t.TempDir(), "origins.csv")
	h := histories[0]
	if err := os.WriteFile(origins, fmt.Appendf(nil, "series,origin_unix\n%s,%d\n", h.Workload, h.Time(500).Unix()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := foretide(t.Context(), "backtest", "--traces", traces, "--forecaster", "last-value", "--origins", origins)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"last-value, calibrated: 1 series, 1 forecasts", "1-5 ", "6-15 ", "16-60 ", "all ", "holt-winters", "next 15 min"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "by=last-value done=1 of=1") {
		t.Errorf("no progress in %q", stderr)
	}
}

// A trained version is found as the champion and by name.
func TestBacktestNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("fits a network")
	}
	traces, _ := recorded(t)
	dir := t.TempDir()
	call := func(args ...string) (int, string, string) {
		return foretide(t.Context(), append([]string{"backtest", "--traces", traces, "--store", "file://" + dir}, args...)...)
	}
	if code, _, stderr := call(); code != exitFailure || !strings.Contains(stderr, "foretide train") {
		t.Errorf("empty store: exit code %d, %q; want %d and what to do", code, stderr, exitFailure)
	}
	version := publish(t, dir, time.Unix(1_700_000_000, 0).UTC())
	var byName string
	for _, args := range [][]string{{"--model", version}, nil} {
		code, stdout, stderr := call(append(args, "--output", "json")...)
		if code != exitOK || !strings.Contains(stdout, `"model": "`+version+`"`) || !strings.Contains(stdout, `"forecaster": "lstm, calibrated"`) {
			t.Fatalf("%v: exit code %d: %s\n%.300s", args, code, stderr, stdout)
		}
		if byName == "" {
			byName = stdout
		} else if diff := cmp.Diff(byName, stdout); diff != "" {
			t.Errorf("the same version gives another report (-by name +as champion):\n%s", diff)
		}
	}
	if code, _, stderr := call("--model", "20260101T000000Z-00000000"); code != exitMistake || !strings.Contains(stderr, "--model") {
		t.Errorf("unknown version: exit code %d, %q; want %d and the flag", code, stderr, exitMistake)
	}
}

// The network that the binary brings needs no store, and an hour of history
// gives other figures than all of it, to the baselines too.
func TestBacktestPrior(t *testing.T) {
	traces, _ := recorded(t)
	run := func(args ...string) (r backtestReport) {
		t.Helper()
		code, stdout, stderr := foretide(t.Context(), append([]string{"backtest", "--traces", traces, "--model", "prior", "--every", "30m", "--output", "json"}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		if r.Model != prior.Version() || r.Results[0].Forecaster != "lstm, calibrated" || r.Results[1].Forecaster != "last-value" {
			t.Errorf("%v: model %q, first %q, then %q", args, r.Model, r.Results[0].Forecaster, r.Results[1].Forecaster)
		}
		return r
	}
	all, hour := run(), run("--history", "1h")
	for i, r := range all.Results[:2] {
		a, b := r.Overall.Horizons[accuracy.All], hour.Results[i].Overall.Horizons[accuracy.All]
		if r.Forecasts != hour.Results[i].Forecasts || !(b.CRPSRatio > a.CRPSRatio) {
			t.Errorf("%s: %d forecasts with CRPS %v, of an hour %d with %v; want as many, and worse ones", r.Forecaster, r.Forecasts, a.CRPSRatio, hour.Results[i].Forecasts, b.CRPSRatio)
		}
	}
}

func TestBacktestMistakes(t *testing.T) {
	traces, histories := recorded(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, fmt.Appendf(nil, "series,origin_unix\nshop/nobody,5\n%s,6\n", histories[0].Workload), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(args string, want ...string) {
		t.Helper()
		code, stdout, stderr := foretide(t.Context(), append([]string{"backtest"}, strings.Fields(args)...)...)
		if code != exitMistake || stdout != "" {
			t.Errorf("%s: exit code %d and stdout %q, want %d and none", args, code, stdout, exitMistake)
		}
		for _, w := range want {
			if !strings.Contains(stderr, w) {
				t.Errorf("%s: no %q in %q", args, w, stderr)
			}
		}
	}
	f("", "--traces: want", "--store: want")
	f("--traces nowhere --origins nowhere --peaks nowhere/p --forecasts "+dir,
		`--traces "nowhere": no such file`, "--store: want", `--origins "nowhere": no such file`, `--peaks "nowhere/p": its folder: no such file`, `--forecasts "`+dir+`": want a file`)
	f("--traces "+file+" --forecaster last-value --store mem:// --model x --origins "+dir, `--traces "`+file+`": want a folder`, `--store "mem://": want none`, `--model "x": want none`, `--origins "`+dir+`": want a file`)
	f("--traces "+traces+" --forecaster last-value --peaks x --forecasts x", "want another file")
	f("--traces "+traces+" --forecaster nobody", `--forecaster "nobody": want lstm or last-value`)
	f("--traces "+traces+" --forecaster last-value --origins "+file, `"shop/nobody": no such series`, `origin 6: want a stamp`)
	f("--traces "+traces+" --forecaster last-value --every 90s", "--every 1m30s: want a multiple of 1m0s")
	f("--traces "+traces+" --model prior --history 90s --store mem://", "--history 1m30s", `--store "mem://": want none with --model prior`)
	f("--traces "+traces+" --store gopher://x", "--store: ")
}

// A run that is cut short leaves no file, and what stood there as it was.
func TestBacktestCutShort(t *testing.T) {
	traces, _ := recorded(t)
	out := t.TempDir()
	path := filepath.Join(out, "f.csv")
	if err := os.WriteFile(path, []byte("older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	code, stdout, stderr := foretide(ctx, "backtest", "--traces", traces, "--forecaster", "last-value", "--forecasts", path)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if got := lines(t, path); len(got) != 1 || got[0] != "older" {
		t.Errorf("the older file became %q", got)
	}
	if diff := cmp.Diff([]string{"f.csv"}, names(t, out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestForecastFilesOnAFullDisk(t *testing.T) {
	out, err := createForecastFiles(filepath.Join(t.TempDir(), "f.csv"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.discard()
	out.files[0].temp.Close() // as good as full: no write succeeds
	if err := errors.Join(out.add(forecast.Forecast{}), out.commit()); err == nil {
		t.Error("no error where nothing can be written")
	}
	if _, err := os.Stat(out.files[0].path); err == nil {
		t.Error("a file that could not be written is there")
	}
}
