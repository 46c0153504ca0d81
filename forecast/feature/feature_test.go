package feature

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/forecasttest"
)

// fitInput is the place in the summaries of the first shape's fit, which is
// followed by its size and the other shapes'.
const fitInput = 20

func newWindow() Window {
	nan := func(n int) []float32 { return slices.Repeat([]float32{float32(math.NaN())}, n) }
	return Window{X: nan(Steps * Channels), Stride: Channels, Static: nan(Statics), Base: nan(forecast.Horizon * Columns)}
}

func cut(s forecast.Series, since, origin int) (Window, Scale) {
	var c Cutter
	w := newWindow()
	return w, c.Cut(NewSource(s), since, origin, w)
}

// weeks is two weeks of a daily rhythm with noise and gaps.
func weeks() forecast.Series {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float64, 2*Week)
	for i := range v {
		v[i] = 20 * (1.5 + math.Sin(2*math.Pi*float64(i)/Day)) * math.Exp(0.1*r.NormFloat64())
		if r.IntN(50) == 0 {
			v[i] = math.NaN()
		}
	}
	return forecast.Series{Start: time.Unix(1.7e9, 0), Values: v}
}

// TestEveryInputIsFilled: the windows begin as NaN, so one that Cut forgot
// would show; and none may be so large that the network loses its footing.
func TestEveryInputIsFilled(t *testing.T) {
	for _, h := range forecasttest.Histories() {
		if h.Known() == 0 {
			continue
		}
		w, s := cut(h.Series, 0, h.Len()-1)
		if !(s.Unit > 0) || math.IsNaN(s.Level) || s.Level < 0 {
			t.Errorf("%s: scale %+v, want a level of 0 or more and a unit above 0", h.Workload, s)
		}
		for name, part := range map[string][]float32{"x": w.X, "static": w.Static} {
			for i, v := range part {
				if !(math.Abs(float64(v)) < 100) {
					t.Errorf("%s: %s[%d] is %v, want it small and finite", h.Workload, name, i, v)
				}
			}
		}
		for i, v := range w.Base {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Errorf("%s: base[%d] is %v, want it finite", h.Workload, i, v)
			}
		}
	}
}

func TestNothingAfterTheOriginCounts(t *testing.T) {
	s := weeks()
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		origin := r.IntN(s.Len())
		other := slices.Clone(s.Values)
		for i := origin + 1; i < len(other); i++ {
			other[i] = 1e4 * r.Float64()
		}
		if s.Through(s.Time(origin)).Known() == 0 {
			continue
		}
		want, wantScale := cut(s, 0, origin)
		got, gotScale := cut(forecast.Series{Start: s.Start, Values: other}, 0, origin)
		if d := cmp.Diff(want, got); d != "" || wantScale != gotScale {
			t.Fatalf("what comes after step %d changes the window (-before +after):\n%s", origin, d)
		}
	}
}

// TestNothingBeforeMemoryCounts: a server keeps no more than Memory steps, and
// must see what the trainer saw. Sums over other lengths round differently.
func TestNothingBeforeMemoryCounts(t *testing.T) {
	s := weeks()
	origin := s.Len() - 100
	want, wantScale := cut(s, origin+1-Memory, origin)
	short := s.Between(s.Time(origin+1-Memory), s.Time(origin+1))
	got, gotScale := cut(short, 0, short.Len()-1)
	near := func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 }
	if d := cmp.Diff(want, got, cmp.Comparer(near)); d != "" {
		t.Errorf("a history cut to memory gives another window (-whole +cut):\n%s", d)
	}
	if math.Abs(wantScale.Level-gotScale.Level) > 1e-9 || math.Abs(wantScale.Unit-gotScale.Unit) > 1e-9 {
		t.Errorf("scale %+v of the whole, %+v of the cut history", wantScale, gotScale)
	}
}

func TestWindowDoesNotKnowTheUnit(t *testing.T) {
	s := weeks()
	larger := slices.Clone(s.Values)
	for i := range larger {
		larger[i] *= 1000
	}
	want, wantScale := cut(s, 0, s.Len()-1)
	got, gotScale := cut(forecast.Series{Start: s.Start, Values: larger}, 0, s.Len()-1)
	near := func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 }
	if d := cmp.Diff(want, got, cmp.Comparer(near)); d != "" {
		t.Errorf("a thousand times the rate gives another window (-small +large):\n%s", d)
	}
	if math.Abs(gotScale.Unit/wantScale.Unit-1000) > 1e-6 {
		t.Errorf("units %v and %v, want a factor of 1000", wantScale.Unit, gotScale.Unit)
	}
}

