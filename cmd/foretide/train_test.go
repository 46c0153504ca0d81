package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/prom/promtest"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/forecast/registry/s3test"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/forecast/trace"
	"github.com/foretide/foretide/training"
)

// call runs a command line as main does.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// want runs a command line that must succeed.
func want(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := call(t, args...)
	if code != exitOK {
		t.Fatalf("foretide %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// smallShop is two services over so many days up to end.
func smallShop(end time.Time, days int) []forecast.History {
	opening := end.AddDate(0, 0, -days).Truncate(24 * time.Hour)
	return synthetic.Shop(1, opening).History(end.AddDate(0, 0, -days), end)[:2]
}

// traceFolder writes histories as recorded series.
func traceFolder(t *testing.T, histories []forecast.History) string {
	t.Helper()
	dir := t.TempDir()
	for _, h := range histories {
		var b bytes.Buffer
		if err := trace.Write(&b, h); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Workload.String())+".csv")
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func monday() time.Time { return time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC) }

// A model's whole life by the command line, on a real S3 server.
func TestTrainAndModels(t *testing.T) {
	store := s3test.Start(t).URL
	traces := traceFolder(t, smallShop(monday(), 3))
	train := func(args ...string) training.Report {
		t.Helper()
		stdout, stderr := want(t, append([]string{"train", "--traces", traces, "--store", store, "--budget", "2s", "--output", "json"}, args...)...)
		for _, progress := range []string{"msg=fitting epoch=", "msg=scoring by=lstm", "msg=scoring by=holt-winters"} {
			if !strings.Contains(stderr, progress) {
				t.Errorf("stderr has no %q:\n%s", progress, stderr)
			}
		}
		var report training.Report
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
		return report
	}
	list := func() modelList {
		t.Helper()
		var l modelList
		stdout, _ := want(t, "models", "list", "--store", store, "--output", "json")
		if err := json.Unmarshal([]byte(stdout), &l); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
		return l
	}
	if l := list(); l.Champion != "" || len(l.Versions) != 0 || len(l.Unreadable) != 0 {
		t.Errorf("an empty store lists %+v", l)
	}

	first := train("--seed", "3")
	if m := first.Version; m.Data.Workloads != 2 || m.Training.Seed != 3 || !m.Data.To.Equal(monday()) || len(m.Scores) != 7*4 || m.Parent != prior.Version() {
		t.Errorf("manifest is %+v", m)
	}
	second := train("--seed", "3", "--from", "scratch")
	if first.Version.Weights == second.Version.Weights {
		t.Error("the prior changes nothing")
	}
	if second.Version.Parent != "" {
		t.Errorf("from scratch, and its parent is %q", second.Version.Parent)
	}
	one, two := first.Version.ID, second.Version.ID

	champion := func(step, id string) {
		t.Helper()
		l := list()
		var ids []string
		for _, m := range l.Versions {
			ids = append(ids, m.ID)
		}
		// Both may have been trained in the same second, which is as far as the
		// order of the list goes.
		if l.Champion != id || len(ids) != 2 || !slices.Contains(ids, one) || !slices.Contains(ids, two) {
			t.Errorf("%s: the champion is %s of %v, want %s of %s and %s", step, l.Champion, ids, id, one, two)
		}
	}
	want(t, "models", "promote", one, "--store", store)
	champion("promoted", one)
	stdout, _ := want(t, "models", "promote", two, "--store", store, "--reason", "it is newer")
	if stdout != fmt.Sprintf("%s is the champion now; before it was %s\n", two, one) {
		t.Errorf("promote says %q", stdout)
	}
	champion("promoted", two)
	want(t, "models", "rollback", "--store", store)
	champion("rolled back", one)

	stdout, _ = want(t, "models", "list", "--store", store)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); len(lines) != 3 {
		t.Errorf("the list reads\n%s", stdout)
	} else {
		for _, line := range lines[1:] {
			if strings.HasPrefix(line, one) != strings.HasSuffix(line, "champion") {
				t.Errorf("the list reads\n%s, want %s to be the champion", stdout, one)
			}
		}
	}
	stdout, _ = want(t, "models", "show", "--store", store)
	for _, part := range []string{"version  " + one, "2 workloads", "1-5 ", "holt-winters", "promoted by hand", "rolled back by hand", "\nthe champion\n"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("show has no %q:\n%s", part, stdout)
		}
	}
	if stdout, _ = want(t, "models", "show", two, "--store", store); !strings.Contains(stdout, "it is newer\nnot the champion\n") {
		t.Errorf("show of the other reads\n%s", stdout)
	}
	code, stdout, stderr := call(t, "models", "promote", "20260309T000000Z-00000000", "--store", store)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "not found") {
		t.Errorf("promoting what is not there: exit code %d\n%s", code, stderr)
	}
	champion("after a failure", one)
}

