// Package forecasttest holds every [forecast.Forecaster] to its contract, the
// hard histories included.
package forecasttest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
)

const (
	hour = 60
	day  = 24 * hour
)

// Conformance checks what [forecast.Forecaster] promises. newForecaster gives
// a forecaster that is ready to forecast; it is called once a subtest.
func Conformance(t *testing.T, newForecaster func() forecast.Forecaster) {
	t.Run("hard histories", func(t *testing.T) { hardHistories(t, newForecaster()) })
	t.Run("nothing known", func(t *testing.T) { nothingKnown(t, newForecaster()) })
	t.Run("batch", func(t *testing.T) { batchEqualsSingles(t, newForecaster()) })
	t.Run("input kept", func(t *testing.T) { inputKept(t, newForecaster()) })
	t.Run("concurrent calls", func(t *testing.T) { concurrentCalls(t, newForecaster()) })
	t.Run("scale", func(t *testing.T) { followsScale(t, newForecaster()) })
	t.Run("level", func(t *testing.T) { findsLevel(t, newForecaster()) })
}

// Histories are named histories that a forecaster must cope with: gaps, short
// ones, zeros, constants, jumps, and rates of every size. They are the same at
// each call.
func Histories() []forecast.History {
	var out []forecast.History
	add := func(name string, values []float64) {
		out = append(out, history(name, values))
	}
	short := rhythm(10*day, 20)
	for name, n := range map[string]int{
		"one minute": 1, "two minutes": 2, "five minutes": 5, "an hour": hour,
		"a day": day, "a day and a minute": day + 1, "two days": 2 * day, "eight days": 8 * day,
	} {
		add(name, short[:n])
	}
	slices.SortFunc(out, func(a, b forecast.History) int { return a.Workload.Compare(b.Workload) })

	for _, perMinute := range []float64{0.01, 1, 100, 1e4, 1e7} {
		add(fmt.Sprintf("rate of %g a minute", perMinute), rhythm(8*day, perMinute/60))
	}
	add("huge", rhythm(3*day, 1e15))
	add("tiny", rhythm(3*day, 1e-12))
	add("zero", make([]float64, 3*day))
	add("zero for an hour", make([]float64, hour))
	add("constant", slices.Repeat([]float64{7}, 3*day))
	add("constant for five minutes", slices.Repeat([]float64{7}, 5))

	jump := rhythm(3*day, 5)
	for i := len(jump) - 10; i < len(jump); i++ {
		jump[i] *= 1000
	}
	add("jump of 1000", jump)
	fall := rhythm(3*day, 5)
	for i := len(fall) - 10; i < len(fall); i++ {
		fall[i] /= 1000
	}
	add("fall of 1000", fall)
	wakes := make([]float64, 3*day)
	wakes[len(wakes)-1] = 1000
	add("wakes from zero", wakes)
	sparse := make([]float64, 8*day)
	for i := 37; i < len(sparse); i += 311 {
		sparse[i] = 1.0 / 60
	}
	add("one request in five hours", sparse)

	gaps := rhythm(8*day, 50)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range gaps {
		if r.Float64() < 0.3 {
			gaps[i] = math.NaN()
		}
	}
	add("three in ten missing", gaps)
	add("ends in a missing minute", missing(rhythm(8*day, 50), 8*day-1, 8*day))
	add("ends in a missing hour", missing(rhythm(8*day, 50), 8*day-hour, 8*day))
	add("ends in two missing days", missing(rhythm(8*day, 50), 6*day, 8*day))
	add("begins with a missing day", missing(rhythm(8*day, 50), 0, day))
	add("yesterday and a week ago missing", missing(missing(rhythm(8*day, 50), 7*day-2*hour, 7*day+2*hour), 0, 2*day))
	add("only the first known", missing(rhythm(2*day, 50), 1, 2*day))
	add("only the last known", missing(rhythm(8*day, 50), 0, 8*day-1))
	add("only two known", missing(missing(rhythm(2*day, 50), 0, day), day+1, 2*day-1))
	return out
}

func hardHistories(t *testing.T, f forecast.Forecaster) {
	if f.Name() == "" || strings.ContainsAny(f.Name(), " ,\n") {
		t.Errorf("name %q, want one short word", f.Name())
	}
	for _, h := range Histories() {
		got := one(t, f, h)
		if err := got.Check(); err != nil {
			t.Error(err)
		}
		if got.By == "" {
			t.Errorf("%s: the forecast does not say what made it", h.Workload)
		}
		if got.Workload != h.Workload || !got.Origin.Equal(h.Origin()) {
			t.Errorf("forecast of %s at %v, want %s at %v", got.Workload, got.Origin, h.Workload, h.Origin())
		}
	}
	out, err := f.Forecast(nil)
	if err != nil || len(out) != 0 {
		t.Errorf("an empty batch gave %d forecasts and error %v, want none of either", len(out), err)
	}
}

func nothingKnown(t *testing.T, f forecast.Forecaster) {
	fine := history("fine", rhythm(day, 5))
	for _, bad := range []forecast.History{
		history("of-unknowns", missing(make([]float64, day), 0, day)),
		history("of-nothing", nil),
	} {
		_, err := f.Forecast([]forecast.History{fine, bad})
		if err == nil || !strings.Contains(err.Error(), bad.Workload.String()) {
			t.Errorf("error %v, want one that names %q", err, bad.Workload)
		}
	}
}

