package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/scaler"
)

// runDemo runs the command line and hands each line of what it says to see.
// see is called from another goroutine, but never after runDemo.
func runDemo(ctx context.Context, see func(line string), args ...string) (code int, stdout, said string) {
	var out, all bytes.Buffer
	r, w := io.Pipe()
	var reader sync.WaitGroup
	reader.Go(func() {
		lines := bufio.NewScanner(io.TeeReader(r, &all))
		for lines.Scan() {
			see(lines.Text())
		}
	})
	code = run(ctx, append([]string{"demo", "--budget", "1s", "--grpc", "127.0.0.1:0"}, args...), &out, w)
	_ = w.Close()
	reader.Wait()
	return code, out.String(), all.String()
}

// TestDemo plays for some seconds and looks at everything a user would.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t)
	var page string
	looked := false
	code, stdout, said := runDemo(t.Context(), func(line string) {
		if _, url, ok := strings.Cut(line, "the page     "); ok {
			page, _, _ = strings.Cut(url, "?")
		}
		if _, address, ok := strings.Cut(line, "KEDA's gRPC  "); ok {
			looked = true
			lookAtPage(t, page)
			askAsKEDA(t, address)
		}
	}, "--for", "5s", "--http", "127.0.0.1:0", "--output", "json")
	if code != exitOK || !looked {
		t.Fatalf("exit code %d, served %v, want %d and true; it said:\n%s", code, looked, exitOK, said)
	}
	var s demoSummary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("read summary: %v in\n%s", err, stdout)
	}
	if len(s.Services) != 12 || s.Answers < 12 || s.Errors != 0 || !s.To.After(s.From) || s.Verdict == "" {
		t.Errorf("summary of %d services, %d answers, %d errors, %v to %v, %q: want 12, some, none, a while and a verdict",
			len(s.Services), s.Answers, s.Errors, s.From, s.To, s.Verdict)
	}
	var total demoRow
	for _, r := range s.Services {
		total.add(r)
		// Every service was played for as long as all: each minute begun counts.
		if want := int(math.Ceil(s.To.Sub(s.From).Minutes())); r.Minutes != want {
			t.Errorf("%s: %d minutes, want %d", r.Service, r.Minutes, want)
		}
		if hours := s.To.Sub(s.From).Hours(); r.Ours.PodHours < 0.99*hours || r.Reactive.PodHours < 0.99*hours {
			t.Errorf("%s: %v and %v pod-hours, want a pod at any time of %.2f hours", r.Service, r.Ours.PodHours, r.Reactive.PodHours, hours)
		}
	}
	total.Service, total.Error, total.Coverage = s.Total.Service, s.Total.Error, s.Total.Coverage
	if d := cmp.Diff(total, s.Total, cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateNaNs()); d != "" {
		t.Errorf("total is not the sum of the services (-sum +total):\n%s", d)
	}
}

func lookAtPage(t *testing.T, page string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	get := func(path string) (int, string) {
		r, err := client.Get(page + path)
		if err != nil {
			t.Errorf("get %s: %v", page+path, err)
			return 0, ""
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body) // what is missing shows below
		return r.StatusCode, string(body)
	}
	for _, want := range []struct{ path, text string }{{"", "Foretide"}, {"api/v1/ledger", `"total"`}, {"metrics", "grpc_server_handled_total"}} {
		if code, body := get(want.path); code != http.StatusOK || !strings.Contains(body, want.text) {
			t.Errorf("%s%s: code %d, want 200 and %q in\n%.300s", page, want.path, code, want.text, body)
		}
	}
	// The first step is under way: the list comes within seconds.
	for try := range 100 {
		code, body := get("api/v1/workloads")
		if code == http.StatusOK && strings.Contains(body, `"storefront"`) {
			return
		}
		if try == 99 {
			t.Errorf("workloads: code %d, want storefront among\n%.300s", code, body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func askAsKEDA(t *testing.T, address string) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ref := &pb.ScaledObjectRef{Name: "mine", Namespace: "shop", ScalerMetadata: map[string]string{"workload": "cart", "targetPerPod": "5"}}
	spec, err := pb.NewExternalScalerClient(conn).GetMetricSpec(t.Context(), ref)
	if err != nil || len(spec.GetMetricSpecs()) != 1 || spec.GetMetricSpecs()[0].GetTargetSizeFloat() != 5 {
		t.Errorf("GetMetricSpec: %v, %v; want one metric with a target of 5", spec, err)
	}
}

// TestDemoInterrupted ends an endless demo as Ctrl-C does, on a port that is
// taken, while a browser holds a connection that it has not used yet.
func TestDemoInterrupted(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	played := time.AfterFunc(time.Hour, interrupt)
	defer played.Stop()
	code, stdout, said := runDemo(ctx, func(line string) {
		if _, url, ok := strings.Cut(line, "the page     http://"); ok {
			address, _, _ := strings.Cut(url, "/")
			held, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { held.Close() })
		}
		if strings.HasPrefix(line, "4.") {
			played.Reset(time.Second)
		}
	}, "--http", taken.Addr().String(), "--store", t.TempDir())
	if code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}
	if want := taken.Addr().String() + " is taken, so the page is on 127.0.0.1:"; !strings.Contains(said, want) {
		t.Errorf("it did not say %q but\n%s", want, said)
	}
	for _, want := range []string{"Played ", "\nstorefront ", "\ntotal ", "At the same target per pod"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("summary has no %q:\n%s", want, stdout)
		}
	}
}

