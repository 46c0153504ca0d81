package backtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func history(name string, n int) forecast.History {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(name))))
	h := forecast.History{
		Workload: forecast.Workload{Namespace: "shop", Name: name},
		Series:   forecast.Series{Start: start(), Values: make([]float64, n)},
	}
	for i := range h.Values {
		// Whole requests a minute, as in the files of traces.
		h.Values[i] = math.Round(600*(2+math.Sin(2*math.Pi*float64(i)/1440)+0.1*r.Float64())) / 60
	}
	return h
}

func choose(t *testing.T, histories ...forecast.History) []backtest.Plan {
	t.Helper()
	var plans []backtest.Plan
	for _, h := range histories {
		p, err := backtest.Choose(h)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	}
	return plans
}

func TestChoose(t *testing.T) {
	h := history("cart", 5000)
	p := choose(t, h)[0]
	if got := h.Index(p.TrainEnd); got != 3499 {
		t.Errorf("the train part ends at step %d, want 3499", got)
	}
	first, last := h.Index(p.Origins[0]), h.Index(p.Origins[len(p.Origins)-1])
	if first < 3500 || first >= 3560 || last >= 4940 || last < 4880 {
		t.Errorf("origins from step %d to %d, want one an hour within 3500 and 4940", first, last)
	}
	for i, at := range p.Origins[1:] {
		if at.Sub(p.Origins[i]) != time.Hour {
			t.Errorf("origin %d is %v after the one before, want an hour", i+1, at.Sub(p.Origins[i]))
		}
	}

	f := func(h forecast.History, want string) {
		t.Helper()
		if _, err := backtest.Choose(h); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shop/") {
			t.Errorf("error %v, want one that says %q and names the series", err, want)
		}
	}
	f(history("short", 1500), "1500 minutes")
	f(history("empty", 0), "0 minutes")
	constant := history("constant", 5000)
	for i := range constant.Values {
		constant.Values[i] = 7
	}
	f(constant, "hardly change")
	idle := history("idle", 5000)
	for i := range idle.Values {
		if i%60 != 0 {
			idle.Values[i] = 0
		}
	}
	f(idle, "1475 of them zero")
}

func TestReadOrigins(t *testing.T) {
	h := history("cart", 3000)
	at := func(step int) int64 { return h.Time(step).Unix() }
	read := func(text string) ([]backtest.Plan, error) {
		o, err := backtest.ReadOrigins(strings.NewReader(text))
		if err != nil {
			return nil, err
		}
		return o.Plans([]forecast.History{h, history("other", 10)})
	}
	f := func(text string, wantEnd int, want ...int) {
		t.Helper()
		plans, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(plans) != 1 || plans[0].History.Workload != h.Workload {
			t.Fatalf("plans %v, want one of %s", plans, h.Workload)
		}
		var got []int
		for _, o := range plans[0].Origins {
			got = append(got, h.Index(o))
		}
		if diff := cmp.Diff(want, got); diff != "" || h.Index(plans[0].TrainEnd) != wantEnd {
			t.Errorf("the train part ends at %d, want %d; origins (-want +got):\n%s", h.Index(plans[0].TrainEnd), wantEnd, diff)
		}
	}
	f(fmt.Sprintf("series,origin_unix\nshop/cart,%d\nshop/cart,%d\nshop/cart,%d\n", at(20), at(10), at(20)), 10, 10, 20)
	f(fmt.Sprintf("file,origin_unix,train_end_unix,series\nx,%d,%d,shop/cart\n", at(20), at(5)), 5, 20)

	bad := func(text string, want ...string) {
		t.Helper()
		_, err := read(text)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %v, want one that says %q", text, err, w)
			}
		}
	}
	bad("", "header")
	bad("series,at\n", "want the columns series and origin_unix")
	bad("series,origin_unix\n", "no line after the header")
	bad("series,origin_unix\nshop/cart,x\n/,5\nshop/cart,1,2\n", `line 2: origin_unix "x"`, "line 3: parse workload", "line 4: wrong number of fields")
	bad(fmt.Sprintf("series,origin_unix\nshop/nobody,5\nshop/cart,%d\n", at(20)+1), `series "shop/nobody": no such series`, `series "shop/cart": origin`)
	bad(fmt.Sprintf("series,origin_unix\nshop/cart,%d\n", at(3000)), "want a stamp of the series")
}

// spy forecasts as the baseline it holds, and looks at what it is given.
type spy struct {
	forecast.Forecaster
	look func([]forecast.History) error
	edit func([]forecast.Forecast) []forecast.Forecast
}

