package baseline_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/forecasttest"
)

const day = 1440

func TestConformance(t *testing.T) {
	for _, f := range baseline.All() {
		t.Run(f.Name(), func(t *testing.T) {
			forecasttest.Conformance(t, func() forecast.Forecaster { return f })
		})
	}
}

func forecastOf(t *testing.T, f forecast.Forecaster, values []float64) forecast.Forecast {
	t.Helper()
	out, err := f.Forecast([]forecast.History{{
		Workload: forecast.Workload{Namespace: "shop", Name: "cart"},
		Series:   forecast.Series{Start: time.Unix(0, 0), Values: values},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// Values that say where they are, so that a median says where it came from.
func numbered(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i)
	}
	return values
}

func TestMedianIsTheMethod(t *testing.T) {
	f := func(by baseline.Forecaster, values []float64, h int, want float64) {
		t.Helper()
		got := forecastOf(t, by, values).Steps[h-1][forecast.Median]
		if math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: step %d is %g, want %g", by.Name(), h, got, want)
		}
	}
	n := 9 * day
	f(baseline.LastValue(), numbered(n), 1, float64(n-1))
	f(baseline.LastValue(), numbered(n), 60, float64(n-1))
	f(baseline.SeasonalNaiveDay(), numbered(n), 1, float64(n-day))
	f(baseline.SeasonalNaiveDay(), numbered(n), 60, float64(n-day+59))
	f(baseline.SeasonalNaiveWeek(), numbered(n), 60, float64(n-7*day+59))
	// Too short for a week, then for a day.
	f(baseline.SeasonalNaiveWeek(), numbered(3*day), 5, 2*day+4)
	f(baseline.SeasonalNaiveWeek(), numbered(100), 5, 99)
	f(baseline.SeasonalNaiveDay(), numbered(1), 60, 0)

	gap := numbered(n)
	gap[n-day+4], gap[n-7*day+4] = math.NaN(), math.NaN()
	f(baseline.SeasonalNaiveDay(), gap, 5, float64(n-2*day+4))
	f(baseline.SeasonalNaiveWeek(), gap, 5, float64(n-2*day+4))

	// The last two days are missing: a day before the origin is not known.
	late := numbered(n)
	for i := n - 2*day; i < n; i++ {
		late[i] = math.NaN()
	}
	f(baseline.SeasonalNaiveDay(), late, 1, float64(n-3*day))
	f(baseline.LastValue(), late, 1, float64(n-2*day-1))
}

// Holt-Winters must follow a season and a shift of level that the naive
// methods cannot both follow.
func TestHoltWintersFollowsSeasonAndLevel(t *testing.T) {
	wave := func(i int) float64 { return 50 + 20*math.Sin(2*math.Pi*float64(i)/day) }
	values := make([]float64, 5*day)
	for i := range values {
		values[i] = wave(i)
		if i >= 5*day-180 {
			values[i] += 30
		}
	}
	got := forecastOf(t, baseline.HoltWinters(), values)
	for _, h := range []int{1, 15, 60} {
		want := wave(5*day-1+h) + 30
		if m := got.Steps[h-1][forecast.Median]; math.Abs(m-want) > 0.1*want {
			t.Errorf("step %d: %g, want about %g", h, m, want)
		}
	}
}

// EWMA must weigh as the history asks for: a steady mean under noise, and the
// newest value where the rate wanders without any.
func TestEWMAWeighsAsTheHistoryAsks(t *testing.T) {
	f := func(name string, values []float64, want, within float64) {
		t.Helper()
		if m := forecastOf(t, baseline.EWMA(), values).Steps[9][forecast.Median]; math.Abs(m-want) > within {
			t.Errorf("%s: %g, want %g to within %g", name, m, want, within)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	noise, steps := make([]float64, 2*day), make([]float64, 2*day)
	level := 100.0
	for i := range noise {
		noise[i] = 100 + 20*r.NormFloat64()
		if i%20 == 0 {
			level = 50 + 100*r.Float64()
		}
		steps[i] = level
	}
	f("noise", noise, 100, 8)
	f("a step 20 minutes ago", steps, level, 1)
	// A gap is no news.
	gap := append(steps[:len(steps):len(steps)], math.NaN(), math.NaN(), math.NaN())
	f("a gap", gap, level, 1)
	// Where there is too little to tell, the newest rate weighs a third: of roots,
	// for the errors are theirs.
	f("a few minutes", []float64{100, 100, 400}, 100*16/9., 1e-9)
	f("one minute", []float64{7}, 7, 1e-9)
}

// The quantiles must hold what they say on a series like those they were
// learned from, at near and far horizons, and for peaks.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	values := make([]float64, 24*day)
	level := 0.0
	for i := range values {
		level = 0.9*level + 0.05*r.NormFloat64()
		values[i] = max(100*(1+0.4*math.Sin(2*math.Pi*float64(i)/day)+level+0.05*r.NormFloat64()), 0)
	}
	for _, f := range baseline.All() {
		var n float64
		var covered [3][forecast.NumLevels]float64
		for o := 16 * day; o+60 < len(values); o += 97 {
			got := forecastOf(t, f, values[:o+1:o+1])
			peak := 0.0
			for _, v := range values[o+1 : o+16] {
				peak = max(peak, v)
			}
			n++
			for j := range forecast.NumLevels {
				for k, hit := range []bool{values[o+2] <= got.Steps[1][j], values[o+45] <= got.Steps[44][j], peak <= got.Peaks[14][j]} {
					if hit {
						covered[k][j]++
					}
				}
			}
		}
		for k, what := range []string{"step 2", "step 45", "peak 15"} {
			for j, level := range forecast.Levels() {
				if share := covered[k][j] / n; math.Abs(share-level) > 0.1 {
					t.Errorf("%s, %s: quantile %g covers %.3f of %g", f.Name(), what, level, share, n)
				}
			}
		}
	}
}

func BenchmarkForecast(b *testing.B) {
	for _, f := range baseline.All() {
		b.Run(f.Name(), func(b *testing.B) {
			h := forecasttest.Histories()
			batch := h[len(h)-1:]
			batch[0].Values = numbered(14 * day)
			for b.Loop() {
				if _, err := f.Forecast(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestNoLeak(t *testing.T) {
	for _, f := range baseline.All() {
		t.Run(f.Name(), func(t *testing.T) {
			forecasttest.NoLeak(t, func() forecast.Forecaster { return f })
		})
	}
}
