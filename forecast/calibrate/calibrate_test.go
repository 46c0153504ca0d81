package calibrate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/synthetic"
)

func start() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

func series(values []float64) forecast.History {
	return forecast.History{Workload: forecast.Workload{Namespace: "shop", Name: "cart"}, Series: forecast.Series{Start: start(), Values: values}}
}

// walk is a daily wave with noise.
func walk(seed uint64, n int) forecast.History {
	r := rand.New(rand.NewPCG(seed, 3))
	values := make([]float64, n)
	for i := range values {
		values[i] = max(10*(1+0.5*math.Sin(2*math.Pi*float64(i)/day)+0.1*r.NormFloat64()), 0)
	}
	return series(values)
}

// upTo is h as known after n steps.
func upTo(h forecast.History, n int) forecast.History {
	h.Series = h.Through(h.Time(n - 1))
	return h
}

func z() [forecast.NumLevels]float64 {
	return [forecast.NumLevels]float64{-1.2816, -0.6745, 0, 0.6745, 1.2816, 1.6449, 2.3263}
}

// fan is a forecast of a normal rate that stays.
func fan(origin time.Time, mean, sigma float64) forecast.Forecast {
	f := forecast.Forecast{Workload: series(nil).Workload, Origin: origin, By: "trained"}
	var q forecast.Quantiles
	for j, v := range z() {
		q[j] = max(mean+v*sigma, 0)
	}
	for range forecast.Horizon {
		f.Steps, f.Peaks = append(f.Steps, q), append(f.Peaks, q)
	}
	return f
}

// A forecaster that is wrong about its spread or its level must be put right,
// through whatever happens to the traffic, and its quantiles must then cover
// what they say.
func TestCoverage(t *testing.T) {
	f := func(name string, mean, sigma, said func(i int) float64, missing func(i int) bool) {
		t.Helper()
		r := rand.New(rand.NewPCG(7, 8))
		c := New("trained")
		const days = 12
		var n float64
		var covered, peaks [forecast.NumLevels]float64
		values := make([]float64, days*day)
		for i := range values {
			values[i] = max(mean(i)+sigma(i)*r.NormFloat64(), 0)
			if missing(i) {
				values[i] = math.NaN()
			}
		}
		h := series(values)
		for i, v := range values {
			c.Observe(h.Time(i), v)
			if i%5 != 0 || i+15 >= len(values) {
				continue
			}
			// It thinks half the spread, and of a level that is too low.
			out, err := c.Combine([]forecast.Forecast{fan(h.Time(i), mean(i)-said(i), said(i))})
			if err != nil {
				t.Fatal(err)
			}
			if i < 4*day || missing(i+1) || missing(i+10) || missing(i+15) {
				continue
			}
			n++
			top := 0.0
			for _, v := range values[i+1 : i+6] {
				top = max(top, v)
			}
			for j := range covered {
				if values[i+10] <= out.Steps[9][j] {
					covered[j]++
				}
				if top <= out.Peaks[4][j] {
					peaks[j]++
				}
			}
		}
		for j, level := range forecast.Levels() {
			for what, share := range map[string]float64{"step 10": covered[j] / n, "peak 5": peaks[j] / n} {
				if off := math.Abs(share - level); off > 0.02 {
					t.Errorf("%s: quantile %g of %s covers %.3f", name, level, what, share)
				}
			}
		}
		if share := c.Report().Coverage(5); math.Abs(share-0.95) > 0.02 {
			t.Errorf("%s: the report has 0.95 cover %.3f", name, share)
		}
	}
	constant := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	never := func(int) bool { return false }
	wave := func(i int) float64 { return 100 * (1 + 0.6*math.Sin(2*math.Pi*float64(i)/day)) }
	f("calm", constant(100), constant(20), constant(10), never)
	f("heteroscedastic", wave, func(i int) float64 { return wave(i) / 5 }, func(i int) float64 { return wave(i) / 10 }, never)
	f("drift", func(i int) float64 { return 50 + float64(i)/50 }, constant(20), constant(10), never)
	f("spread that grows", constant(1000), func(i int) float64 { return 20 + float64(i)/300 }, func(i int) float64 { return 10 + float64(i)/600 }, never)
	level := func(i int) float64 {
		if i/day%4 < 2 {
			return 100
		}
		return 300
	}
	f("level shifts", level, func(i int) float64 { return level(i) / 5 }, func(i int) float64 { return level(i) / 10 }, never)
	f("outages", wave, func(i int) float64 { return wave(i) / 5 }, func(i int) float64 { return wave(i) / 10 },
		func(i int) bool { return i%(2*day) > day && i%(2*day) < day+500 })
}

