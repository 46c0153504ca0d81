package scaler

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

// restlessShop has three workloads with noise.
func restlessShop() *store {
	s := newStore(nil)
	for i, name := range []string{"cart", "pay", "web"} {
		s.rate[shop(name)] = restless(float64(40 * (i + 1)))
	}
	return s
}

// keeping makes a loop keep its calibrations in dir, write its log to log, and
// forecast with a network that is off by a factor.
func keeping(dir string, log io.Writer) func(*Options) {
	return func(o *Options) {
		o.Calibrate, o.State, o.Preset = true, dir, "istio"
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		o.Model = func() Model {
			return Model{Forecaster: tooHigh{}, Status: ModelStatus{Version: "v1"}}
		}
	}
}

// tooHigh is a network that is off by half and too sure of it, so that what is
// learned matters.
type tooHigh struct{ cheap }

func (n tooHigh) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out, err := n.cheap.Forecast(batch)
	for i := range out {
		for k := range out[i].Steps { // which the peaks share
			for j := range out[i].Steps[k] {
				out[i].Steps[k][j] *= 1.5 + float64(j)/50
			}
		}
	}
	return out, err
}

// taught is a directory with what a loop has saved, as the drain does, after a
// step at so long after noon, and that loop.
func taught(t *testing.T, s *store, after time.Duration) (dir string, r *rig) {
	t.Helper()
	dir = t.TempDir()
	r = newRig(t, s, keeping(dir, io.Discard))
	r.steps(t, -15*time.Second, after)
	r.save(r.now())
	return dir, r
}

func forecastOf(t *testing.T, r *rig, name string) forecast.Forecast {
	t.Helper()
	d := state(t, r.Snapshot(), name).Decisions
	if len(d) == 0 || d[0].Forecast == nil {
		t.Fatalf("%s is not forecast", name)
	}
	return *d[0].Forecast
}

// apart is the largest distance of two forecasts' quantiles, in the rate that
// the second expects.
func apart(a, b forecast.Forecast) (off float64) {
	for k := range a.Steps {
		for j := range a.Steps[k] {
			off = max(off, math.Abs(a.Steps[k][j]-b.Steps[k][j])/b.Steps[k][forecast.Median])
			off = max(off, math.Abs(a.Peaks[k][j]-b.Peaks[k][j])/b.Peaks[k][forecast.Median])
		}
	}
	return off
}

