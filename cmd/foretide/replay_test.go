package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReplay(t *testing.T) {
	if testing.Short() {
		t.Skip("fits a network")
	}
	traces, histories := recorded(t)
	store, out := t.TempDir(), t.TempDir()
	version := publish(t, store, time.Unix(1_700_000_000, 0).UTC())
	decisions, page, windows := filepath.Join(out, "d.csv"), filepath.Join(out, "r.html"), filepath.Join(out, "w.csv")
	h := histories[0]
	from, to := h.Time(3000), h.Time(3120)
	if err := os.WriteFile(windows, fmt.Appendf(nil, "series,from_unix,to_unix,capacity\n%s,%d,%d,90\n", h.Workload, from.Unix(), to.Unix()), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := foretide(t.Context(), append([]string{"replay", "--traces", traces, "--store", "file://" + store, "--windows", windows}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	var report replayReport
	if err := json.Unmarshal([]byte(call("--decisions", decisions, "--report", page, "--output", "json")), &report); err != nil {
		t.Fatal(err)
	}
	var ways []string
	for _, w := range report.Ways {
		ways = append(ways, w.Way)
	}
	if diff := cmp.Diff([]string{"foretide", "reactive, tuned", "reactive at 70 %", "with the day before, tuned", "oracle"}, ways); diff != "" {
		t.Errorf("ways (-want +got):\n%s", diff)
	}
	oracle := report.Ways[wayOracle]
	if report.Model != version || len(report.Windows) != 1 || oracle.OverOracle != 1 || oracle.ShortPercent != 0 || report.Ways[wayForetide].OverOracle < 1 {
		t.Errorf("report %+v", report)
	}

	rows := lines(t, decisions)
	if len(rows) != 1+120 || rows[0] != "series,unix,value,target" || !strings.HasPrefix(rows[1], fmt.Sprintf("shop/cart,%d,", from.Unix())) || !strings.HasSuffix(rows[1], ",90") {
		t.Errorf("%d lines, %q and %q; want a header and one a minute from %d on, with target 90", len(rows), rows[0], rows[1], from.Unix())
	}
	html := strings.Join(lines(t, page), "\n")
	for _, want := range []string{"<svg", "shop/cart", "a short minute costs 120 minutes of a pod", version} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, never := range []string{"http:", "https:", "src=", "ZgotmplZ", "NaN"} {
		if strings.Contains(html, never) {
			t.Errorf("%q in the page, which must need no network and have no hole", never)
		}
	}

	text := call("--quantile", "0.9")
	for _, want := range []string{"ready for the 0.9 quantile", "OF THE ORACLE'S", "Against a reactive trigger"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestReplayMistakes(t *testing.T) {
	traces, _ := recorded(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("series\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(args string, want ...string) {
		t.Helper()
		code, stdout, stderr := foretide(t.Context(), append([]string{"replay"}, strings.Fields(args)...)...)
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
	f("--traces "+file+" --store mem:// --windows nowhere --report nowhere/r --decisions "+traces,
		`--traces "`+file+`": want a folder`, `--windows "nowhere": no such file`, `--report "nowhere/r": its folder`, `--decisions "`+traces+`": want a file`)
	f("--traces "+traces+" --store mem:// --startup -1s --quantile 2 --short-minute -1 --capacity 3 --windows "+file,
		"--startup -1s: want", "--quantile 2: want", "--short-minute -1: want", "--capacity 3: want it in the file")
	f("--traces "+traces+" --store mem:// --report x --decisions x", "want another file")
	f("--traces "+traces+" --store mem:// --model prior", `--store "mem://": want none with --model prior`)
}
