package feature

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/forecasttest"
)

// plain cuts a window as its meaning is told, one value after another, with the
// functions of the package math.
type plain struct {
	Scale
	y     []float64 // the steps that count, up to and including the origin
	clock float64
}

// at is the value i steps after the origin, NaN where none is known.
func (p plain) at(i int) float64 {
	if i += len(p.y) - 1; i >= 0 && i < len(p.y) {
		return p.y[i]
	}
	return math.NaN()
}

// known are the values from step i to step j, j not included.
func (p plain) known(i, j int) (v []float64) {
	for ; i < j; i++ {
		if x := p.at(i); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}

func average(v []float64) float64 {
	sum, n := 0.0, 0.0
	for _, x := range v {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / n
}

func (p plain) mean(i, j int) float64 { return average(p.known(i, j)) }

func (p plain) deviation(i, j int) float64 {
	v := p.known(i, j)
	if len(v) < 2 {
		return 0
	}
	m := average(v)
	sum := 0.0
	for _, x := range v {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(v)))
}

func (p plain) roughness(i, j int) float64 {
	var moves []float64
	for ; i < j; i++ {
		moves = append(moves, math.Abs(p.at(i)-p.at(i-1)))
	}
	return orZero(average(moves))
}

func (p plain) extremes(i, j int) (low, high, zeros float64) {
	v := p.known(i, j)
	if len(v) == 0 {
		return math.NaN(), math.NaN(), 0
	}
	low, high = v[0], v[0]
	for _, x := range v {
		low, high = min(low, x), max(high, x)
		if x == 0 {
			zeros++
		}
	}
	return low, high, zeros / float64(len(v))
}

// earlier are what the smoothed seasons showed for step i.
func (p plain) earlier(i int) (days []float64) {
	for d := 1; d <= Days; d++ {
		days = append(days, p.mean(i-d*Day-smooth, i-d*Day+smooth+1))
	}
	return days
}

func (p plain) profile(i int) float64   { return average(p.earlier(i)) }
func (p plain) yesterday(i int) float64 { return p.earlier(i)[0] }
func (p plain) week(i int) float64      { return p.earlier(i)[Days-1] }

// off is how far step i lies from the steps around it, NaN where it is not known.
func (p plain) off(i, side int) float64 { return p.at(i) - p.mean(i-side, i+side+1) }

// shape is shape s at step i after the origin.
func (p plain) shape(s, i int) float64 {
	if s == 1 {
		return orZero(p.off(i-Week, smooth))
	}
	sum, n := 0.0, 0.0
	if s == 0 {
		for d := 1; d <= Days; d++ {
			if v := p.off(i-d*Day, smooth); !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		return sum / max(n, 1)
	}
	// As far back as a day before the hour that is held against it, from the
	// first hour that has come.
	for at := i - 60; at > -Day-60; at -= 60 {
		if at <= 0 {
			sum += orZero(p.off(at, []int{smooth, swingSide}[s-2]))
			n++
		}
	}
	return sum / n
}

func (p plain) squash(z float64) float64 { return math.Asinh(z) }

func (p plain) cut(w Window) {
	p.Level = math.NaN()
	for _, n := range []int{5, 15, 60, Day, len(p.y)} {
		p.Level = orElse(p.Level, p.mean(1-n, 1))
	}
	p.Unit = max(p.deviation(1-Day, 1), 0.02*p.Level, 0.02*orZero(p.mean(1-Day, 1)), 1e-9)
	p.sequence(w)
	p.bases(w)
	p.statics(w)
}

func (p plain) sequence(w Window) {
	last := 0.0
	for t := range Steps {
		i := -(Steps - 1 - t) * Stride
		x := w.X[t*w.Stride:]
		x[1] = 1
		if v := p.mean(i-1, i+1); !math.IsNaN(v) {
			last, x[1] = p.squash(p.Z(v)), 0
		}
		x[0] = float32(last)
		x[2] = float32(p.squash(p.deviation(i-1, i+1) / p.Unit))
		for k, season := range []float64{p.profile(i), p.yesterday(i), p.week(i)} {
			x[3+k] = float32(orElse(p.squash(p.Z(season)), last))
		}
		x[6] = float32(last) - x[3]
		clock := 2 * math.Pi * (p.clock + float64(i)/Day)
		x[7], x[8] = float32(math.Sin(clock)), float32(math.Cos(clock))
	}
}

func (p plain) bases(w Window) {
	z := func(v float64) float64 { return p.Z(orElse(v, p.Level)) }
	gap := func(season func(int) float64, n int) float64 {
		var v []float64
		for i := range n {
			v = append(v, p.Z(season(-i)))
		}
		return orZero(average(v))
	}
	hour := z(p.mean(-59, 1))
	profileGap, yesterdayGap, weekGap := gap(p.profile, 5), gap(p.yesterday, 5), gap(p.week, 5)
	factor := 1.0
	if profile := p.Rate(profileGap); profile > 0 {
		factor = min(max(p.Level/profile, 0.2), 5)
	}
	own, alike, soon := p.own(), p.alike(), p.soon()
	for h := range forecast.Horizon {
		profile, yesterday, week := z(p.profile(1+h)), z(p.yesterday(1+h)), z(p.week(1+h))
		row := w.Base[h*Columns:]
		for i, v := range []float64{
			0, z(p.at(0)), hour,
			profile, profile - profileGap, profile - gap(p.profile, 60) + hour, p.Z(p.Rate(profile) * factor),
			yesterday, yesterday - yesterdayGap, week, week - weekGap,
			(yesterday - yesterdayGap + week - weekGap) / 2,
			own[h], alike[h], soon[h],
		} {
			row[i] = float32(max(v, -p.Level/p.Unit))
		}
		for s := range Shapes {
			row[Bases+s] = float32(p.shape(s, 1+h) / p.Unit)
		}
	}
}

func (p plain) statics(w Window) {
	var out []float64
	ratio := func(v float64) { out = append(out, math.Log(v/p.Unit+0.01)) }
	z := func(v float64) { out = append(out, p.squash(p.Z(orElse(v, p.Level)))) }
	for _, k := range []float64{1, 2, 24} {
		out = append(out, math.Sin(2*math.Pi*k*p.clock), math.Cos(2*math.Pi*k*p.clock))
	}
	for _, n := range []int{1, 15, 60, Day} {
		z(p.mean(1-n, 1))
	}
	low, high, zeros := p.extremes(-59, 1)
	z(low)
	z(high)
	out = append(out, zeros)
	_, high, zeros = p.extremes(1-Day, 1)
	z(high)
	out = append(out, zeros)
	ratio(p.deviation(-59, 1))
	ratio(p.deviation(-14, 1))
	ratio(p.roughness(-59, 1))
	ratio(p.roughness(1-Day, 1))
	ratio(p.Level)
	for s := range Shapes {
		var xy, xx, yy, size float64
		for i := -59; i <= 0; i++ {
			x, y := p.shape(s, i), orZero(p.off(i, []int{smooth, smooth, smooth, swingSide}[s]))
			xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
			size += p.shape(s, i+60) * p.shape(s, i+60)
		}
		fit := 0.0
		if x, y := math.Sqrt(xx), math.Sqrt(yy); min(x, y) > 1e-9*p.Unit {
			fit = xy / x / y
		}
		out = append(out, fit)
		ratio(math.Sqrt(size / forecast.Horizon))
	}
	for _, n := range []int{180, 360, 720} {
		var days []float64
		for d := 1; d <= Days; d++ {
			days = append(days, p.mean(1-n-d*Day, 1-d*Day))
		}
		z(p.mean(1-n, 1))
		out = append(out, p.squash(orZero(p.mean(1-n, 1)-average(days))/p.Unit))
	}
	seasons := []func(int) float64{p.profile, p.yesterday, p.week}
	for _, season := range seasons {
		var misses, sizes []float64
		for i := -59; i <= 0; i++ {
			misses, sizes = append(misses, p.at(i)-season(i)), append(sizes, math.Abs(p.at(i)-season(i)))
		}
		out = append(out, p.squash(orZero(average(misses))/p.Unit))
		ratio(orZero(average(sizes)))
	}
	days := 0.0
	for _, v := range p.earlier(1) {
		if !math.IsNaN(v) {
			days++
		}
	}
	out = append(out, days/Days)
	for _, n := range []int{60, 5, Day} {
		out = append(out, float64(len(p.known(1-n, 1)))/float64(n))
	}
	out = append(out, math.Log1p(min(float64(len(p.known(1-Memory, 1))), Week))/10)
	const wide = forecast.Horizon / Bins
	bins := func(of func(i int) float64) (means []float64) {
		for b := range Bins {
			var v []float64
			for i := range wide {
				v = append(v, of(1+b*wide+i))
			}
			means = append(means, average(v))
		}
		return means
	}
	for _, season := range seasons {
		for _, m := range bins(season) {
			z(m)
		}
	}
	for _, m := range bins(func(i int) float64 {
		days := plain{y: p.earlier(i)}
		if len(days.known(1-Days, 1)) == 0 {
			return math.NaN()
		}
		return days.deviation(1-Days, 1)
	}) {
		ratio(orZero(m))
	}
	for b := range Bins {
		_, high, _ := p.extremes(1-Day+b*wide, 1-Day+(b+1)*wide)
		z(high)
	}
	for i, v := range out {
		w.Static[i] = float32(v)
	}
}

// hardSeries are series that a short way may go wrong on.
func hardSeries() map[string]forecast.Series {
	all := map[string]forecast.Series{"weeks": weeks()}
	for _, h := range forecasttest.Histories() {
		all[h.Workload.String()] = h.Series
	}
	add := func(name string, steps int, value func(i int) float64) {
		v := make([]float64, steps)
		for i := range v {
			v[i] = value(i)
		}
		all[name] = forecast.Series{Start: time.Unix(1.7e9+17, 0), Values: v}
	}
	r := rand.New(rand.NewPCG(5, 6))
	add("a third of a request a minute", 8*Day, func(int) float64 { return 1. / 180 })
	add("large and nearly constant", 8*Day, func(int) float64 { return 1e12 + r.NormFloat64() })
	add("1e100", 8*Day, func(int) float64 { return 1e100 * r.ExpFloat64() })
	add("rare bursts", 8*Day, func(i int) float64 { return 1e4 * max(0, float64(i%977)-975) })
	add("steps of a week", 12*Day, func(i int) float64 { return float64(i / Week * 100) })
	add("hours missing", 9*Day, func(i int) float64 {
		if i/60%3 == 1 {
			return math.NaN()
		}
		return r.ExpFloat64()
	})
	return all
}

// TestCutMeansWhatItSays: Cut takes short ways, so it is held against the plain
// one: whole series and cut ones, at origins all over them.
func TestCutMeansWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, s := range hardSeries() {
		source := NewSource(s)
		var c Cutter
		for n := range 4 {
			since, origin := 0, s.Len()-1
			if n > 0 {
				origin -= r.IntN(s.Len())
			}
			if n > 1 {
				since = max(origin-int(5*math.Pow(Week/5, r.Float64())), 0)
			}
			if !source.Known(since, origin+1) {
				continue
			}
			got, want := newWindow(), newWindow()
			p := plain{y: s.Values[since : origin+1], clock: math.Mod(float64(s.Time(origin).Unix()), 86400) / 86400}
			p.cut(want)
			c.Cut(source, since, origin, got)
			at := fmt.Sprintf("%s, steps %d to %d", name, since, origin)
			near(t, at+": x", got.X, want.X)
			near(t, at+": static", got.Static, want.Static)
			near(t, at+": base", got.Base, want.Base)
		}
	}
}

// near tells where got is further from want than the rounding of sums makes it.
func near(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i, w := range want {
		g, w := float64(got[i]), float64(w)
		if !(math.Abs(g-w) <= 1e-6*max(1, math.Abs(w))) {
			t.Errorf("%s[%d] is %v, want %v", name, i, g, w)
			return
		}
	}
}

// TestSquash: the functions that are not those of the package math differ from
// them by less than a float32 can tell.
func TestSquash(t *testing.T) {
	for x := -40.0; x < 40; x += 0.001 {
		z := math.Copysign(math.Exp(x)-math.Exp(-40), x)
		if got, want := squash(z), math.Asinh(z); math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Fatalf("squash of %v is %v, want %v", z, got, want)
		}
		if got, want := logarithm(math.Exp(x)), x; math.Abs(got-want) > 1e-9 {
			t.Fatalf("logarithm of %v is %v, want %v", math.Exp(x), got, want)
		}
	}
	for _, z := range []float64{0, 1e300, -1e300, math.Inf(1)} {
		if got, want := squash(z), math.Asinh(z); !(math.Abs(got-want) <= 1e-7*math.Abs(want)) && got != want {
			t.Errorf("squash of %v is %v, want %v", z, got, want)
		}
	}
	if got := squash(math.NaN()); !math.IsNaN(got) {
		t.Errorf("squash of NaN is %v, want NaN", got)
	}
}