func (s spy) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	if s.look != nil {
		if err := s.look(batch); err != nil {
			return nil, err
		}
	}
	out, err := s.Forecaster.Forecast(batch)
	if s.edit != nil {
		out = s.edit(out)
	}
	return out, err
}

func TestRunGivesHistoryThroughOrigin(t *testing.T) {
	plans := choose(t, history("a", 4000), history("bb", 3500))
	var calls, items atomic.Int64
	f := spy{Forecaster: baseline.LastValue(), look: func(batch []forecast.History) error {
		calls.Add(1)
		items.Add(int64(len(batch)))
		if len(batch) > 7 {
			t.Errorf("a batch of %d, want 7 at most", len(batch))
		}
		for _, h := range batch {
			if cap(h.Values) != len(h.Values) {
				t.Errorf("%s: what comes after the origin is in reach: length %d, capacity %d", h.Workload, len(h.Values), cap(h.Values))
			}
		}
		return nil
	}}
	var got []time.Time
	result, err := backtest.Run(t.Context(), plans, f, backtest.Options{Batch: 7, Calls: 3, OnForecast: func(actual forecast.Series, f forecast.Forecast) error {
		if actual.Len() != forecast.Horizon || !actual.Start.Equal(f.Time(1)) {
			t.Errorf("%d actual steps from %v on, want those after %v", actual.Len(), actual.Start, f.Origin)
		}
		got = append(got, f.Origin)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(plans[0].Origins, plans[1].Origins)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order of the forecasts (-want +got):\n%s", diff)
	}
	if n := int64(len(want)); items.Load() != n || calls.Load() != (n+6)/7 || result.Forecasts != len(want) {
		t.Errorf("%d histories in %d calls and %d forecasts, want %d in batches of 7", items.Load(), calls.Load(), result.Forecasts, n)
	}
	if len(result.Series) != 2 || result.Series[1].Series != "shop/bb" || result.Series[1].Origins != len(plans[1].Origins) {
		t.Errorf("series %+v, want both, in order", result.Series)
	}
}

// A forecaster that knows the future must score as such, and the reference
// itself must come out at 1.
func TestRunScores(t *testing.T) {
	h := history("cart", 6000)
	plans := choose(t, h)
	oracle := spy{Forecaster: baseline.LastValue(), edit: func(out []forecast.Forecast) []forecast.Forecast {
		for i := range out {
			for k := range out[i].Steps {
				v := h.At(out[i].Time(k + 1))
				out[i].Steps[k] = forecast.Quantiles{v, v, v, v, v, v, v}
			}
			out[i].Peaks = forecast.RunningPeaks(out[i].Steps)
		}
		return out
	}}
	result, err := backtest.Run(t.Context(), plans, oracle, backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range result.Overall.Horizons {
		if s.CRPSRatio > 1e-6 || s.MASE > 1e-6 || s.Coverage[0].Share != 1 {
			t.Errorf("an oracle scores %+v", s)
		}
	}

	result, err = backtest.Run(t.Context(), plans, baseline.SeasonalNaiveDay(), backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range result.Overall.Horizons {
		if math.Abs(float64(s.MASERatio)-1) > 1e-9 || math.Abs(float64(s.CRPSRatio)-1) > 0.1 {
			t.Errorf("seasonal naive by the reference is %+v, want 1", s)
		}
	}
}

func TestRunEnds(t *testing.T) {
	plans := choose(t, history("a", 4000))
	mine := errors.New("mine")
	f := func(name string, by forecast.Forecaster, o backtest.Options, want string) {
		t.Helper()
		o.Batch = 3
		result, err := backtest.Run(t.Context(), plans, by, o)
		if err == nil || !strings.Contains(err.Error(), want) || len(result.Series) != 0 {
			t.Errorf("%s: error %v and %d series, want one that says %q and none", name, err, len(result.Series), want)
		}
	}
	f("the forecaster fails", spy{Forecaster: baseline.LastValue(), look: func([]forecast.History) error { return mine }}, backtest.Options{}, "backtest last-value: mine")
	f("the hook fails", baseline.LastValue(), backtest.Options{OnForecast: func(forecast.Series, forecast.Forecast) error { return mine }}, "mine")
	f("a forecast is not valid", spy{Forecaster: baseline.LastValue(), edit: func(out []forecast.Forecast) []forecast.Forecast {
		out[0].Steps[3][2] = math.NaN()
		return out
	}}, backtest.Options{}, "step 4")
	f("a forecast is missing", spy{Forecaster: baseline.LastValue(), edit: func(out []forecast.Forecast) []forecast.Forecast { return out[1:] }}, backtest.Options{}, "2 forecasts for 3")
	f("a forecast is of another", spy{Forecaster: baseline.LastValue(), edit: func(out []forecast.Forecast) []forecast.Forecast {
		slices.Reverse(out)
		return out
	}}, backtest.Options{}, "forecast of shop/a at")

	ctx, cancel := context.WithCancel(t.Context())
	_, err := backtest.Run(ctx, plans, baseline.LastValue(), backtest.Options{Batch: 1, OnForecast: func(forecast.Series, forecast.Forecast) error {
		cancel()
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the context ended, want that", err)
	}

	off := plans[0]
	off.Origins = []time.Time{off.Origins[0].Add(time.Second)}
	if _, err := backtest.Run(t.Context(), []backtest.Plan{off}, baseline.LastValue(), backtest.Options{}); err == nil {
		t.Error("no error for an origin that is no stamp of the series")
	}
}

// What cannot be scored is named, and does not hide what can.
func TestRunDrops(t *testing.T) {
	good := history("good", 4000)
	late := history("late", 4000)
	for i := range 3990 {
		late.Values[i] = math.NaN()
	}
	dead := history("dead", 4000)
	for i := 2000; i < 4000; i++ {
		dead.Values[i] = math.NaN()
	}
	flat := history("flat", 4000)
	for i := range flat.Values {
		flat.Values[i] = 7
	}
	plans := choose(t, good)
	for _, h := range []forecast.History{late, dead, flat} {
		plans = append(plans, backtest.Plan{History: h, TrainEnd: h.Time(2800), Origins: []time.Time{h.Time(3000), h.Time(3060)}})
	}
	result, err := backtest.Run(t.Context(), plans, baseline.LastValue(), backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []backtest.Dropped{
		{Series: "shop/late", Why: "no known minute before an origin"},
		{Series: "shop/dead", Why: "no known minute after an origin"},
		{Series: "shop/flat", Why: "seasonal naive makes no error to measure against"},
	}
	if diff := cmp.Diff(want, result.Dropped); diff != "" || len(result.Series) != 1 {
		t.Errorf("%d series, want 1; dropped (-want +got):\n%s", len(result.Series), diff)
	}
	alone, err := backtest.Run(t.Context(), plans[:1], baseline.LastValue(), backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alone.Overall, result.Overall); diff != "" {
		t.Errorf("dropped series change the whole (-without +with):\n%s", diff)
	}
}

func TestTables(t *testing.T) {
	q := forecast.Quantiles{1, 2, 3, 4, 5, 6, 7.123456789}
	f := forecast.Forecast{Workload: forecast.Workload{Namespace: "shop", Name: "cart"}, Origin: time.Unix(1700000000, 0)}
	for range forecast.Horizon {
		f.Steps, f.Peaks = append(f.Steps, q), append(f.Peaks, q)
	}
	write := func(table func(*bytes.Buffer) *backtest.Table) []string {
		var out bytes.Buffer
		tab := table(&out)
		if err := tab.Add(f); err != nil {
			t.Fatal(err)
		}
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	steps := write(func(b *bytes.Buffer) *backtest.Table { return backtest.NewForecasts(b) })
	want := []string{
		"series,origin_unix,horizon_min,q10,q25,q50,q75,q90,q95,q99",
		"shop/cart,1700000000,1,60,120,180,240,300,360,427.4074",
		"shop/cart,1700000000,2,60,120,180,240,300,360,427.4074",
	}
	if diff := cmp.Diff(want, steps[:3]); diff != "" || len(steps) != 61 {
		t.Errorf("%d lines, want 61 (-want +got):\n%s", len(steps), diff)
	}
	peaks := write(func(b *bytes.Buffer) *backtest.Table { return backtest.NewPeaks(b) })
	want = []string{"series,origin_unix,window_min,q95", "shop/cart,1700000000,5,360", "shop/cart,1700000000,15,360"}
	if diff := cmp.Diff(want, peaks); diff != "" {
		t.Errorf("peaks (-want +got):\n%s", diff)
	}

	full := backtest.NewForecasts(failing{})
	var err error
	for range 1000 {
		if err = full.Add(f); err != nil {
			break
		}
	}
	if err == nil || full.Flush() == nil {
		t.Error("a full disk is no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }
