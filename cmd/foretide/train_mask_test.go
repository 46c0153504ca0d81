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

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/training"
)

func TestTrainMask(t *testing.T) {
	histories := smallShop(monday(), 3)
	down := histories[0].Between(monday().Add(-40*time.Hour), monday().Add(-39*time.Hour))
	for i := range down.Values {
		down.Values[i] = 0
	}
	histories[1].Labelled = []forecast.Interval{{From: monday().Add(-30 * time.Hour), To: monday().Add(-29 * time.Hour)}}
	traces := traceFolder(t, histories)
	file := filepath.Join(t.TempDir(), "incidents.csv")
	text := fmt.Sprintf("workload,from,to,why\n%s,%s,%s,a test of load\nshop/gone,1,2,\n", histories[1].Workload, "2026-03-07T10:00:00Z", "2026-03-07T11:30:00Z")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(args string, want ...string) {
		t.Helper()
		stdout, stderr := succeed(t, "train --traces "+traces+" --store mem:// --budget 1s --output json "+args)
		var report training.Report
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range report.Masked {
			if m.Known > 30 { // a few minutes here and there may look like one
				got = append(got, fmt.Sprintf("%s %s %s+%d", m.Kind, m.Workload, m.From.Format("02T15:04"), m.Minutes()))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("train %s (-want +got):\n%s", args, d)
		}
		for _, m := range want {
			if kind, _, _ := strings.Cut(m, " "); !strings.Contains(stderr, "msg=masked kind="+kind) {
				t.Errorf("train %s: the log does not name the %s:\n%s", args, kind, stderr)
			}
		}
		if strings.Contains(args, "--mask-file") != strings.Contains(stderr, `msg="span without history"`) {
			t.Errorf("train %s: the log reads\n%s", args, stderr)
		}
	}
	accounts, other := histories[0].Workload.String(), histories[1].Workload.String()
	outage, label := "outage "+accounts+" 07T08:00+60", "labelled "+other+" 07T18:00+60"
	named := "labelled " + other + " 07T10:00+90"
	f("", outage, label)
	f("--mask auto --mask-file "+file, outage, named, label)
	f("--mask labels", label)
	f("--mask labels --mask-file "+file, named, label)
	f("--mask off")

	stdout, _ := succeed(t, "train --traces "+traces+" --store mem:// --budget 1s --mask labels")
	if !strings.Contains(stdout, "\nmasked   1 labelled in 1 of 2 histories: 60 known minutes\n") {
		t.Errorf("the report reads\n%s", stdout)
	}
}

// succeed runs a command line that must succeed.
func succeed(t *testing.T, line string) (stdout, stderr string) {
	t.Helper()
	return want(t, strings.Fields(line)...)
}

func TestTrainMaskMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "incidents.csv")
	if err := os.WriteFile(file, []byte("workload,from,to\nshop/cart,1,0\nshop/,1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(line, want string) {
		t.Helper()
		code, _, stderr := call(t, strings.Fields(line)...)
		if code != exitMistake || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s", line, code, exitMistake, want, stderr)
		}
	}
	f("train --mask some", `"some": want auto or labels or off`)
	f("train --mask off --mask-file "+file, "--mask-file: want it without --mask=off only")
	f("train --mask-file /not/there", `--mask-file "/not/there": no such file or directory`)
	f("train --store mem:// --mask-file "+file, fmt.Sprintf(`foretide train:
  --traces or --prometheus: want one of them, to learn from
  --mask-file %[1]q: line 2: from 1 to 0: want it to end later than it begins
  --mask-file %[1]q: line 3: parse workload "shop/": want NAMESPACE/NAME or NAME
`, file))
}
