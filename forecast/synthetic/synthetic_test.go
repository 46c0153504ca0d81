package synthetic_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/synthetic"
)

var opening = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func named(t *testing.T, hs []forecast.History, name string) forecast.History {
	t.Helper()
	for _, h := range hs {
		if h.Workload.Name == name {
			return h
		}
	}
	t.Fatalf("no history of %q", name)
	return forecast.History{}
}

// mean is the mean of the known rates stamped in [from, from+d).
func mean(h forecast.History, from time.Time, d time.Duration) float64 {
	sum, n := 0.0, 0
	for _, v := range h.Between(from, from.Add(d)).Values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

func TestSameSeedSameTraffic(t *testing.T) {
	from, to := opening.Add(5*day), opening.Add(6*day)
	a := synthetic.Shop(7, opening).History(from, to)
	b := synthetic.Shop(7, opening.Add(11*time.Hour)).History(from, to)
	if d := cmp.Diff(a, b, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("the same seed and day give other traffic:\n%s", d)
	}
	c := synthetic.Shop(8, opening).History(from, to)
	if cmp.Equal(a, c, cmpopts.EquateNaNs()) {
		t.Error("seeds 7 and 8 give the same traffic")
	}
}

func TestRangesAgreeWhereTheyOverlap(t *testing.T) {
	meshes := map[string]*synthetic.Mesh{"shop": synthetic.Shop(3, opening), "assorted": synthetic.Assorted(3, 20, opening, 14)}
	for name, m := range meshes {
		t.Run(name, func(t *testing.T) {
			from, to := opening.Add(12*day+13*time.Hour), opening.Add(13*day+2*time.Hour)
			whole := m.History(opening.Add(12*day), opening.Add(14*day))
			for _, h := range m.History(from, to) {
				w := named(t, whole, h.Workload.Name).Between(from, to)
				if d := cmp.Diff(w, h.Series, cmpopts.EquateNaNs()); d != "" {
					t.Errorf("%s: a longer range tells otherwise:\n%s", h.Workload, d)
				}
			}
		})
	}
}

// TestHistoryIsTheSumOfItsTicks ties the three views together: an instant, a
// range of ticks, and the minutes that a scraper recorded.
func TestHistoryIsTheSumOfItsTicks(t *testing.T) {
	m := synthetic.Shop(1, opening)
	from := opening.Add(6*day + 9*time.Hour)
	const minutes = 30
	arrivals := m.Arrivals(from, from.Add(minutes*time.Minute))
	missed := 0
	for k, w := range m.Workloads() {
		if w.Name == "gift-cards" {
			continue
		}
		h := named(t, m.History(from, from.Add(minutes*time.Minute)), w.Name)
		if h.Len() != minutes || !h.Start.Equal(from) {
			t.Fatalf("%s: %d steps from %v, want %d from %v", w, h.Len(), h.Start, minutes, from)
		}
		for i, v := range h.Values {
			sum := 0.0
			for j := range 4 {
				at := h.Time(i).Add(time.Duration(j) * synthetic.Tick)
				r := m.Rate(w, at.Add(7*time.Second))
				if r != arrivals[k][4*i+j] {
					t.Fatalf("%s at %v: Rate %v, Arrivals %v", w, at, r, arrivals[k][4*i+j])
				}
				sum += r
			}
			if m.Missed(w, h.Time(i)) != math.IsNaN(v) {
				t.Errorf("%s at %v: recorded %v, missed %v", w, h.Time(i), v, m.Missed(w, h.Time(i)))
			}
			if math.IsNaN(v) {
				missed++
			} else if math.Abs(v-sum/4) > 1e-9 {
				t.Errorf("%s at %v: recorded %v, ticks make %v", w, h.Time(i), v, sum/4)
			}
		}
	}
	if missed > minutes {
		t.Errorf("%d of %d minutes missed", missed, 11*minutes)
	}
}

// TestCallsAreConserved takes the graph at its word: over some hours each
// service without demand of its own gets what its callers send.
func TestCallsAreConserved(t *testing.T) {
	m := synthetic.Shop(5, opening)
	for _, at := range []time.Time{opening.Add(2*day + 9*time.Hour), opening.Add(9*day + 9*time.Hour), opening.Add(13*day + 9*time.Hour)} {
		hs := m.History(at, at.Add(12*time.Hour))
		want := map[string]float64{}
		for _, e := range m.Edges(at) {
			want[e.To.Name] += e.Calls * mean(named(t, hs, e.From.Name), at, 12*time.Hour)
		}
		for name, w := range want {
			if name == "shipping" { // has a batch job beside
				continue
			}
			if got := mean(named(t, hs, name), at, 12*time.Hour); math.Abs(got/w-1) > 0.05 {
				t.Errorf("%v: %s gets %.2f/s, its callers send %.2f/s", at, name, got, w)
			}
		}
	}
}

func TestGraph(t *testing.T) {
	m := synthetic.Shop(1, opening)
	if n := len(m.Workloads()); n != 12 {
		t.Errorf("%d workloads, want 12", n)
	}
	if !slices.IsSortedFunc(m.Workloads(), forecast.Workload.Compare) {
		t.Errorf("workloads not sorted: %v", m.Workloads())
	}
	calls := func(at time.Time) (ratio float64, giftCards bool) {
		for _, e := range m.Edges(at) {
			if e.From.Name == "recommendations" && e.To.Name == "catalog" {
				ratio = e.Calls
			}
			giftCards = giftCards || e.To.Name == "gift-cards"
			if e.Lag < 0 || e.Lag%synthetic.Tick != 0 {
				t.Errorf("%s -> %s: lag %v, want a multiple of %v", e.From, e.To, e.Lag, synthetic.Tick)
			}
		}
		return ratio, giftCards
	}
	before, none := calls(opening.Add(8 * day))
	after, some := calls(opening.Add(13 * day))
	if math.Abs(after/before-3) > 1e-9 {
		t.Errorf("the deploy takes the calls from %v to %v, want three times as many", before, after)
	}
	if none || !some {
		t.Errorf("gift-cards in the graph: %v before its day, %v on it", none, some)
	}
}

// TestStories looks for each thing that is said to happen in the traffic.
func TestStories(t *testing.T) {
	m := synthetic.Shop(1, opening)
	hs := m.History(opening, opening.Add(15*day))
	quiet := synthetic.Shop(1, opening.Add(-70*day))
	storefront := named(t, hs, "storefront")

	t.Run("day and night", func(t *testing.T) {
		night, evening := mean(storefront, opening.Add(day+3*time.Hour), time.Hour), mean(storefront, opening.Add(day+20*time.Hour), time.Hour)
		if evening < 4*night {
			t.Errorf("evening %.1f/s, night %.1f/s, want at least four times as much", evening, night)
		}
	})
	t.Run("week", func(t *testing.T) {
		// Opening is a Tuesday: day 4 is a Saturday, day 1 a Wednesday.
		if sat, wed := mean(storefront, opening.Add(4*day), day), mean(storefront, opening.Add(1*day), day); sat < 1.1*wed {
			t.Errorf("Saturday %.1f/s, Wednesday %.1f/s, want a busier Saturday", sat, wed)
		}
	})
	// The same seed with other opening days has the same noise and other
	// events, so the ratio of the two is the events' doing alone.
	ratio := func(d int) (low, high float64) {
		low = math.Inf(1)
		begin := opening.Add(time.Duration(d)*day + 8*time.Hour)
		usual := named(t, quiet.History(begin, begin.Add(14*time.Hour)), "storefront")
		for i := range 14 * 12 {
			at := begin.Add(time.Duration(i) * 5 * time.Minute)
			r := mean(storefront, at, 5*time.Minute) / mean(usual, at, 5*time.Minute)
			low, high = min(low, r), max(high, r)
		}
		return low, high
	}
	t.Run("sale", func(t *testing.T) {
		for _, d := range []int{3, 12, 14} {
			if _, high := ratio(d); high < 1.7 {
				t.Errorf("day %d: at most %.2f times the usual, want a sale", d, high)
			}
		}
	})
	t.Run("outage and storm", func(t *testing.T) {
		for _, d := range []int{6, 10, 14} {
			if low, high := ratio(d); low > 0.2 || high < 1.3 {
				t.Errorf("day %d: from %.2f to %.2f times the usual, want an outage and its storm", d, low, high)
			}
		}
	})
	t.Run("deploy", func(t *testing.T) {
		catalog := named(t, hs, "catalog")
		share := func(at time.Time) float64 {
			return mean(catalog, at, 3*time.Hour) / mean(storefront, at, 3*time.Hour)
		}
		deployed := opening.Add(8*day + 14*time.Hour)
		if before, after := share(deployed.Add(-3*time.Hour)), share(deployed.Add(10*time.Minute)); after < 1.15*before {
			t.Errorf("catalog per visit %.2f before the deploy, %.2f after, want a step", before, after)
		}
	})
	t.Run("batch on the hour", func(t *testing.T) {
		shipping := named(t, hs, "shipping")
		for h := range 24 {
			at := opening.Add(2*day + time.Duration(h)*time.Hour)
			if on, off := mean(shipping, at, 3*time.Minute), mean(shipping, at.Add(20*time.Minute), 30*time.Minute); on < 2*off {
				t.Errorf("%v: %.1f/s on the hour, %.1f/s after, want a pulse", at, on, off)
			}
		}
	})
	t.Run("night only", func(t *testing.T) {
		settlement := named(t, hs, "settlement")
		if by := mean(settlement, opening.Add(3*day+6*time.Hour), 18*time.Hour); by != 0 {
			t.Errorf("settlement has %.2f/s by day, want none", by)
		}
		if by := mean(settlement, opening.Add(3*day+2*time.Hour), 2*time.Hour); by < 10 {
			t.Errorf("settlement has %.2f/s by night, want its work", by)
		}
	})
	t.Run("newcomer", func(t *testing.T) {
		if h := named(t, hs, "gift-cards"); !h.Start.Equal(opening.Add(13*day)) || h.Len() != 2*24*60 {
			t.Errorf("gift-cards has %d steps from %v, want two days from the fourteenth", h.Len(), h.Start)
		}
	})
}

// TestFitForForecasting: finite, not negative, some gaps but few, and a day
// that tells something of the next.
func TestFitForForecasting(t *testing.T) {
	m := synthetic.Shop(1, opening)
	for _, h := range m.History(opening, opening.Add(14*day)) {
		for i, v := range h.Values {
			if v < 0 || math.IsInf(v, 0) {
				t.Fatalf("%s at %v: %v", h.Workload, h.Time(i), v)
			}
		}
		gaps := 1 - float64(h.Known())/float64(h.Len())
		if gaps > 0.03 {
			t.Errorf("%s: %.2f%% of the minutes missing, want few", h.Workload, 100*gaps)
		}
		if h.Len() < 14*24*60 {
			continue
		}
		if gaps == 0 {
			t.Errorf("%s: no minute missing in two weeks, want some", h.Workload)
		}
		var daily, anytime float64
		for i := 1440; i < h.Len(); i++ {
			v, yesterday, other := h.Values[i], h.Values[i-1440], h.Values[i-720]
			if !math.IsNaN(v + yesterday + other) {
				daily += math.Abs(v - yesterday)
				anytime += math.Abs(v - other)
			}
		}
		if daily > 0.7*anytime {
			t.Errorf("%s: the same time yesterday misses by %.0f, half a day off by %.0f: no rhythm", h.Workload, daily, anytime)
		}
	}
}

func TestAssorted(t *testing.T) {
	m := synthetic.Assorted(2, 80, opening, 14)
	if again := synthetic.Assorted(2, 80, opening, 14); !cmp.Equal(m.History(opening, opening.Add(time.Hour)), again.History(opening, opening.Add(time.Hour)), cmpopts.EquateNaNs()) {
		t.Error("the same seed gives other traffic")
	}
	if n := len(m.Workloads()); n != 80 || len(m.Edges(opening)) != 0 {
		t.Errorf("%d workloads and %d edges, want 80 and none", n, len(m.Edges(opening)))
	}
	var small, large, silent, late, partly int
	for _, h := range m.History(opening, opening.Add(2*day)) {
		top, zeros := 0.0, 0
		for i, v := range h.Values {
			if v < 0 || math.IsInf(v, 0) {
				t.Fatalf("%s at %v: %v", h.Workload, h.Time(i), v)
			}
			if v == 0 {
				zeros++
			} else if !math.IsNaN(v) {
				top = max(top, v)
			}
		}
		switch {
		case top == 0:
			silent++
		case top < 1:
			small++
		case top > 1e4:
			large++
		}
		if zeros > 0 && zeros < h.Len() {
			partly++
		}
		if h.Start.After(opening) {
			late++
		}
	}
	if small < 8 || large < 8 || partly < 8 || late < 1 || silent > 16 {
		t.Errorf("%d below 1/s, %d above 10000/s, %d with zeros, %d late, %d silent: want all kinds", small, large, partly, late, silent)
	}
}

func TestEvents(t *testing.T) {
	m := synthetic.Shop(1, opening)
	var days []int
	var what []string
	for _, e := range m.Events(opening, opening.Add(15*day)) {
		days = append(days, int(e.At.Sub(opening)/day))
		what = append(what, e.What)
	}
	sale, down, back := "a flash sale begins", "the front door fails", "the front door is back, and everybody retries"
	if d := cmp.Diff([]int{3, 6, 6, 8, 10, 10, 12, 13, 14, 14, 14}, days); d != "" {
		t.Errorf("days of the events (-want +got):\n%s", d)
	}
	want := []string{sale, down, back, "a new version of recommendations rolls out", down, back, sale, "gift-cards goes live", down, back, sale}
	if d := cmp.Diff(want, what); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func TestUnknownWorkloadHasNoRate(t *testing.T) {
	m := synthetic.Shop(1, opening)
	for _, w := range []forecast.Workload{{}, {Namespace: "shop", Name: "nobody"}, {Namespace: "shop", Name: "gift-cards"}} {
		if v := m.Rate(w, opening.Add(time.Hour)); !math.IsNaN(v) {
			t.Errorf("rate of %q on the first day: %v, want NaN", w, v)
		}
	}
	if h := m.History(opening, opening); len(h) != 0 {
		t.Errorf("an empty range has %d histories, want none", len(h))
	}
}

func BenchmarkTwoWeeks(b *testing.B) {
	for b.Loop() {
		synthetic.Shop(1, opening).History(opening, opening.Add(14*day))
	}
}