// With a network that says nonsense, a workload is forecast nearly as well as
// by the best of the simple experts alone; with a good one, nearly as by it.
func TestNeverMuchWorse(t *testing.T) {
	opening := start()
	h := series(nil)
	for _, x := range synthetic.Shop(5, opening.Add(-21*24*time.Hour)).History(opening.Add(-14*24*time.Hour), opening) {
		if x.Known() > 13*day {
			h = x
			break
		}
	}
	// What is lost three steps ahead over the last two days.
	losses := func(network func(o forecast.History) forecast.Forecast) (given float64, report BucketReport) {
		o := NewOnline("trained")
		for n := 9 * day; n+3 <= h.Len(); n += 5 {
			past := upTo(h, n)
			out, err := o.Forecast(past, network(past))
			if err == nil {
				err = out.Check()
			}
			if err != nil {
				t.Fatal(err)
			}
			if y := h.Values[n+2]; n > 12*day && !math.IsNaN(y) {
				for j, level := range forecast.Levels() {
					given += accuracy.Pinball(y, out.Steps[2][j], level) / forecast.NumLevels / (2 * day / 5)
				}
			}
		}
		return given, o.Calibrator().Report().Buckets[0]
	}
	without, _ := losses(func(forecast.History) forecast.Forecast { return forecast.Forecast{} })
	given, report := losses(func(p forecast.History) forecast.Forecast {
		f := fan(p.Origin(), 1e6, 1)
		f.Workload = p.Workload
		return f
	})
	if given > 1.05*without || report.Weights[0] > 0.01 {
		t.Errorf("beside nonsense the loss is %g and its weight %g, want at most 1.05 of %g and 0.01", given, report.Weights[0], without)
	}
	// The best of them as the network.
	good := func(p forecast.History) forecast.Forecast {
		out, err := baseline.LastValue().Forecast([]forecast.History{p})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	alone := 0.0
	for n := 12*day + 1; n+3 <= h.Len(); n += 5 {
		if y := h.Values[n+2]; !math.IsNaN(y) {
			f := good(upTo(h, n))
			for j, level := range forecast.Levels() {
				alone += accuracy.Pinball(y, f.Steps[2][j], level) / forecast.NumLevels / (2 * day / 5)
			}
		}
	}
	if given, _ = losses(good); given > 1.03*alone {
		t.Errorf("beside a good network the loss is %g, want at most 1.03 of %g", given, alone)
	}
}

// Whatever experts say and whatever comes, what is given out is a forecast.
func TestGivesForecasts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	rates := []float64{0, 1e-9, 1, 5, 1e5, 1e300, math.MaxFloat64}
	c := New("a", "b", "c")
	for i := range 4000 {
		at := start().Add(time.Duration(i) * time.Minute)
		v := rates[r.IntN(len(rates))] * r.Float64()
		switch r.IntN(10) {
		case 0:
			v = math.NaN()
		case 1:
			v = math.Inf(1)
		case 2:
			continue
		}
		c.Observe(at, v)
		said := make([]forecast.Forecast, 3)
		for k := range said {
			if r.IntN(4) > 0 || k == 2 {
				m := rates[r.IntN(len(rates))] * r.Float64() / 4
				said[k] = fan(at, m, m*r.Float64()/4)
			}
		}
		out, err := c.Combine(said)
		if err == nil {
			err = out.Check()
		}
		if err != nil {
			t.Fatal(err)
		}
		for w := 1; w < forecast.Horizon; w++ {
			if out.Peak(w+1, 0.95) < out.Peak(w, 0.95) {
				t.Fatalf("step %d: the peak of %d steps is smaller than that of %d", i, w+1, w)
			}
		}
		for _, b := range c.Report().Buckets {
			sum := 0.0
			for _, w := range b.Weights {
				sum += w
			}
			if !(math.Abs(sum-1) < 1e-9) {
				t.Fatalf("step %d: weights %v", i, b.Weights)
			}
		}
	}
	if _, err := Decode(bytes.NewReader(encoded(t, c))); err != nil {
		t.Error(err)
	}
}

