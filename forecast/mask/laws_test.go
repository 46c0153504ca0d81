package mask_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/synthetic"
)

// eventful is a history with some of each kind, labels too.
func eventful() forecast.History {
	h := history(21*day, 0.1, weekly)
	set(h, 2*day, 5, to(0))
	set(h, 4*day+600, 50, to(nan))
	set(h, 8*day+700, 300, times(0.05))
	set(h, 10*day, 4, times(4))
	set(h, 15*day+300, 6*day-300, times(2.5))
	h.Labelled = []forecast.Interval{{From: h.Time(100), To: h.Time(200)}, {From: h.Time(8*day + 900), To: h.Time(8*day + 1100)}}
	return h
}

// TestLaws: what does not change what happened does not change what is found.
func TestLaws(t *testing.T) {
	h := eventful()
	want := text(h, mask.Find(h))
	for _, kind := range mask.Kinds() {
		if !slices.ContainsFunc(mask.Find(h), func(s mask.Span) bool { return s.Kind == kind }) {
			t.Fatalf("no %s in\n%s", kind, want)
		}
	}
	f := func(name string, other forecast.History, shift int) {
		t.Helper()
		spans := mask.Find(other)
		for i := range spans {
			spans[i].From, spans[i].To = spans[i].From.Add(time.Duration(-shift)*forecast.Step), spans[i].To.Add(time.Duration(-shift)*forecast.Step)
		}
		if d := cmp.Diff(want, text(other, spans)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for _, unit := range []float64{1e-6, 1e-3, 60, 1e6} {
		other := h
		other.Values = slices.Clone(h.Values)
		for i := range other.Values {
			other.Values[i] *= unit
		}
		f("in other units", other, 0)
	}
	for _, by := range []time.Duration{17 * time.Second, 7 * time.Hour, -200 * 24 * time.Hour} {
		other := h
		other.Start = h.Start.Add(by)
		other.Labelled = slices.Clone(h.Labelled)
		for i, l := range other.Labelled {
			other.Labelled[i] = forecast.Interval{From: l.From.Add(by), To: l.To.Add(by)}
		}
		f("at another time", other, 0)
	}
	for _, n := range []int{1, 77, 3 * day} {
		other := h
		other.Start = h.Start.Add(time.Duration(-n) * forecast.Step)
		other.Values = slices.Concat(slices.Repeat([]float64{nan}, n), h.Values, slices.Repeat([]float64{nan}, n))
		f("with nothing before and after", other, n)
	}
}

// TestTheFutureIsNotAsked: what is found in a history up to an origin is found
// without what comes after.
func TestTheFutureIsNotAsked(t *testing.T) {
	h := eventful()
	for _, steps := range []int{hour, 3 * day, 9*day + 5, 16 * day} {
		past := h
		past.Series = h.Through(h.Time(steps - 1))
		want := text(past, mask.Find(past))
		other := h
		other.Values = slices.Clone(h.Values)
		set(other, steps, h.Len()-steps, to(1e9))
		other.Series = other.Through(h.Time(steps - 1))
		if d := cmp.Diff(want, text(other, mask.Find(other))); d != "" {
			t.Errorf("%d steps (-want +got):\n%s", steps, d)
		}
		for _, s := range mask.Find(past) {
			if s.To.After(past.End()) {
				t.Errorf("%v goes on after the history", s)
			}
		}
	}
}

// TestLittleIsFoundInHealth: the shop of the demo has no outages.
func TestLittleIsFoundInHealth(t *testing.T) {
	for _, h := range synthetic.Shop(1, monday).History(monday, monday.AddDate(0, 0, 14)) {
		hidden := 0
		for _, s := range mask.Find(h) {
			if s.Kind != mask.Surge {
				hidden += h.Between(s.From, s.To).Known()
			}
		}
		if hidden > 30 {
			t.Errorf("%s: %d minutes of two weeks:\n%s", h.Workload, hidden, text(h, mask.Find(h)))
		}
	}
}

func TestLabels(t *testing.T) {
	h := history(2*hour, 0.1, daily)
	at := func(minutes float64) time.Time {
		return h.Start.Add(time.Duration(minutes * float64(time.Minute)))
	}
	h.Labelled = []forecast.Interval{
		{From: at(-20), To: at(-10)}, {From: at(-5), To: at(2)}, {From: at(10.5), To: at(11.5)}, {From: at(20.2), To: at(20.4)},
		{From: at(30), To: at(31)}, {From: at(118), To: at(500)}, {From: at(600), To: at(700)},
	}
	want := "labelled 0+2\nlabelled 10+2\nlabelled 20+1\nlabelled 30+1\nlabelled 118+2\n"
	if d := cmp.Diff(want, text(h, mask.Labels(h))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, text(h, mask.Find(h))); d != "" {
		t.Errorf("Find (-want +got):\n%s", d)
	}
}

func TestHide(t *testing.T) {
	h := history(6, 0, func(i int) float64 { return float64(i) })
	was := slices.Clone(h.Values)
	spans := []mask.Span{
		{Kind: mask.Outage, From: h.Time(-2), To: h.Time(1)}, {Kind: mask.Surge, From: h.Time(2), To: h.Time(3)}, {Kind: mask.Gap, From: h.Time(4), To: h.Time(9)},
	}
	got := mask.Hide(h.Series, spans, mask.Outage, mask.Gap)
	if d := cmp.Diff([]float64{nan, 1, 2, 3, nan, nan}, got.Values, cmpopts.EquateNaNs()); d != "" || !got.Start.Equal(h.Start) {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(was, h.Values); d != "" {
		t.Errorf("the original changed:\n%s", d)
	}
}

// FuzzFind: whatever the history, the spans are sorted, disjoint and within it.
func FuzzFind(f *testing.F) {
	bytes := func(h forecast.History) (b []byte) {
		for _, v := range h.Values {
			b = binary.LittleEndian.AppendUint16(b, uint16(min(v*100, 65000)))
		}
		return b
	}
	f.Add(bytes(history(day, 0.1, daily)), uint16(1), uint8(0), int64(0))
	f.Add(bytes(set(history(2*day, 0.1, daily), 1000, 100, to(0))), uint16(1), uint8(3), int64(7))
	f.Add(bytes(history(100, 0.5, daily)), uint16(90), uint8(200), int64(-5))
	f.Add([]byte{}, uint16(0), uint8(0), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, repeat uint16, missing uint8, label int64) {
		h := forecast.History{Series: forecast.Series{Start: monday}}
		for range min(int(repeat), 20) {
			for i := 0; i+1 < len(data) && h.Len() < 15*day; i += 2 {
				v := float64(binary.LittleEndian.Uint16(data[i:]))
				switch x := uint8(i*7 + i/256); {
				case v == 65535:
					v = 1e300
				case missing > 0 && x < missing:
					v = nan
				}
				h.Values = append(h.Values, v)
			}
		}
		h.Labelled = []forecast.Interval{{From: h.Time(int(label % 1e6)), To: h.Time(int(label%1e6) + len(data))}}
		was := slices.Clone(h.Values)
		end := h.Start
		for _, s := range mask.Find(h) {
			if s.From.Before(end) || !s.From.Before(s.To) || s.To.After(h.End()) || !slices.Contains(mask.Kinds(), s.Kind) {
				t.Fatalf("span %v after %v in a history from %v to %v", s, end, h.Start, h.End())
			}
			end = s.To
		}
		for i, v := range h.Values {
			if v != was[i] && !(math.IsNaN(v) && math.IsNaN(was[i])) {
				t.Fatalf("value %d was %v and is %v", i, was[i], v)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	h := eventful()
	b.ReportAllocs()
	for b.Loop() {
		mask.Find(h)
	}
}