// What people read at the end of a training.
func TestTrainText(t *testing.T) {
	store := (&url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "store")}).String()
	traces := traceFolder(t, smallShop(monday(), 3))
	if err := os.WriteFile(filepath.Join(traces, "broken.csv"), []byte("timestamp,value\nx,1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := want(t, "train", "--traces", traces, "--store", store, "--budget", "2s")
	for _, part := range []string{"version  20", "from     " + prior.Version(), "data     2 workloads from 2026-03-06 00:00 to 2026-03-09 00:00", "MINUTES AHEAD", "\n1-60 ", "promoted: "} {
		if !strings.Contains(stdout, part) {
			t.Errorf("stdout has no %q:\n%s", part, stdout)
		}
	}
	if strings.Contains(stdout, "\nnot promoted: ") != strings.Contains(stdout, "foretide models promote 20") {
		t.Errorf("stdout does not say what to do about it:\n%s", stdout)
	}
	if !strings.Contains(stderr, "broken.csv") {
		t.Errorf("stderr does not name the file left out:\n%s", stderr)
	}
}

func TestTrainFromPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Prometheus")
	}
	now := time.Now().UTC()
	histories := smallShop(now.Truncate(time.Minute), 3)
	var metrics bytes.Buffer
	for _, h := range histories {
		count := 0.0
		for i, rate := range h.Values {
			if rate == rate { // known
				count += rate * forecast.Step.Seconds()
			}
			fmt.Fprintf(&metrics, "istio_requests_total{reporter=\"destination\",destination_workload_namespace=%q,destination_workload=%q} %v %d\n",
				h.Workload.Namespace, h.Workload.Name, count, h.Time(i+1).Unix())
		}
	}
	server := promtest.Start(t, promtest.Options{OpenMetrics: metrics.Bytes()})
	store := (&url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "store")}).String()
	stdout, _ := want(t, "train", "--prometheus", server.URL, "--rate-window", "4m", "--last", "60h", "--store", store, "--budget", "2s", "--output", "json")
	var report training.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if d := report.Version.Data; d.Workloads != 2 || d.To.Sub(d.From) != 60*time.Hour || d.KnownMinutes < 2*59*60 || now.Sub(d.To) > 5*time.Minute {
		t.Errorf("data is %+v", d)
	}
}

// SIGINT ends a training at once, and the store is as it was.
func TestTrainInterrupted(t *testing.T) {
	program := filepath.Join(t.TempDir(), "foretide") // the name makes the test binary run main
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	store := (&url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "store")}).String()
	r, err := registry.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := promote(t, r, monday(), []byte("the champion's weights"), 1)

	cmd := exec.CommandContext(t.Context(), program, "train", "--traces", traceFolder(t, smallShop(monday(), 3)), "--store", store, "--budget", "10m")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	var signalled time.Time
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		last = lines.Text()
		if signalled.IsZero() && strings.Contains(last, "msg=fitting") {
			signalled = time.Now()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if signalled.IsZero() {
		t.Fatalf("it never began: %s", last)
	}
	if took := time.Since(signalled); took > 20*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || last != "foretide train: interrupted" {
		t.Errorf("exit code %d, and at last %q", code, last)
	}
	versions, err := r.Versions(t.Context())
	if err != nil || len(versions) != 1 || versions[0].ID != before {
		t.Errorf("versions are %v, %v", versions, err)
	}
	if champion, err := r.Champion(t.Context()); err != nil || champion.Version != before {
		t.Errorf("champion is %v, %v, want %s", champion, err, before)
	}
}

func TestTrainAndModelsMistakes(t *testing.T) {
	f := func(line string, code int, want string) {
		t.Helper()
		got, stdout, stderr := call(t, strings.Fields(line)...)
		if got != code || stdout != "" {
			t.Errorf("%s: exit code %d and stdout %q, want %d and none", line, got, stdout, code)
		}
		if d := cmp.Diff(want, stderr); d != "" {
			t.Errorf("%s (-want +got):\n%s", line, d)
		}
	}
	f("train", exitMistake, `foretide train:
  --traces or --prometheus: want one of them, to learn from
  --store: want the URL of the store for the model, such as file:///var/lib/foretide
`)
	f("train --traces /not/there --preset istio --last 1d --store s3:// --budget 1ms --held-back 3", exitMistake, `foretide train:
  --traces "/not/there": no such file or directory
  --last: want it without --traces only
  --preset: want it without --traces only
  --budget 1ms: want 1s or more
  --held-back 3: want 0.02 to 0.5
  --store: open store "s3://": no bucket; want s3://BUCKET?region=REGION
`)
	f("train --prometheus http://127.0.0.1:1 --preset nomad --last 1d --store /models", exitMistake, `foretide train:
  --preset "nomad": want istio or linkerd
  --last 1d: want 2d or more
  --store: open store "/models": want a URL; for a folder write file:///models, for a bucket s3://BUCKET?region=REGION
`)
	f("models", exitMistake, "foretide models: want a command: list, show, promote or rollback\nRun 'foretide models --help' for what it takes.\n")
	f("models lits", exitMistake, "foretide models: command \"lits\": want list, show, promote or rollback\nRun 'foretide models --help' for what it takes.\n")
	f("models promote --store x://y", exitMistake, `foretide models promote:
  0 arguments: want one version, such as 20261122T141300Z-1a2b3c4d
  --store: open store "x://y": scheme "x" is not known; want file, s3 or mem
`)
	f("models show --store mem://", exitFailure, "foretide models show: find champion: no champion yet\n")
	f("models rollback --store mem://", exitFailure, "foretide models rollback: roll back: there is no champion before this one\nName a version: foretide models promote VERSION\n")
	short := traceFolder(t, smallShop(monday(), 1))
	f("train --traces "+short+" --store mem://", exitFailure,
		"foretide train: too little history: of 2 workloads \"shop/accounts\" has the most known minutes, 1436; want 2880 (two days) or more in one of them\n")
}
