package backtest_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
	"github.com/foretide/foretide/forecast/trace"
)

// lively is a series with a daily wave, bursts and gaps.
func lively(name string, minutes int, seed uint64) forecast.History {
	r := rand.New(rand.NewPCG(seed, 5))
	h := forecast.History{
		Workload: forecast.Workload{Namespace: "set", Name: name},
		Series:   forecast.Series{Start: time.Unix(1_700_000_000, 0).UTC(), Values: make([]float64, minutes)},
	}
	burst := 1.0
	for i := range h.Values {
		if burst = 1 + 0.7*(burst-1); r.IntN(150) == 0 {
			burst = 3
		}
		h.Values[i] = math.Round(60*20*burst*(1.5+math.Sin(2*math.Pi*float64(i)/1440))*math.Exp(0.1*r.NormFloat64())) / 60
		if i > 0 && i < minutes-1 && r.IntN(200) == 0 {
			h.Values[i] = math.NaN()
		}
	}
	return h
}

func replayer() backtest.Replayer {
	policy := replica.Defaults()
	policy.LeadTime, policy.ShortMinute = 2*time.Minute, 60
	return backtest.Replayer{Planner: plan.Planner{Network: baseline.LastValue()}, Policy: policy, Scaling: backtest.DefaultScaling()}
}

