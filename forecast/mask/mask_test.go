package mask_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/mask"
)

const (
	hour = 60
	day  = 24 * hour
	week = 7 * day
)

var (
	nan    = math.NaN()
	monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
)

// history makes one of rate(i), the rate of each step, and noise.
func history(steps int, noise float64, rate func(i int) float64) forecast.History {
	r := rand.New(rand.NewPCG(1, uint64(steps)))
	h := forecast.History{Workload: forecast.Workload{Namespace: "shop", Name: "cart"}, Series: forecast.Series{Start: monday, Values: make([]float64, steps)}}
	for i := range h.Values {
		h.Values[i] = rate(i) * math.Exp(noise*r.NormFloat64())
	}
	return h
}

// daily is the rate of a service that people use.
func daily(i int) float64 {
	return 20 * (1.25 + math.Sin(2*math.Pi*float64(i-8*hour)/day))
}

// weekly is daily, with weekends that come and go over an hour or two.
func weekly(i int) float64 {
	in := func(from, to int) float64 { // a smooth 1 from from to to
		rise := func(x int) float64 { return 1 / (1 + math.Exp(-float64(x)/40)) }
		x := i % week
		return rise(x-from) * rise(to-x)
	}
	return daily(i) * (1 - 0.85*in(5*day, 7*day))
}

// spread is steps of n minutes, as a coarser source gives them.
func spread(h forecast.History, n int) forecast.History {
	for i := range h.Values {
		h.Values[i] = h.Values[i/n*n]
	}
	return h
}

// set sets a part of h.
func set(h forecast.History, from, steps int, rate func(was float64) float64) forecast.History {
	for i := from; i < from+steps; i++ {
		h.Values[i] = rate(h.Values[i])
	}
	return h
}

func times(x float64) func(float64) float64 { return func(v float64) float64 { return v * x } }

func to(x float64) func(float64) float64 { return func(float64) float64 { return x } }

// text has a line for each span: kind, first step and number of steps.
func text(h forecast.History, spans []mask.Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %d+%d\n", s.Kind, h.Index(s.From), s.Minutes())
	}
	return b.String()
}