func TestDemoMistakes(t *testing.T) {
	code, _, said := runDemo(t.Context(), func(string) {}, "--for", "-1s", "--budget", "10ms", "--http", "here", "--grpc", "there")
	want := `foretide demo:
  --for -1s: want more than 0s
  --budget 10ms: want 1s or more
  --http "here": want HOST:PORT
  --grpc "there": want HOST:PORT
`
	if diff := cmp.Diff(want, said); diff != "" || code != exitMistake {
		t.Errorf("exit code %d, said (-want +got):\n%s", code, diff)
	}
}

func TestDemoInterruptedInTraining(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code, stdout, said := runDemo(ctx, func(line string) {
		if strings.HasPrefix(line, "2.") {
			interrupt()
		}
	})
	if code != exitFailure || stdout != "" || !strings.HasSuffix(said, "foretide demo: interrupted\n") {
		t.Errorf("exit code %d, stdout %q, want %d and none; it said:\n%s", code, stdout, exitFailure, said)
	}
}

var demoOpening = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

// TestReactiveWindow: two minutes, the last 15 seconds of which are not seen
// yet, and scrapes that are missing do not count as zero.
func TestReactiveWindow(t *testing.T) {
	row := make([]float64, lookback+4)
	for i := range row {
		row[i] = float64(i)
	}
	day := traffic{arrivals: [][]float64{row}, missed: [][]bool{make([]bool, len(row))}}
	if n := day.ticks(); n != 4 {
		t.Errorf("%d ticks, want 4", n)
	}
	// Tick 2 stands at place 11; seen are those that ended 15 s before it: 2
	// to 9.
	if got := day.reactive(0, 2); got != 5.5 {
		t.Errorf("reactive rate %v, want 5.5", got)
	}
	for i := range 6 {
		day.missed[0][i+2] = true
	}
	if got := day.reactive(0, 2); got != 8.5 {
		t.Errorf("reactive rate with gaps %v, want 8.5", got)
	}
	day.missed[0][8], day.missed[0][9] = true, true
	if got := day.reactive(0, 2); !math.IsNaN(got) {
		t.Errorf("reactive rate of nothing %v, want NaN", got)
	}
}

