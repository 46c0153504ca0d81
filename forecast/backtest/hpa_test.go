package backtest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

func start() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) }

func newHPA(t *testing.T, s backtest.Scaling, pods int) *backtest.HPA {
	t.Helper()
	h, err := backtest.NewHPA(s, pods)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Each line is one sync: the metric, and then the pods and those that serve.
func TestHPA(t *testing.T) {
	f := func(name string, change func(*backtest.Scaling), pods int, steps string) {
		t.Helper()
		s := backtest.DefaultScaling()
		s.Target = 10
		if change != nil {
			change(&s)
		}
		h := newHPA(t, s, pods)
		now := start()
		for line := range strings.FieldsSeq(steps) {
			metric, want, _ := strings.Cut(line, "=")
			var times int
			var value float64
			if n, _ := fmt.Sscanf(metric, "%dx%g", &times, &value); n != 2 {
				t.Fatalf("%s: bad line %q", name, line)
			}
			for range times {
				h.Sync(now, value)
				now = now.Add(backtest.SyncPeriod)
			}
			got := fmt.Sprintf("%d/%d", h.Ready(now.Add(-backtest.SyncPeriod)), h.Pods())
			if got != want {
				t.Fatalf("%s: after %q at %v: %s, want %s", name, line, now.Sub(start()), got, want)
			}
		}
	}
	f("within the tolerance nothing happens", nil, 10, "1x100=10/10 1x109=10/10 1x91=10/10 1x111=10/12")
	f("up by four or to the double", nil, 2, "1x1000=2/6 1x1000=2/12 1x1000=2/24 1x1000=2/48 1x1000=2/96 1x2000=2/100")
	f("ready after start-up", nil, 4, "1x80=4/8 7x80=4/8 1x80=8/8")
	f("ready at once", func(s *backtest.Scaling) { s.Startup = 0 }, 4, "1x80=8/8")
	f("down after five minutes", nil, 10, "1x100=10/10 20x50=10/10 1x50=5/5")
	f("down to the highest of the window", nil, 10, "1x100=10/10 10x50=10/10 1x70=10/10 9x30=10/10 1x30=7/7 9x30=7/7 1x30=7/7 1x30=3/3")
	f("the newest go first", func(s *backtest.Scaling) { s.Stabilisation = 0 }, 4, "1x80=4/8 1x60=4/6 1x20=2/2 1x40=2/4")
	f("bounds", func(s *backtest.Scaling) { s.Min, s.Max, s.Stabilisation = 2, 5, 0 }, 3, "1x1000=3/5 1x0=2/2")
	f("no metric, no change", nil, 4, "1xNaN=4/4 1x80=4/8 1xNaN=4/8")
	f("rounding asks for no pod too many", nil, 1, "1x30.000000001=1/3")
	f("a rule of one pod a minute", func(s *backtest.Scaling) {
		s.Up, s.Startup = []backtest.Rule{{Pods: 1, Period: time.Minute}}, 0
	}, 4, "1x90=5/5 3x90=5/5 1x90=6/6 4x90=7/7")
	f("the most permissive rule counts", func(s *backtest.Scaling) {
		s.Up, s.Startup = []backtest.Rule{{Pods: 2, Period: time.Minute}, {Percent: 25, Period: time.Minute}}, 0
	}, 4, "1x500=6/6 3x500=6/6 1x500=8/8 4x500=10/10 4x500=13/13")
	f("down by a tenth a minute", func(s *backtest.Scaling) {
		s.Down, s.Stabilisation = []backtest.Rule{{Percent: 10, Period: time.Minute}}, 0
	}, 20, "1x10=18/18 3x10=18/18 1x10=16/16")
	f("none may go", func(s *backtest.Scaling) { s.Down, s.Stabilisation = []backtest.Rule{{Period: time.Minute}}, 0 }, 20, "9x10=20/20")
	f("no rules, as asked for", func(s *backtest.Scaling) { s.Up, s.Down, s.Startup = nil, nil, 0 }, 1, "1x500=50/50")
	f("a metric that is kept", func(s *backtest.Scaling) { s.Polling, s.Startup = 30*time.Second, 0 }, 1, "1x20=2/2 1x40=2/2 1x40=4/4 1x60=4/4 1x60=6/6")
	f("a metric beyond all sense", nil, 90, "1x1e300=90/100")
}

func TestScalingCheck(t *testing.T) {
	_, err := backtest.NewHPA(backtest.Scaling{Max: -1, Startup: -time.Second, Tolerance: 2, Stabilisation: -1, Polling: -1, Up: []backtest.Rule{{Pods: -1}}}, 1)
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"target 0", "min 0", "max -1", "startup -1s", "tolerance 2", "stabilisation -1ns", "polling -1ns", "rule {-1 0 0s}"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("error %q does not name %q", err, field)
		}
	}
}