func TestFind(t *testing.T) {
	base := func() forecast.History { return history(21*day, 0.1, weekly) }
	f := func(name string, h forecast.History, want ...string) {
		t.Helper()
		got := strings.Split(strings.TrimSuffix(text(h, mask.Find(h)), "\n"), "\n")
		if want == nil {
			want = []string{""}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	const at = 9*day + 10*hour // a Wednesday morning

	f("an outage of two hours", set(base(), at, 120, to(0)), "outage 13560+120")
	f("a dip of three minutes", set(base(), at, 3, to(0)), "dip 13560+3")
	f("a dip of a minute", set(base(), at, 1, to(0)), "dip 13560+1")
	f("one of two days", set(base(), at, 2*day, to(0)), "outage 13560+2880")
	f("one of six days", set(base(), at, 6*day, to(0)), "outage 13560+8640")
	f("one in part", set(base(), at, 200, times(0.15)), "outage 13560+200")
	f("two", set(set(base(), at, 120, to(0)), at+day, 30, to(0)), "outage 13560+120", "outage 15000+30")
	f("one over midnight", set(base(), 9*day-hour, 120, times(0.02)), "outage 12900+120")
	f("one at the start", set(base(), 0, 300, to(0)), "outage 0+300")
	f("one that goes on", set(base(), 21*day-300, 300, to(0)), "outage 29940+300")
	f("one in a week", set(history(5*day, 0.1, daily), 3*day, 90, to(0)), "outage 4320+90")
	f("a value that is stuck", set(base(), at, 90, to(17.25)), "outage 13560+90")
	f("a stuck value of five-minute steps", set(spread(history(20*day, 0.1, daily), 5), at, 240, to(17.25)), "outage 13560+240")

	f("a gap", set(base(), at, 45, to(nan)), "gap 13560+45")
	f("a gap too short to name", set(base(), at, 4, to(nan)))
	f("half-counted edges", set(set(base(), at-1, 1, times(0.3)), at, 20, to(nan)), "gap 13559+21")
	f("half-counted after", set(set(base(), at+3, 1, times(0.3)), at, 3, to(nan)), "gap 13560+4")
	f("a gap made up for", set(set(base(), at+8, 2, times(5)), at, 8, to(nan)), "gap 13560+10")
	f("counted late", set(set(base(), at, 2, to(0)), at+2, 1, times(3)), "gap 13560+3")

	f("twice the load for good", set(base(), at, 21*day-at, times(2)), "step 13560+60")
	f("half the load for good", set(base(), at, 21*day-at, times(0.5)), "step 13560+60")
	f("a step within two weeks", set(history(10*day, 0.1, daily), 5*day+601, 10*day-5*day-601, times(2)), "step 7801+60")
	f("a service that comes to be", set(base(), 0, at, to(0)), "step 13560+60")

	f("a surge of minutes", set(base(), at, 6, times(3)), "surge 13560+6")
	f("a surge of two hours", set(base(), at, 120, times(4)), "surge 13560+120")

	f("quiet nights", history(21*day, 0.1, func(i int) float64 {
		if i%day < 6*hour {
			return 0
		}
		return daily(i)
	}))
	f("weekends", base())
	f("one weekend", history(8*day, 0.1, weekly))
	f("closed at night and on weekends, to the minute", history(14*day, 0.1, func(i int) float64 {
		if i%week >= 5*day || i%day < 8*hour || i%day >= 18*hour {
			return 0
		}
		return 20
	}))
	f("closed on the first weekend", history(8*day, 0.1, func(i int) float64 {
		if i%week >= 5*day {
			return 0
		}
		return 20
	}))
	f("a holiday like a Sunday", func() forecast.History {
		h := base()
		sunday := slices.Clone(h.Values[6*day : 7*day])
		copy(h.Values[10*day:], sunday)
		// It comes and goes as a Sunday does.
		for i := range 2 * hour {
			x := float64(i) / (2 * hour)
			h.Values[10*day-2*hour+i] *= 1 - 0.85*x
			h.Values[11*day+i] *= 0.15 + 0.85*x
		}
		return h
	}())
	f("jobs on the hour", history(21*day, 0.1, func(i int) float64 {
		if i%hour < 2 {
			return 5 * daily(i)
		}
		return daily(i)
	}))
	f("a restart every night", history(21*day, 0.1, func(i int) float64 {
		if j := i%day - 3*hour; j >= 0 && j < 8 {
			return 0
		}
		return daily(i)
	}))
	f("growth", history(21*day, 0.1, func(i int) float64 { return daily(i) * math.Exp(float64(i)/(7*day)) }))

	// A function that is called now and then, and one that is silent for days.
	r := rand.New(rand.NewPCG(3, 4))
	seldom := func(p float64) forecast.History {
		return history(14*day, 0, func(int) float64 {
			if r.Float64() < p {
				return float64(1+r.IntN(20)) / 60
			}
			return 0
		})
	}
	f("called every other minute", seldom(0.5))
	f("called twice an hour", seldom(1.0/30))
	f("called twice a week", seldom(1.0/5000))
	on := 0
	f("bursts that come and go", history(14*day, 0.3, func(int) float64 {
		switch {
		case on > 0:
			on--
		case r.IntN(40) == 0:
			on = 5 + r.IntN(40)
		}
		if on > 0 {
			return 30
		}
		return 0
	}))
	f("silence", history(14*day, 0, func(int) float64 { return 0 }))
	f("a constant", history(14*day, 0, func(int) float64 { return 7 }))
	f("one value", history(1, 0, func(int) float64 { return 7 }))
	f("an hour", history(hour, 0.1, daily))
	f("an hour with zeros", set(history(hour, 0.1, daily), 20, 15, to(0)))
	f("nothing", forecast.History{})
	f("nothing known", history(day, 0, func(int) float64 { return nan }))
	f("every other value missing", history(14*day, 0.1, func(i int) float64 {
		if i%2 == 0 {
			return nan
		}
		return daily(i)
	}))
	f("most values missing, and an outage", set(history(21*day, 0.1, func(i int) float64 {
		if i%3 > 0 {
			return nan
		}
		return daily(i)
	}), at, 120, func(v float64) float64 { return 0 * v }), "outage 13560+120")
}
