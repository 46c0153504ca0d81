package feature

import (
	"math"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/foretide/foretide/forecast"
)

// ridge fits targets to rows, and gives the coefficients.
func (p plain) ridge(rows [][]float64, targets []float64) []float64 {
	if len(rows) == 0 {
		return make([]float64, terms)
	}
	n := float64(len(rows))
	a, b := mat.NewSymDense(terms, nil), mat.NewVecDense(terms, nil)
	for r, row := range rows {
		x := mat.NewVecDense(terms, row)
		a.SymRankOne(a, 1, x)
		if !math.IsNaN(targets[r]) {
			b.AddScaledVec(b, targets[r], x)
		}
	}
	for i := range terms {
		a.SetSym(i, i, a.At(i, i)*(1+ridge/n)+1e-6*p.Unit*p.Unit*n)
	}
	var c mat.Cholesky
	if !c.Factorize(a) {
		panic("the products are not positive")
	}
	var k mat.VecDense
	if err := c.SolveVecTo(&k, b); err != nil {
		panic(err)
	}
	return k.RawVector().Data
}

func dot(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// between interpolates from leads, which stand at the given steps ahead.
func between(h int, at []int, value []float64) float64 {
	for i := 1; ; i++ {
		if h <= at[i] || i == len(at)-1 {
			f := float64(h-at[i-1]) / float64(at[i]-at[i-1])
			return value[i-1] + min(max(f, 0), 1)*(value[i]-value[i-1])
		}
	}
}

// own is the workload's own regression over a day of grains.
func (p plain) own() []float64 {
	grainMean := func(k, days int) float64 {
		i := 1 - grain*(grains-k) - days*Day
		if days > 0 && len(p.y)-1+i < 0 {
			return math.NaN() // half a grain does not count
		}
		return p.mean(i, i+grain) - p.Level
	}
	came, usual, yesterday, gap := make([]float64, grains), make([]float64, grains), make([]float64, grains), make([]float64, grains)
	for k := range grains {
		var days []float64
		for d := range grainDays {
			days = append(days, grainMean(k, d+1))
		}
		came[k], usual[k], yesterday[k] = grainMean(k, 0), average(days), days[0]
		gap[k] = orZero(came[k] - usual[k])
	}
	fill := func(v []float64) {
		for k := range v {
			if math.IsNaN(v[k]) && k > 0 {
				v[k] = v[k-1]
			}
		}
		for k := len(v) - 1; k >= 0; k-- {
			if math.IsNaN(v[k]) && k < len(v)-1 {
				v[k] = v[k+1]
			}
			v[k] = orZero(v[k])
		}
	}
	fill(usual)
	fill(yesterday)
	hour := func(k int) float64 {
		end := 1 - grain*(grains-k-1)
		return orZero(came[k] - (p.mean(end-60, end) - p.Level))
	}
	move := func(k int) float64 { return orZero(came[k] - came[k-1]) }
	coefficients := make([][]float64, terms)
	var at []int
	for _, lead := range ownLeads() {
		var rows [][]float64
		var targets []float64
		for k := grainHour; k < grains-lead; k += min((lead+1)/2, 3) {
			u := usual[k+lead] - usual[k]
			y := came[k+lead] - came[k] - u
			if math.IsNaN(y) {
				continue
			}
			rows = append(rows, []float64{u, yesterday[k+lead] - yesterday[k] - u, gap[k], hour(k), move(k)})
			targets = append(targets, y)
		}
		for i, v := range p.ridge(rows, targets) {
			if i == 0 {
				v++
			}
			coefficients[i] = append(coefficients[i], v)
		}
		at = append(at, grain*lead-grain/2)
	}
	var course []float64
	last := func(season func(int) float64) float64 {
		var v []float64
		for i := range grain {
			v = append(v, season(-i))
		}
		return average(v)
	}
	usualNow, yesterdayNow := last(p.profile), last(p.yesterday)
	for h := range forecast.Horizon {
		u := orZero(p.profile(1+h) - usualNow)
		x := []float64{u, orZero(p.yesterday(1+h)-yesterdayNow) - u, gap[grains-1], hour(grains - 1), move(grains - 1)}
		var k []float64
		for _, c := range coefficients {
			k = append(k, between(h+1, at, c))
		}
		course = append(course, min(dot(x, k)/p.Unit, 30))
	}
	return course
}

// alike is what came after the days most alike.
func (p plain) alike() []float64 {
	course := make([]float64, forecast.Horizon)
	var distance, begin []float64
	for d := range Days {
		at := func(i int) float64 { return p.earlier(i)[d] }
		var v []float64
		for i := range 5 {
			v = append(v, at(-i))
		}
		begin = append(begin, average(v))
		var squares []float64
		for i := -117; i < 0; i += 5 {
			if e := (p.mean(i-2, i+3) - p.Level) - (at(i) - begin[d]); !math.IsNaN(e) {
				squares = append(squares, e*e)
			}
		}
		distance = append(distance, math.Inf(1))
		if len(squares) >= 6 && !math.IsNaN(begin[d]) {
			distance[d] = math.Hypot(math.Sqrt(average(squares)), p.Level-begin[d]) + 0.01*p.Unit
		}
	}
	nearest := math.Inf(1)
	for _, d := range distance {
		nearest = min(nearest, d)
	}
	if math.IsInf(nearest, 1) {
		return course
	}
	for h := range course {
		var sum, weights float64
		for d := range Days {
			if math.IsInf(distance[d], 1) {
				continue
			}
			w := math.Pow(nearest/distance[d], 4)
			sum += w * orZero(p.earlier(1 + h)[d]-begin[d])
			weights += w
		}
		course[h] = sum / weights / p.Unit
	}
	return course
}

// soon is the regression of the next minutes.
func (p plain) soon() []float64 {
	inputs := func(i int) ([]float64, float64) {
		last, before := p.at(i)-p.Level, p.at(i-1)-p.Level
		mean := func(n int) float64 { return p.mean(i+1-n, i+1) - p.Level }
		level, quarter, hour, hours := mean(5), mean(15), mean(60), mean(180)
		return []float64{last - level, before - level, level - quarter, quarter - hour, hour - hours}, level
	}
	leads := soonLeads()
	targets := make([][]float64, len(leads))
	var rows [][]float64
	for i := -15; i > -soonSpan; i -= soonStride {
		x, level := inputs(i)
		if len(p.y)-1+i < 1 || math.IsNaN(x[0]+x[1]) {
			continue
		}
		rows = append(rows, x)
		for l, lead := range leads {
			targets[l] = append(targets[l], p.at(i+lead)-p.Level-level)
		}
	}
	course := make([]float64, forecast.Horizon)
	x, level := inputs(0)
	if len(rows) == 0 || math.IsNaN(x[0]+x[1]) {
		return course
	}
	var value []float64
	for l := range leads {
		value = append(value, min((level+dot(x, p.ridge(rows, targets[l])))/p.Unit, 30))
	}
	for h := range course {
		course[h] = between(h+1, leads[:], value)
	}
	return course
}

// courses are what the three say at the end of s.
func courses(s forecast.Series) (own, alike, soon []float64) {
	w := newWindow()
	new(Cutter).Cut(NewSource(s), 0, s.Len()-1, w)
	for h := range forecast.Horizon {
		row := w.Base[h*Columns:]
		own, alike, soon = append(own, float64(row[12])), append(alike, float64(row[13])), append(soon, float64(row[14]))
	}
	return own, alike, soon
}

// TestOwnRegressionLearns: where gaps to the usual close by half in half an
// hour, which is true of this series only, so it is forecast.
func TestOwnRegressionLearns(t *testing.T) {
	v := make([]float64, 9*Day)
	gap := 0.0
	noise := uint64(1)
	for i := range v {
		noise = noise*6364136223846793005 + 1442695040888963407
		gap = gap*math.Pow(0.5, 1./30) + 10*(float64(noise>>40)/(1<<24)-0.5)
		v[i] = 1000 + 100*math.Sin(2*math.Pi*float64(i)/Day) + gap
	}
	for i := len(v) - 10; i < len(v); i++ {
		v[i] += 200 // the gap, now
	}
	s := forecast.Series{Start: time.Unix(0, 0), Values: v}
	own, _, _ := courses(s)
	var c Cutter
	scale := c.Cut(NewSource(s), 0, s.Len()-1, newWindow())
	for _, h := range []int{8, 13, 28} {
		want := 200 * (math.Pow(0.5, float64(h)/30) - 1)
		if got := own[h-1] * scale.Unit; math.Abs(got-want) > 40 {
			t.Errorf("%d minutes ahead the regression says %+.0f from the level, want about %+.0f", h, got, want)
		}
	}
}

// TestAlikeDaysCountMost: of seven earlier days two begin as today did, and end
// as none of the others.
func TestAlikeDaysCountMost(t *testing.T) {
	v := make([]float64, 7*Day+Day/2)
	for i := range v {
		of := float64(i%Day) / Day
		switch day := i / Day; {
		case day == 2 || day == 5 || day == 7:
			v[i] = 100 + 200*of
			if i%Day >= Day/2 {
				v[i] += 50 // from noon on
			}
		default:
			v[i] = 300 - 200*of
		}
	}
	s := forecast.Series{Start: time.Unix(0, 0), Values: v}
	_, alike, _ := courses(s)
	var c Cutter
	scale := c.Cut(NewSource(s), 0, s.Len()-1, newWindow())
	// The mean of all days would be +11. Smoothing sees a little of the jump before
	// it comes.
	if got := alike[29] * scale.Unit; got < 40 || got > 55 {
		t.Errorf("half an hour after noon is %+.1f from the level, want nearly +54", got)
	}
}

// TestSoonFollowsTheSeries: the next minute of one that goes up and down each
// minute is the last but one.
func TestSoonFollowsTheSeries(t *testing.T) {
	v := make([]float64, 2*Day)
	for i := range v {
		v[i] = 100 + 40*float64(i%2)
	}
	s := forecast.Series{Start: time.Unix(0, 0), Values: v}
	_, _, soon := courses(s)
	var c Cutter
	scale := c.Cut(NewSource(s), 0, s.Len()-1, newWindow())
	if got := scale.Rate(soon[0]); math.Abs(got-100) > 3 {
		t.Errorf("after 100, 140, 100, 140 comes %v, want about 100", got)
	}
}