// The evaluation's own replay must come to the same figures, for our answers as
// for the rivals.
func TestReplayAgreesWithEvaluation(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "set"), 0o755); err != nil {
		t.Fatal(err)
	}
	meta, list := "ds,series,role\n", "series,from_unix,to_unix,capacity\n"
	var windows []backtest.Window
	for i, name := range []string{"a", "b"} {
		h := lively(name, 2400, uint64(i))
		file, err := os.Create(filepath.Join(dir, "set", name+".csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(file)
		if err := trace.Write(z, h); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		file.Close()
		w, err := backtest.ChooseWindow(h, 0)
		if err != nil {
			t.Fatal(err)
		}
		windows = append(windows, w)
		meta += "set," + name + ",dev\n"
		list += fmt.Sprintf("set/%s,%d,%d,%v\n", name, w.From.Unix(), w.To.Unix(), 60*w.PerPod)
	}
	replayed, err := replayer().Replay(t.Context(), windows)
	if err != nil {
		t.Fatal(err)
	}
	answers := "series,unix,value,target\n"
	for i, r := range replayed {
		for _, a := range r.Answers {
			answers += fmt.Sprintf("%s,%d,%v,%v\n", windows[i].History.Workload, a.At.Unix(), 60*a.Value, 60*a.Target)
		}
	}
	for name, text := range map[string]string{"series.csv": meta, "windows.csv": list, "answers.csv": answers} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out.json")
	scorer(t, "replay.py", "run", dir, filepath.Join(dir, "windows.csv"), "--no-default", "--policy", "oracle", "reactive1m:0.7",
		"--decisions", "me="+filepath.Join(dir, "answers.csv"), "--json", out)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	type figures struct {
		Minutes  int     `json:"minutes"`
		Short    float64 `json:"short_min_pct"`
		Unserved float64 `json:"unserved_pct"`
		PodHours float64 `json:"pod_hours"`
	}
	var want map[string]struct {
		By map[string]figures `json:"by_series"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for i, w := range windows {
		oracle, err := backtest.Oracle(w, backtest.DefaultScaling())
		if err != nil {
			t.Fatal(err)
		}
		ways, err := backtest.Tune(w, backtest.DefaultScaling(), backtest.ReactiveMetric(w))
		if err != nil {
			t.Fatal(err)
		}
		courses := map[string]backtest.Course{"dec:me": replayed[i].Course, "oracle": oracle}
		for _, way := range ways {
			if way.Utilisation == 0.7 {
				courses["reactive1m:0.7"] = way.Course
			}
		}
		for policy, c := range courses {
			got := figures{c.Minutes, 100 * float64(c.Short) / float64(c.Minutes), 100 * c.Unserved / c.Offered, c.PodHours}
			at := fmt.Sprintf("%s@%d", w.History.Workload, w.From.Unix())
			if diff := cmp.Diff(want[policy].By[at], got, cmpopts.EquateApprox(1e-6, 1e-9)); diff != "" {
				t.Errorf("%s of %s (-evaluation +ours):\n%s", policy, at, diff)
			}
		}
	}
}

// What was answered may not depend on what came later.
func TestReplayKnowsNoFuture(t *testing.T) {
	h := lively("a", 1400, 3)
	w, err := backtest.ChooseWindow(h, 0)
	if err != nil {
		t.Fatal(err)
	}
	cut := w.From.Add(2 * time.Hour)
	other := w
	other.History.Values = append([]float64(nil), h.Values...)
	for i := h.Index(cut); i < h.Len(); i++ {
		other.History.Values[i] = 1000
	}
	got, err := replayer().Replay(t.Context(), []backtest.Window{w, other})
	if err != nil {
		t.Fatal(err)
	}
	until := func(r backtest.Replayed) (answers []backtest.Answer) {
		for _, a := range r.Answers {
			if !a.At.After(cut) {
				answers = append(answers, a)
			}
		}
		return answers
	}
	a, b := until(got[0]), until(got[1])
	if len(a) != 121 {
		t.Errorf("%d answers in two hours, want 121", len(a))
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("another future, other answers before it:\n%s", diff)
	}
	if cmp.Equal(got[0].Answers, got[1].Answers) {
		t.Error("another past, and the same answers after it")
	}
}

// A calibration learns before the window, so it answers otherwise from the
// first minute on.
func TestReplayCalibrates(t *testing.T) {
	w, err := backtest.ChooseWindow(lively("a", 4000, 4), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.To = w.From.Add(40 * time.Minute)
	r := replayer()
	minutes := 0
	r.Calls, r.Calibrate, r.OnMinute = 1, true, func() { minutes++ }
	got, err := r.Replay(t.Context(), []backtest.Window{w})
	if err != nil {
		t.Fatal(err)
	}
	if minutes != 40 || len(got[0].Answers) != 40 || len(got[0].Pods) != 40 || got[0].Minutes != 10 {
		t.Errorf("told of %d minutes, %d answers, %d of pods, %d counted; want 40, 40, 40, 10", minutes, len(got[0].Answers), len(got[0].Pods), got[0].Minutes)
	}
	r.Calibrate = false
	plain, err := r.Replay(t.Context(), []backtest.Window{w})
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(got[0].Answers, plain[0].Answers) {
		t.Error("the same answers with a calibration as without")
	}
}

func TestMatch(t *testing.T) {
	way := func(u float64, short int, hours float64) backtest.Tuned {
		return backtest.Tuned{Utilisation: u, Course: backtest.Course{Ledger: backtest.Ledger{Short: short, PodHours: hours}}}
	}
	all := []backtest.Tuned{way(0.9, 50, 10), way(0.8, 20, 12), way(0.7, 21, 11), way(0.6, 5, 20)}
	f := func(short int, want float64, within bool) {
		t.Helper()
		if got, ok := backtest.Match(all, short); got.Utilisation != want || ok != within {
			t.Errorf("at most %d short: %v %v, want %v %v", short, got.Utilisation, ok, want, within)
		}
	}
	f(100, 0.9, true)
	f(49, 0.7, true)
	f(20, 0.8, true)
	f(5, 0.6, true)
	f(4, 0.6, false)
}

func TestReadWindows(t *testing.T) {
	histories := []forecast.History{lively("a", 600, 1)}
	from := histories[0].Time(100).Unix()
	read := func(lines ...string) ([]backtest.Window, error) {
		return backtest.ReadWindows(strings.NewReader(strings.Join(lines, "\n")), histories)
	}
	got, err := read("capacity,series,from_unix,to_unix,note", fmt.Sprintf("120,set/a,%d,%d,x", from+7, from+1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	want := []backtest.Window{{History: histories[0], From: histories[0].Time(100), To: histories[0].End(), PerPod: 2}}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	f := func(want string, lines ...string) {
		t.Helper()
		if _, err := read(lines...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", lines, err, want)
		}
	}
	const header = "series,from_unix,to_unix,capacity"
	f("header")
	f("want the columns", "series,from_unix")
	f("no line", header)
	f(`series "set/b": no such series among 1`, header, "set/b,1,2,3")
	f(`capacity "much"`, header, fmt.Sprintf("set/a,%d,%d,much", from, from+6000))
	f("capacity 0: want", header, fmt.Sprintf("set/a,%d,%d,0", from, from+6000))
	f("from -40: want", header, "set/a,1,1700006000,3")
	f("to ", header, fmt.Sprintf("set/a,%d,%d,3", from, from+600))
	if _, err := backtest.ChooseWindow(lively("a", 300, 1), 0); err == nil || !strings.Contains(err.Error(), "want at least 120") {
		t.Errorf("a short series: %v", err)
	}
}