func TestSeasonsComeFromTheRightDays(t *testing.T) {
	v := make([]float64, 8*Day)
	for i := range v {
		v[i] = float64(i / Day) // day d has rate d
	}
	s := forecast.Series{Start: time.Unix(0, 0), Values: v}
	origin := 7*Day + 600
	w, scale := cut(s, 0, origin)
	row := w.Base[30*Columns : 31*Columns]
	for i, want := range map[int]float64{
		0:  7, // level
		1:  7, // last value
		2:  7, // last hour
		3:  3, // profile: the mean of days 0 to 6
		4:  7, // the same, moved to the level
		5:  7, // the same, moved to the last hour
		6:  7, // the same, times what the level is of it
		7:  6, // yesterday
		8:  7, // the same, moved to the level
		9:  0, // a week ago
		10: 7, // the same, moved to the level
		11: 7, // both moved
	} {
		if got := scale.Rate(float64(row[i])); math.Abs(got-want) > 1e-5 {
			t.Errorf("base %d half an hour ahead is %v, want %v", i, got, want)
		}
	}
}

func TestScaleGoesBothWays(t *testing.T) {
	s := Scale{Level: 5, Unit: 2}
	for _, rate := range []float64{0, 3, 5, 1e9} {
		if got := s.Rate(s.Z(rate)); math.Abs(got-rate) > 1e-9*max(1, rate) {
			t.Errorf("rate %v came back as %v", rate, got)
		}
	}
	if got := s.Rate(-100); got != 0 {
		t.Errorf("far below the level: %v, want 0, as no rate is negative", got)
	}
}

// BenchmarkCut cuts a window from a history that is new each time, and that has
// all its minutes or misses one in fifty.
func BenchmarkCut(b *testing.B) {
	gappy := weeks()
	whole := forecast.Series{Start: gappy.Start, Values: slices.Clone(gappy.Values)}
	for i, v := range whole.Values {
		if math.IsNaN(v) {
			whole.Values[i] = 20
		}
	}
	for name, s := range map[string]forecast.Series{"whole": whole, "gappy": gappy} {
		b.Run(name, func(b *testing.B) {
			s := s.Between(s.Time(s.Len()-Memory), s.End())
			var c Cutter
			w := newWindow()
			b.ReportAllocs()
			for b.Loop() {
				c.Cut(NewSource(s), 0, s.Len()-1, w)
			}
		})
	}
}

// TestShapesComeFromTheRightTimes: a spike on every full hour, and another at
// ten past noon.
func TestShapesComeFromTheRightTimes(t *testing.T) {
	v := make([]float64, 8*Day)
	for i := range v {
		v[i] = 10
		if i%60 == 0 {
			v[i] += 60
		}
		if i%Day == 730 {
			v[i] += 30
		}
	}
	// At half past eleven, half an hour before the full one.
	w, scale := cut(forecast.Series{Start: time.Unix(0, 0), Values: v}, 0, 7*Day+690-1)
	for h, want := range map[int][Shapes]float64{
		10: {0, 0, 0, -1},
		30: {48, 48, 48, 59}, // noon: off the mean of 5 minutes, and off that of 61
		40: {24, 24, 1, 0},   // ten past: one of the last 24 hours had it
	} {
		row := w.Base[h*Columns : (h+1)*Columns]
		for i, want := range want {
			if got := float64(row[Bases+i]) * scale.Unit; math.Abs(got-want) > 0.8 {
				t.Errorf("shape %d, %d minutes ahead, is %.2f, want about %v", i, h+1, got, want)
			}
		}
	}
	for i := range Shapes {
		fit := float64(w.Static[fitInput+2*i])
		if math.Abs(fit-1) > 0.1 {
			t.Errorf("shape %d fits the last hour by %.2f, want about 1", i, fit)
		}
	}
}

func TestReclock(t *testing.T) {
	s := weeks()
	want, _ := cut(s, 0, s.Len()-1)
	got, _ := cut(s, 0, s.Len()-1)
	got.Reclock(0.123)
	if cmp.Equal(want, got) {
		t.Error("another time of day changed nothing")
	}
	origin := s.Origin().Unix() % 86400
	got.Reclock(float64(origin) / 86400)
	near := func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-6 }
	if d := cmp.Diff(want, got, cmp.Comparer(near)); d != "" {
		t.Errorf("the right time of day gives another window (-cut +set):\n%s", d)
	}
}
