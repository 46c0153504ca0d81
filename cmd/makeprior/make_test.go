package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
)

// folder has every set that is learnt from: one series of single minutes each,
// and in the first one an hourly one and one below zero.
func folder(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write := func(set, name string, value func(i int) int) {
		t.Helper()
		var b strings.Builder
		fmt.Fprintln(&b, "timestamp,value")
		for i := range 4000 {
			fmt.Fprintf(&b, "%d,%d\n", 60*i, value(i))
		}
		if err := os.MkdirAll(filepath.Join(root, set), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, set, name+".csv"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for k, set := range sets() {
		write(set, "minutes", func(i int) int { return 100*(k+1) + i%7 + int(50*math.Sin(2*math.Pi*float64(i)/1440)) })
	}
	write(sets()[0], "hours", func(i int) int { return i / 60 })
	write(sets()[0], "below", func(i int) int { return i - 10 })
	write("wsd", "minutes", func(i int) int { return i % 11 })
	return root
}

func TestRead(t *testing.T) {
	var said bytes.Buffer
	histories, err := read(folder(t), &said)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, h := range histories {
		got = append(got, h.Workload.String())
		if h.Len() != 2800 {
			t.Errorf("%s: %d minutes, want the first 70 %% of 4000", h.Workload, h.Len())
		}
	}
	for _, set := range sets() {
		want = append(want, set+"/minutes")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("histories (-want +got):\n%s", d)
	}
	for _, line := range []string{"left out: aiops_kpi/hours: no rates of single minutes", `below.csv": line 2: value "-10"`} {
		if !strings.Contains(said.String(), line) {
			t.Errorf("it said %q, want %q in it", said.String(), line)
		}
	}
	if _, err := read(t.TempDir(), io.Discard); err == nil {
		t.Error("no error for a folder without the sets")
	}
}

// TestSetsAreNamed holds the sets against NOTICE, which their licences ask for.
func TestSetsAreNamed(t *testing.T) {
	notice, err := os.ReadFile("../../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets() {
		if !strings.Contains(string(notice), "\n\n"+set+"\n") {
			t.Errorf("NOTICE has no paragraph that begins with %s", set)
		}
	}
	for _, never := range []string{"wsd", "twitter_stream_2021"} {
		if slices.Contains(sets(), never) {
			t.Errorf("%s is learnt from, and nobody has licensed it", never)
		}
	}
}

func TestStair(t *testing.T) {
	f := func(want int, values ...float64) {
		t.Helper()
		if got := stair(values); got != want {
			t.Errorf("stair of %v is %d, want %d", values, got, want)
		}
	}
	nan := math.NaN()
	f(0)
	f(0, 3, 3, 3, 3)
	f(1, 1, 2, 2, 2)
	f(2, 1, 1, 2, 2, 2, 2, 5)
	f(3, 1, 1, 1, nan, nan, nan, 2)
	f(1, 0, 0, 0, 0, 7, 0, 0)
}

func TestWeights(t *testing.T) {
	of := func(lengths ...int) (all []forecast.History) {
		for _, n := range lengths {
			all = append(all, forecast.History{Series: forecast.Series{Values: make([]float64, n)}})
		}
		return all
	}
	recorded, generated := of(100, 400), of(900, 900, 2500)
	weights := options{recorded: 0.75}.weights(recorded, generated)
	var sum, all float64
	for i, h := range slices.Concat(recorded, generated) {
		drawn := weights[i] * math.Sqrt(float64(h.Len()))
		all += drawn
		if i < len(recorded) {
			sum += drawn
		}
	}
	if share := sum / all; math.Abs(share-0.75) > 1e-12 || weights[0] != weights[1] || weights[2] != weights[4] {
		t.Errorf("weights %v draw a share of %v from what was recorded, want 0.75", weights, share)
	}
}

// TestRun makes a tiny prior twice, and one of another seed.
func TestRun(t *testing.T) {
	traces := folder(t)
	made := func(seed string) (weights []byte, said string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "prior.model")
		var stdout bytes.Buffer
		args := []string{"--traces", traces, "--out", out, "--budget", "1s", "--workloads", "3", "--days", "4", "--seed", seed}
		if err := run(context.Background(), args, &stdout, io.Discard); err != nil {
			t.Fatal(err)
		}
		weights, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return weights, stdout.String()
	}
	one, said := made("1")
	again, _ := made("1")
	other, _ := made("2")
	if !bytes.Equal(one, again) || bytes.Equal(one, other) {
		t.Error("want the same weights for the same seed, and others for another one")
	}
	if _, err := lstm.Decode(bytes.NewReader(one)); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"sha256 ", "6 recorded", "validation 0."} {
		if !strings.Contains(said, part) {
			t.Errorf("it said %q, want %q in it", said, part)
		}
	}
}

func TestMistakes(t *testing.T) {
	f := func(line string, want ...string) {
		t.Helper()
		err := run(context.Background(), strings.Fields(line), io.Discard, io.Discard)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v, want %q in it", line, err, w)
			}
		}
	}
	f("--budget 0s --workloads 0 --days 1 --recorded 1 --young 0 more",
		`argument "more"`, "--traces: want", "--budget 0s", "--workloads 0", "--days 1", "--recorded 1", "--young 0")
	f("--traces /not/there", "/not/there")
}