// Nothing is learned from what is not known, nor from a step seen before.
func TestMissingTeachesNothing(t *testing.T) {
	c := learned(t)
	// Of peaks most steps are enough.
	steps := func() []BucketReport { r := c.Report(); return r.Buckets[:NumStepBuckets] }
	before, last := steps(), c.Last()
	for i := -3; i <= 2*forecast.Horizon; i++ {
		rate := math.NaN()
		if i <= 0 {
			rate = 1e6
		}
		c.Observe(last.Add(time.Duration(i)*time.Minute), rate)
	}
	if diff := cmp.Diff(before, steps(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("two hours without a rate change what was learned (-before +after):\n%s", diff)
	}
	// What was forecast before the gap is not verified after it.
	all := c.Report()
	c.Observe(last.Add(121*time.Minute), 1e6)
	if diff := cmp.Diff(all, c.Report(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("a rate that nothing was forecast of changes what was learned:\n%s", diff)
	}
}

// A loop that forecasts each minute learns what a backtest learns that
// forecasts every five, and one that skips hours learns too.
func TestCadence(t *testing.T) {
	h := walk(2, 6*day)
	after := func(every int) Report {
		o := NewOnline("trained")
		for n := 3 * day; n < h.Len(); n += every {
			f := fan(h.Time(n-1), h.Values[n-1], 2)
			if _, err := o.Forecast(upTo(h, n), f); err != nil {
				t.Fatal(err)
			}
		}
		return o.Calibrator().Report()
	}
	one, five, rare := after(1), after(5), after(30)
	for b := range NumBuckets {
		a, c := one.Buckets[b], five.Buckets[b]
		for k := range a.Weights {
			if math.Abs(a.Weights[k]-c.Weights[k]) > 0.1 {
				t.Errorf("bucket %s: weights %.2f when forecast each minute, %.2f every five", a.Bucket, a.Weights, c.Weights)
			}
		}
		if math.Abs(a.Verified/c.Verified-1) > 0.3 {
			t.Errorf("bucket %s: %.0f verified when forecast each minute, %.0f every five", a.Bucket, a.Verified, c.Verified)
		}
		if !(rare.Buckets[b].Verified > 20) {
			t.Errorf("bucket %s: %.0f verified when forecast every half hour", a.Bucket, rare.Buckets[b].Verified)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	c := New("a", "b")
	good := fan(start(), 5, 1)
	short := good
	short.Peaks = short.Peaks[:10]
	f := func(want string, said ...forecast.Forecast) {
		t.Helper()
		if _, err := c.Combine(said); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	f("2 experts", good)
	f("no expert", forecast.Forecast{}, forecast.Forecast{})
	f("10 peaks", good, short)
	f("want one of shop/cart", good, fan(start().Add(time.Minute), 5, 1))
	for _, n := range []int{0, MaxExperts + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New takes %d experts", n)
				}
			}()
			New(make([]string, n)...)
		}()
	}
}

// One minute of one workload: a step observed, simple experts, and all mixed and
// corrected; with a network that is better than they, and one that is not.
func BenchmarkMinute(b *testing.B) {
	h := walk(3, 12*day)
	for name, spread := range map[string]float64{"good network": 1, "poor network": 10} {
		b.Run(name, func(b *testing.B) {
			// As many forecasts of the network as a day has minutes, made before.
			said := make([]forecast.Forecast, day)
			for i := range said {
				mean := 10 * (1 + 0.5*math.Sin(2*math.Pi*float64(i)/day))
				said[i] = fan(start(), mean, spread)
				for w := range said[i].Peaks { // as the largest of so many is
					said[i].Peaks[w] = fan(start(), mean+math.Sqrt(math.Log(float64(w+1))), 0.6*spread).Steps[0]
				}
			}
			var o *Online
			n := h.Len()
			minute := func() {
				if n++; n > h.Len() {
					o, n = NewOnline("trained"), 8*day
				}
				past := upTo(h, n)
				f := said[n%day]
				f.Origin = past.Origin()
				if _, err := o.Forecast(past, f); err != nil {
					b.Fatal(err)
				}
			}
			for range 2 * day {
				minute()
			}
			b.ReportAllocs()
			for b.Loop() {
				minute()
			}
		})
	}
}
