package lstm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/forecasttest"
)

// daily is a made-up history: a daily rhythm with noise and a few gaps.
func daily(name string, days int, rate float64) forecast.History {
	r := rand.New(rand.NewPCG(uint64(len(name)), uint64(days)))
	v := make([]float64, days*1440)
	for i := range v {
		v[i] = rate * (1.2 + math.Sin(2*math.Pi*float64(i)/1440)) * math.Exp(0.1*r.NormFloat64())
		if r.IntN(200) == 0 {
			v[i] = math.NaN()
		}
	}
	return forecast.History{
		Workload: forecast.Workload{Namespace: "shop", Name: name},
		Series:   forecast.Series{Start: time.Unix(1.7e9, 0).UTC(), Values: v},
	}
}

func fitted(t testing.TB, steps int, o FitOptions) (*Model, FitReport) {
	t.Helper()
	o.steps = steps
	m, report, err := Fit(context.Background(), []forecast.History{daily("cart", 4, 10), daily("search", 3, 500)}, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, report
}

func encoded(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestConformance(t *testing.T) {
	m, _ := fitted(t, 60, FitOptions{})
	forecasttest.Conformance(t, func() forecast.Forecaster { return m })
}

func TestNoLeak(t *testing.T) {
	m, _ := fitted(t, 20, FitOptions{})
	forecasttest.NoLeak(t, func() forecast.Forecaster { return m })
}

func TestFitIsReproducible(t *testing.T) {
	a, report := fitted(t, 25, FitOptions{Seed: 7})
	if !report.Reproducible {
		t.Errorf("report says the clock had a say, within a budget of ten minutes: %+v", report)
	}
	// The number of cores decides who comes first, and must decide nothing
	// else.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, _ := fitted(t, 25, FitOptions{Seed: 7})
	if !bytes.Equal(encoded(t, a), encoded(t, b)) {
		t.Error("the same seed gave other weights on one core")
	}
	c, _ := fitted(t, 25, FitOptions{Seed: 8})
	if bytes.Equal(encoded(t, a), encoded(t, c)) {
		t.Error("another seed gave the same weights")
	}
}

func TestFitLearns(t *testing.T) {
	_, early := fitted(t, 20, FitOptions{})
	_, late := fitted(t, 200, FitOptions{})
	if late.Validation > 0.9*early.Validation {
		t.Errorf("validation loss %.4f after 200 steps, %.4f after 20: want a tenth less", late.Validation, early.Validation)
	}
}

func TestFitGoesOnFromAModel(t *testing.T) {
	m, first := fitted(t, 100, FitOptions{})
	before := encoded(t, m)
	_, second := fitted(t, 20, FitOptions{Start: m})
	if second.Validation > 1.05*first.Validation {
		t.Errorf("validation loss went from %.4f to %.4f", first.Validation, second.Validation)
	}
	if !bytes.Equal(before, encoded(t, m)) {
		t.Error("the model that was gone on from has changed")
	}
}

func TestFitStaysInBudget(t *testing.T) {
	// A clock on which every reading takes a second, as on a very slow machine.
	now := time.Unix(0, 0)
	clock := func() time.Time { now = now.Add(time.Second); return now }
	_, report, err := Fit(context.Background(), []forecast.History{daily("cart", 4, 10)}, FitOptions{Budget: time.Minute, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if report.Reproducible || report.Stopped != "budget used up" {
		t.Errorf("got %+v, want a fit that the budget ended", report)
	}
	if used := now.Sub(time.Unix(0, 0)); used > 90*time.Second {
		t.Errorf("used %v of a minute", used)
	}
}

func TestFitProgress(t *testing.T) {
	var steps []int
	_, report := fitted(t, 40, FitOptions{OnProgress: func(p Progress) {
		if p.Steps != 40 || p.Epochs != epochs || p.Loss <= 0 || p.Validation <= 0 || p.Left < 0 {
			t.Errorf("odd progress %+v", p)
		}
		steps = append(steps, p.Step)
	}})
	if len(steps) != report.Epochs || steps[len(steps)-1] != report.Steps {
		t.Errorf("progress at steps %v, report %+v", steps, report)
	}
}

func TestFitRefuses(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	constant := daily("constant", 4, 10)
	for i := range constant.Values {
		constant.Values[i] = 3
	}
	huge := daily("huge", 4, 10)
	for i := range huge.Values {
		huge.Values[i] *= 1e300
	}
	short := daily("short", 4, 10)
	short.Values = short.Values[:100]
	for _, c := range []struct {
		name      string
		ctx       context.Context
		histories []forecast.History
		o         FitOptions
		is        error
		says      string
	}{
		{"cancelled", ctx, []forecast.History{daily("a", 4, 10)}, FitOptions{}, context.Canceled, "step 1"},
		{"nothing", context.Background(), nil, FitOptions{}, ErrTooLittle, "0 histories"},
		{"short", context.Background(), []forecast.History{short}, FitOptions{}, ErrTooLittle, "180 known minutes"},
		{"constant", context.Background(), []forecast.History{constant}, FitOptions{}, ErrTooLittle, "change"},
		{"held back", context.Background(), nil, FitOptions{HeldBack: 0.7}, nil, "from 0.02 to 0.5"},
		{"budget", context.Background(), nil, FitOptions{Budget: -1}, nil, "more than 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _, err := Fit(c.ctx, c.histories, c.o)
			if m != nil || err == nil {
				t.Fatalf("got model %v and error %v", m, err)
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want %v and %q in it", err, c.is, c.says)
			}
		})
	}
}

func TestEncodeDecode(t *testing.T) {
	m, _ := fitted(t, 20, FitOptions{})
	b := encoded(t, m)
	again, err := Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	history := []forecast.History{daily("cart", 4, 10)}
	want, err := m.Forecast(history)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Forecast(history)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the decoded model forecasts otherwise (-want +got):\n%s", d)
	}
	if !bytes.Equal(b, encoded(t, again)) {
		t.Error("encoding again gives other bytes")
	}
}

func TestDecodeRefuses(t *testing.T) {
	m, _ := fitted(t, 20, FitOptions{})
	good := encoded(t, m)
	with := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] ^= v
		return b
	}
	broken := errors.New("broken pipe")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"empty":          {bytes.NewReader(nil), ErrCorrupt},
		"header only":    {bytes.NewReader(good[:32]), ErrCorrupt},
		"truncated":      {bytes.NewReader(good[:len(good)-5]), ErrCorrupt},
		"no checksum":    {bytes.NewReader(good[:len(good)-4]), ErrCorrupt},
		"longer":         {bytes.NewReader(append(bytes.Clone(good), 0)), ErrCorrupt},
		"a bit flipped":  {bytes.NewReader(with(1000, 1)), ErrCorrupt},
		"other magic":    {bytes.NewReader(with(0, 1)), ErrFormat},
		"newer format":   {bytes.NewReader(with(8, 2)), ErrFormat},
		"other features": {bytes.NewReader(with(12, 0x80)), ErrFormat},
		"huge":           {bytes.NewReader(with(18, 1)), ErrCorrupt},
		"broken":         {io.MultiReader(bytes.NewReader(good[:100]), failing{broken}), broken},
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := Decode(c.r); m != nil || !errors.Is(err, c.want) {
				t.Errorf("got model %v and error %v, want %v", m, err, c.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzDecode(f *testing.F) {
	z := size{hidden: 1, dense: 1}
	small := encoded(f, newModel(z, z.initial(rand.New(rand.NewPCG(1, 1)))))
	f.Add(small)
	f.Add(small[:40])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is neither of format nor of corruption", err)
			}
			return
		}
		if !bytes.Equal(b, encoded(t, m)) {
			t.Error("what was decoded encodes to other bytes")
		}
		// Weights that are whole but senseless may fail, not panic.
		if fs, err := m.Forecast([]forecast.History{daily("a", 1, 1)}); err == nil {
			if err := fs[0].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