func TestLedger(t *testing.T) {
	l := backtest.Ledger{PerPod: 10}
	now := start()
	for i := range 12 {
		rate, pods := 20.0, 4
		if i == 5 || i == 6 { // twice in the second minute
			rate = 32
		}
		if i == 11 {
			pods = 3
		}
		l.Tick(now, rate, pods, 2)
		now = now.Add(backtest.SyncPeriod)
	}
	want := backtest.Ledger{PerPod: 10, Minutes: 3, Short: 1, PodHours: 0.195833333, Offered: 3960, Unserved: 360, Events: 1}
	got := backtest.Ledger{PerPod: l.PerPod, Minutes: l.Minutes, Short: l.Short, PodHours: math.Round(l.PodHours*1e9) / 1e9, Offered: l.Offered, Unserved: l.Unserved, Events: l.Events}
	if got != want {
		t.Errorf("ledger %+v, want %+v", got, want)
	}
}

func TestReactive(t *testing.T) {
	nan := math.NaN()
	s := forecast.Series{Start: start(), Values: []float64{nan, 4, 8, nan, 100}}
	f := func(after time.Duration, want float64) {
		t.Helper()
		if got := backtest.Reactive(s, start().Add(after), 2*time.Minute); math.Abs(got-want) > 1e-9 || math.IsNaN(got) != math.IsNaN(want) {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
	f(30*time.Second, nan)
	f(135*time.Second, 4)                // only the second minute is known
	f(195*time.Second, 6)                // the second and the third
	f(180*time.Second, (4*60+8*45)/105.) // the first 15 s of the window are not known
	f(255*time.Second, 8)                // the fourth repeats the third
	f(270*time.Second, (8*105+100*15)/120.)
}

// The evaluation's own replay must see the same pods on the same metric.
func TestHPAAgreesWithEvaluation(t *testing.T) {
	type run struct {
		Value                          []float64
		Target                         float64
		Startup, Min, Max, First, Seed int
	}
	r := rand.New(rand.NewPCG(1, 9))
	var runs []run
	for i := range 12 {
		x := run{Target: 0.5 + 20*r.Float64(), Startup: 15 * r.IntN(20), Min: 1 + r.IntN(3), Max: 20 + r.IntN(100), First: 1 + r.IntN(20), Seed: i}
		level := x.Target * 10
		for k := range 2000 {
			level = max(level*math.Exp(0.15*r.NormFloat64())+0.02*(x.Target*12-level), 0)
			v := level
			if k%97 == 0 {
				v *= 5
			}
			x.Value = append(x.Value, v)
		}
		runs = append(runs, x)
	}
	out := evaluation(t, `
import json, sys
import numpy as np
from replay import hpa_sim
for r in json.load(sys.stdin):
    n = len(r["Value"])
    first = min(max(r["First"], r["Min"]), r["Max"])
    alive, ready, _ = hpa_sim(None, 1, np.array(r["Value"]), np.full(n, r["Target"]), r["Startup"], r["Min"], r["Max"], first)
    print(json.dumps([alive.tolist(), ready.tolist()]))
`, runs)
	decoder := json.NewDecoder(strings.NewReader(out))
	for _, x := range runs {
		var want [2][]int
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		s := backtest.DefaultScaling()
		s.Target, s.Startup, s.Min, s.Max = x.Target, time.Duration(x.Startup)*time.Second, x.Min, x.Max
		h := newHPA(t, s, x.First)
		var got [2][]int
		now := start()
		for _, v := range x.Value {
			got[0] = append(got[0], h.Sync(now, v))
			got[1] = append(got[1], h.Ready(now))
			now = now.Add(backtest.SyncPeriod)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("run %d: pods, ready (-evaluation +ours):\n%.2000s", x.Seed, diff)
		}
	}
}