func batchEqualsSingles(t *testing.T, f forecast.Forecaster) {
	batch := Histories()
	together, err := f.Forecast(batch)
	if err != nil {
		t.Fatal(err)
	}
	if len(together) != len(batch) {
		t.Fatalf("%d forecasts for %d histories", len(together), len(batch))
	}
	for i, h := range batch {
		if d := Difference(one(t, f, h), together[i]); d > 1e-5 {
			t.Errorf("%s alone and in a batch differ by %g of the rate", h.Workload, d)
		}
	}
	slices.Reverse(batch)
	turned, err := f.Forecast(batch)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(turned)
	for i := range turned {
		if d := Difference(turned[i], together[i]); d > 1e-5 {
			t.Errorf("%s: order in the batch changes the forecast by %g of the rate", turned[i].Workload, d)
		}
	}
}

func inputKept(t *testing.T, f forecast.Forecaster) {
	for _, h := range Histories() {
		// Room behind the values would let an append write into it.
		padded := append(slices.Clone(h.Values), 12345)
		h.Values = padded[:len(padded)-1]
		before := slices.Clone(h.Values)
		one(t, f, h)
		same := slices.EqualFunc(before, h.Values, func(a, b float64) bool {
			return math.Float64bits(a) == math.Float64bits(b)
		})
		if !same || padded[len(padded)-1] != 12345 {
			t.Errorf("%s: the forecaster wrote into the history", h.Workload)
		}
	}
}

func concurrentCalls(t *testing.T, f forecast.Forecaster) {
	batch := Histories()[:12]
	want, err := f.Forecast(batch)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			got, err := f.Forecast(batch)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range got {
				if d := Difference(got[i], want[i]); d > 0 {
					t.Errorf("%s: a concurrent call differs by %g of the rate", got[i].Workload, d)
				}
			}
		})
	}
	all.Wait()
}

// followsScale asks for about the same forecast of the same shape at another
// size.
func followsScale(t *testing.T, f forecast.Forecaster) {
	small := one(t, f, history("small", rhythm(8*day, 2)))
	for _, factor := range []float64{0.05, 10, 1000} {
		big := one(t, f, history("big", rhythm(8*day, 2*factor)))
		for _, h := range []int{1, 5, 15, 60} {
			for j := forecast.Median; j < forecast.NumLevels; j++ {
				got, want := big.Steps[h-1][j]/factor, small.Steps[h-1][j]
				if math.Abs(got-want) > 0.25*want {
					t.Errorf("%g times the rate: step %d, quantile %d is %g of that size, want about %g", factor, h, j, got, want)
				}
			}
		}
	}
}

// findsLevel asks that a forecast lies where the rate is: a median within a
// factor of two of a calm rate, under a quantile that covers it.
func findsLevel(t *testing.T, f forecast.Forecaster) {
	for _, rate := range []float64{0.5, 20, 1e5} {
		got := one(t, f, history("calm", rhythm(8*day, rate)))
		// The origin is the last minute of a day, half-way up the rhythm.
		for _, h := range []int{1, 15, 60} {
			q := got.Steps[h-1]
			if q[forecast.Median] < rate/2 || q[forecast.Median] > rate*2 || q[forecast.NumLevels-1] < rate*0.9 {
				t.Errorf("a calm rate of %g: step %d has quantiles %v", rate, h, q)
			}
		}
	}
}

// Difference is the largest difference of two forecasts' quantiles, in terms
// of the second's largest one; infinite where their shapes differ.
func Difference(a, b forecast.Forecast) float64 {
	if len(a.Steps) != len(b.Steps) || len(a.Peaks) != len(b.Peaks) || a.Workload != b.Workload || !a.Origin.Equal(b.Origin) {
		return math.Inf(1)
	}
	most, top := 0.0, 0.0
	for _, pair := range [][2][]forecast.Quantiles{{a.Steps, b.Steps}, {a.Peaks, b.Peaks}} {
		for i := range pair[0] {
			for j, v := range pair[0][i] {
				most = max(most, math.Abs(v-pair[1][i][j]))
				top = max(top, pair[1][i][j])
			}
		}
	}
	if most == 0 {
		return 0
	}
	return most / top
}

func one(t *testing.T, f forecast.Forecaster, h forecast.History) forecast.Forecast {
	t.Helper()
	out, err := f.Forecast([]forecast.History{h})
	if err != nil {
		t.Fatalf("forecast %s: %v", h.Workload, err)
	}
	if len(out) != 1 {
		t.Fatalf("forecast %s: %d forecasts, want 1", h.Workload, len(out))
	}
	return out[0]
}

func history(name string, values []float64) forecast.History {
	return forecast.History{
		Workload: forecast.Workload{Namespace: "conformance", Name: name},
		Series:   forecast.Series{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Values: values},
	}
}

// rhythm is n minutes of a daily wave around mean with some noise, from
// midnight on.
func rhythm(n int, mean float64) []float64 {
	r := rand.New(rand.NewPCG(7, 11))
	values := make([]float64, n)
	for i := range values {
		wave := 1 + 0.5*math.Sin(2*math.Pi*float64(i)/day)
		values[i] = max(mean*(wave+0.05*r.NormFloat64()), 0)
	}
	return values
}

func missing(values []float64, from, to int) []float64 {
	for i := from; i < to; i++ {
		values[i] = math.NaN()
	}
	return values
}