// TestSourceAgreesWithItself: a rate measured at a full minute is the recorded
// step that ends there, and what was not recorded is left out.
func TestSourceAgreesWithItself(t *testing.T) {
	mesh := synthetic.Shop(1, demoOpening)
	s := meshSource{mesh}
	missing := 0
	for i := range 300 {
		at := demoOpening.Add(10*demoDay + time.Duration(i+1)*time.Minute)
		rates, err := s.Rates(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		history, err := s.History(t.Context(), at.Add(-forecast.Step), at)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range history {
			rate, ok := rates[h.Workload]
			if !ok {
				missing++
				rate = math.NaN()
			}
			if !cmp.Equal(rate, h.Values[0], cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 0)) {
				t.Errorf("%s at %v: rate %v, recorded %v", h.Workload, at, rate, h.Values[0])
			}
		}
	}
	if missing == 0 {
		t.Error("nothing was missing in five hours, want something")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Rates(stopped, demoOpening); err == nil {
		t.Error("rates in spite of a cancelled context")
	}
	if _, err := s.History(stopped, demoOpening, demoOpening.Add(time.Hour)); err == nil {
		t.Error("history in spite of a cancelled context")
	}
}

// TestEqualPrice finds a reactive scaler by what it spent.
func TestEqualPrice(t *testing.T) {
	mesh := synthetic.Shop(1, demoOpening)
	from := demoOpening.Add(14*demoDay + 6*time.Hour)
	services := demoServices(mesh.History(demoOpening, from))
	day := readTraffic(mesh, services, from, from.Add(6*time.Hour))
	var spent demoCosts
	for i, s := range services {
		f, err := newFleet(s, s.perPod*0.55, day.load(i, 0))
		if err != nil {
			t.Fatal(err)
		}
		for k := range day.ticks() {
			f.tick(day.at(k), day.reactive(i, k), day.load(i, k))
		}
		spent.ShortMinutes += f.ledger.Short
		spent.PodHours += f.ledger.PodHours
	}
	got, err := equalPrice(day, services, spent.PodHours)
	if err != nil || got == nil {
		t.Fatalf("no reactive scaler spends %.1f pod-hours: %v", spent.PodHours, err)
	}
	if math.Abs(got.Utilisation-0.55) > 0.01 || math.Abs(float64(got.ShortMinutes-spent.ShortMinutes)) > 3 {
		t.Errorf("found a target of %.3f with %d short minutes, want 0.55 with %d", got.Utilisation, got.ShortMinutes, spent.ShortMinutes)
	}
	if got, err := equalPrice(day, services, 1e6); got != nil || err != nil {
		t.Errorf("a reactive scaler spends a million pod-hours: %+v, %v", got, err)
	}
}

func TestDemoServices(t *testing.T) {
	mesh := synthetic.Shop(1, demoOpening)
	records := mesh.History(demoOpening, demoOpening.Add(14*demoDay))
	for i, s := range demoServices(records) {
		if s.Workload != records[i].Workload {
			t.Errorf("service %d is %s, want %s", i, s.Workload, records[i].Workload)
		}
		if s.perPod <= 0 || s.perPod != rounded(s.perPod) {
			t.Errorf("%s: a pod carries %v, want two digits above 0", s.Workload, s.perPod)
		}
	}
}

// TestScoreForecasts: to foresee exactly what came is no error, and to repeat
// yesterday is seasonal naive's own.
func TestScoreForecasts(t *testing.T) {
	mesh := synthetic.Shop(1, demoOpening)
	played := demoOpening.Add(3 * demoDay)
	records := mesh.History(demoOpening, played.Add(3*time.Hour))
	exact := func(back time.Duration) (made []forecast.Forecast) {
		for _, h := range records {
			f := forecast.Forecast{Workload: h.Workload, Origin: played.Add(40 * time.Minute)}
			for i := range forecast.Horizon {
				v := h.At(f.Time(i + 1).Add(-back))
				if math.IsNaN(v) {
					v = 0
				}
				f.Steps = append(f.Steps, forecast.Quantiles{v, v, v, v, v, v, v})
			}
			f.Peaks = forecast.RunningPeaks(f.Steps)
			made = append(made, f)
		}
		return made
	}
	for i, s := range scoreForecasts(exact(0), records, played) {
		if s.MASERatio > 0.001 || s.Coverage[1].Share != 1 {
			t.Errorf("%s: ratio %v, coverage %v of what came itself, want 0 and 1", records[i].Workload, s.MASERatio, s.Coverage[1].Share)
		}
	}
	for i, s := range scoreForecasts(exact(demoDay), records, played) {
		if name := records[i].Workload.Name; name != "settlement" && math.Abs(float64(s.MASERatio)-1) > 0.05 {
			t.Errorf("%s: ratio %v of yesterday, want 1", name, s.MASERatio)
		}
	}
}

func TestVerdict(t *testing.T) {
	f := func(ours, reactive demoCosts, price *demoEqualPrice, want string) {
		t.Helper()
		s := demoSummary{Total: demoRow{Minutes: 10, Ours: ours, Reactive: reactive}, AsDear: price}
		if diff := cmp.Diff(want, s.verdict()); diff != "" {
			t.Errorf("verdict (-want +got):\n%s", diff)
		}
	}
	f(demoCosts{1, 110}, demoCosts{20, 100}, &demoEqualPrice{0.6, demoCosts{12, 110}},
		"At the same target per pod, Foretide was short of pods in 1 minute and the reactive HPA in 20 minutes, with 10.0 % more pod-hours.\n"+
			"A reactive HPA that spends those pod-hours too (target at 60 % of what a pod carries) is short in 12 minutes.")
	f(demoCosts{9, 95}, demoCosts{2, 100}, nil,
		"At the same target per pod, Foretide was short of pods in 9 minutes and the reactive HPA in 2 minutes, with 5.0 % fewer pod-hours.")
	if s := (demoSummary{}).verdict(); !strings.HasPrefix(s, "Nothing was played") {
		t.Errorf("verdict of nothing: %q", s)
	}
}

// TestClockStandsStill between two settings, as nothing happens there.
func TestFastClock(t *testing.T) {
	var c fastClock
	c.set(demoOpening)
	if got := c.now(); !got.Equal(demoOpening) || got.Location() != time.UTC {
		t.Errorf("clock says %v, want %v", got, demoOpening)
	}
}

var _ scaler.Source = meshSource{}