// TestRestartGoesOn: a loop that is stopped and started gives at its first step
// the forecasts of one that never was, to the last digit, and then as good ones,
// although it lacks the forecasts that were waiting for their truth. One that is
// killed minutes after it saved differs by what those minutes taught.
func TestRestartGoesOn(t *testing.T) {
	s := restlessShop()
	query := ref("pay", "query", "sum(rate(x[1m]))")
	dir, one := taught(t, s, 10*time.Minute)
	_, _ = metricOf(t, one, query) // a calibration of its own
	one.steps(t, 10*time.Minute, 31*time.Minute)
	killed, err := os.ReadFile(filepath.Join(dir, stateFile)) // saved at 30
	if err != nil {
		t.Fatal(err)
	}
	one.steps(t, 31*time.Minute, 33*time.Minute)
	one.save(one.now())

	f := func(what string, dir string, atOnce float64) *rig {
		t.Helper()
		reg := prometheus.NewPedanticRegistry()
		two := newRig(t, s, func(o *Options) { keeping(dir, io.Discard)(o); o.Registerer = reg })
		before := newRig(t, s, keeping("", io.Discard)) // without a state
		_ = two.at(t, 33*time.Minute)
		_ = before.at(t, 33*time.Minute)
		for _, name := range []string{"cart", "web"} {
			a, b, raw := forecastOf(t, two, name), forecastOf(t, one, name), forecastOf(t, before, name)
			if off := apart(a, b); off > atOnce || a.By != b.By || !a.Origin.Equal(b.Origin) {
				t.Errorf("%s: %s by %q differs by %g from %q, want at most %g", what, name, a.By, off, b.By, atOnce)
			}
			if apart(raw, b) < 0.2 || strings.Contains(raw.By, "calibrated") {
				t.Errorf("%s: without a state %s is forecast by %q, want it far off", what, name, raw.By)
			}
			if diff := cmp.Diff(state(t, one.Snapshot(), name).Calibration, state(t, two.Snapshot(), name).Calibration, cmpopts.EquateNaNs()); atOnce == 0 && diff != "" {
				t.Errorf("%s: another report of %s (-never stopped +started anew):\n%s", what, name, diff)
			}
		}
		_ = two.at(t, 33*time.Minute+15*time.Second)
		want := `
# HELP foretide_calibrations Workloads by where the calibration of their forecasts comes from: restored from what was saved, or relearned from history; relearning is not in use yet.
# TYPE foretide_calibrations gauge
foretide_calibrations{state="relearned"} 0
foretide_calibrations{state="relearning"} 0
foretide_calibrations{state="restored"} 3
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "foretide_calibrations"); err != nil {
			t.Error(err)
		}
		return two
	}
	two := f("drained", dir, 0)
	crashed := t.TempDir()
	if err := os.WriteFile(filepath.Join(crashed, stateFile), killed, 0o600); err != nil {
		t.Fatal(err)
	}
	f("killed", crashed, 0.05)

	// The trigger with its own query is known when KEDA asks again.
	_, _ = metricOf(t, two, query)
	_ = two.at(t, 33*time.Minute+30*time.Second)
	_ = two.at(t, 33*time.Minute+45*time.Second)
	if c := two.Snapshot().Calibrations; c.Restored != 4 || c.Relearned+c.Relearning != 0 || !c.Saved.Equal(one.now()) {
		t.Errorf("with a trigger: %+v, want 4 restored, saved at %v", c, one.now())
	}
	// What is given out later loses no more than what would have been.
	var lost, would float64
	for after := 34 * time.Minute; after < 4*time.Hour; after += time.Minute {
		_ = one.at(t, after)
		_ = two.at(t, after)
		for _, name := range []string{"cart", "pay", "web"} {
			lost += loss(s, forecastOf(t, two, name))
			would += loss(s, forecastOf(t, one, name))
		}
	}
	if ratio := lost / would; math.Abs(ratio-1) > 0.02 {
		t.Errorf("over the hours after the start the loss is %.4f of what it would have been, want 1 or nearly", ratio)
	}
}

// loss is the quantile loss of a forecast, in its mean rate.
func loss(s *store, f forecast.Forecast) (sum float64) {
	for k, q := range f.Steps {
		actual := s.rate[f.Workload](f.Time(k + 1))
		for j, level := range forecast.Levels() {
			sum += accuracy.Pinball(actual, q[j], level) / s.rate[f.Workload](f.Origin)
		}
	}
	return sum
}

// TestStateThatCannotBeUsed: whatever the file has, a loop starts, says what it
// does, learns what is missing from history, and saves a state that can be used.
func TestStateThatCannotBeUsed(t *testing.T) {
	s := restlessShop()
	dir, _ := taught(t, s, 10*time.Minute)
	good, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	at, records, err := decode(bytes.NewReader(good), 10)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d calibrations, %v", len(records), err)
	}
	change := func(change func(r *saved)) []byte {
		var out []saved
		for _, r := range records {
			change(&r)
			out = append(out, r)
		}
		return encode(t, at, out)
	}
	newer := bytes.Clone(good)
	newer[len(stateMagic)]++

	f := func(name string, data []byte, after time.Duration, restored int, say string) {
		t.Helper()
		dir, log := t.TempDir(), &bytes.Buffer{}
		if err := os.WriteFile(filepath.Join(dir, stateFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, s, keeping(dir, log))
		_ = r.at(t, after)
		if _ = r.at(t, after+15*time.Second); r.Snapshot().Calibrations.Restored != restored {
			t.Errorf("%s: %+v, want %d restored", name, r.Snapshot().Calibrations, restored)
		}
		if log := log.String(); !strings.Contains(log, say) || strings.Contains(log, "level=WARN") != strings.Contains(log, "again from history") {
			t.Errorf("%s: it logs %s, want %q", name, log, say)
		}
		r.steps(t, after+15*time.Second, after+6*time.Minute)
		if c := r.Snapshot().Calibrations; c.Restored != restored || c.Relearned != 3-restored || c.Relearning != 0 {
			t.Errorf("%s: six minutes later %+v, want %d relearned", name, c, 3-restored)
		}
		again := newRig(t, s, keeping(dir, io.Discard))
		_ = again.at(t, after+6*time.Minute)
		_ = again.at(t, after+6*time.Minute+15*time.Second)
		if c := again.Snapshot().Calibrations; c.Restored != 3 {
			t.Errorf("%s: started again: %+v, want 3 restored", name, c)
		}
	}
	const quarter = 15 * time.Minute
	f("as it was saved", good, quarter, 3, "saved calibrations are in use")
	f("half a day later", good, 12*time.Hour, 3, "saved calibrations are in use")
	f("empty", nil, quarter, 0, "saved calibrations cannot be read")
	f("foreign", []byte("#!/bin/sh\nexit 1\n"), quarter, 0, "want it to begin with")
	f("newer", newer, quarter, 0, "format 2, want 1")
	f("cut in the second", good[:len(good)/2], quarter, 1, "read=1")
	f("two days later", good, 48*time.Hour, 0, "its last step is")
	f("of the future", good, -3*time.Hour, 0, "its last step is")
	f("of other experts", change(func(r *saved) { r.Online = strings.Replace(r.Online, "last-value", "last-walue", 1) }), quarter, 0, "cannot be used")
	f("of another preset", change(func(r *saved) { r.ID.load.Preset = "linkerd" }), quarter, 0, "saved calibrations read")
	f("of other workloads", change(func(r *saved) { r.ID.workload.Namespace = "else" }), quarter, 0, "saved calibrations read")
}

// TestUnclaimedCalibrations are kept while their source is silent, for an hour,
// and then dropped.
func TestUnclaimedCalibrations(t *testing.T) {
	s := restlessShop()
	dir, _ := taught(t, s, 10*time.Minute)
	count := func() int {
		t.Helper()
		f, err := os.Open(filepath.Join(dir, stateFile))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, records, err := decode(f, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(records)
	}
	silent := s.rate[shop("web")]
	s.set(func(s *store) { delete(s.rate, shop("web")) })
	r := newRig(t, s, keeping(dir, io.Discard))
	r.steps(t, 12*time.Minute, 30*time.Minute)
	if n := count(); n != 3 {
		t.Errorf("%d calibrations while one workload is silent, want 3", n)
	}
	// It comes back, to what was learned of it.
	s.set(func(s *store) { s.rate[shop("web")] = silent })
	r.steps(t, 30*time.Minute, 32*time.Minute)
	if c := r.Snapshot().Calibrations; c.Restored != 3 {
		t.Errorf("after it came back: %+v, want 3 restored", c)
	}
	s.set(func(s *store) { delete(s.rate, shop("web")) })
	r = newRig(t, s, keeping(dir, io.Discard))
	r.steps(t, 33*time.Minute, 2*time.Hour)
	if n := count(); n != 2 {
		t.Errorf("%d calibrations after an hour without the workload, want 2", n)
	}
}

// diary is a log that may be read while it is written.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// TestSavesByTheClock: every five minutes while it runs, and at the end; a
// directory that is lost is logged once and serves again when it is back.
func TestSavesByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, log, reg := filepath.Join(t.TempDir(), "made", "anew"), &diary{}, prometheus.NewPedanticRegistry()
		o := Options{Registerer: reg}
		keeping(dir, log)(&o)
		l, stop := running(t, restlessShop(), o)
		saved := func() time.Time {
			t.Helper()
			f, err := os.Open(filepath.Join(dir, stateFile))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			at, _, err := decode(f, 10)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		time.Sleep(4*time.Minute + 50*time.Second)
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(dir, stateFile)); err == nil {
			t.Error("saved before five minutes are over")
		}
		start := time.Now().Add(-4*time.Minute - 50*time.Second)
		time.Sleep(11 * time.Minute) // 15:50
		synctest.Wait()
		if age := saved().Sub(start); age != 15*time.Minute {
			t.Errorf("saved last %v after the start, want 15m", age)
		}
		// The snapshot is of 15:45.
		if c := l.Snapshot().Calibrations; !c.Saved.Equal(saved()) {
			t.Errorf("the snapshot has %+v, want saved %v", c, saved())
		}
		want := "# HELP foretide_state_age_seconds Time since the calibrations were last saved.\n# TYPE foretide_state_age_seconds gauge\nforetide_state_age_seconds 50\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "foretide_state_age_seconds"); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // 25:50
		synctest.Wait()
		if n := strings.Count(log.String(), "calibrations cannot be saved"); n != 1 || testutil.ToFloat64(l.metrics.errors.WithLabelValues("save")) != 2 {
			t.Errorf("a lost directory is logged %d times, want once:\n%s", n, log)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		stop()
		if age := saved().Sub(start); age != 31*time.Minute+50*time.Second {
			t.Errorf("saved last %v after the start, want when it was stopped", age)
		}
		if !strings.Contains(log.String(), "calibrations are saved again") {
			t.Errorf("the log does not say that the directory is back:\n%s", log)
		}
	})
}

// TestStateDirectoryMustBeWritable: the loop says so before it asks anybody,
// and removes what a crash has left in it.
func TestStateDirectoryMustBeWritable(t *testing.T) {
	s := restlessShop()
	f := func(dir string) {
		t.Helper()
		o := Options{Open: func(LoadSpec) (Source, error) { return s, nil }}
		keeping(dir, io.Discard)(&o)
		if _, err := NewLoop(o); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("keep state in %q", dir)) || !strings.Contains(err.Error(), "can be written to") {
			t.Errorf("%s: error %v", dir, err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f(file)
	f(filepath.Join(file, "beneath"))
	if os.Getuid() != 0 { // who may write everywhere
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		f(closed)
	} else {
		f("/proc/self")
	}
	if s.rates+s.histories > 0 {
		t.Error("the store was asked")
	}
	left := filepath.Join(dir, stateFile+".123.tmp")
	if err := os.WriteFile(left, []byte(stateMagic), 0o600); err != nil {
		t.Fatal(err)
	}
	newRig(t, s, keeping(dir, io.Discard))
	if files, err := os.ReadDir(dir); err != nil || files[0].Name() != "file" {
		t.Errorf("after the start there is %v, %v", files, err)
	}
}

// unlocked fails a test that writes to it while the loop is locked.
type unlocked struct {
	*testing.T
	loop *Loop
}

func (u unlocked) Write(b []byte) (int, error) {
	for name, lock := range map[string]interface {
		TryLock() bool
		Unlock()
	}{"mu": &u.loop.mu, "forecasting": &u.loop.forecasting, "observing": &u.loop.observing} {
		if !lock.TryLock() {
			u.Fatalf("written to while %s is locked", name)
		}
		lock.Unlock()
	}
	return len(b), nil
}

func TestWritingLocksNothing(t *testing.T) {
	_, r := taught(t, restlessShop(), 2*time.Minute)
	var tracks []kept
	for w, track := range r.feeds[LoadSpec{}].tracks {
		for range saveAtOnce {
			tracks = append(tracks, kept{r.identity(LoadSpec{}, w), track})
		}
	}
	unclaimed := map[identity]learned{{workload: shop("gone")}: {last: noon}}
	if err := r.writeState(unlocked{t, r.Loop}, noon, tracks, unclaimed); err != nil {
		t.Error(err)
	}
}
