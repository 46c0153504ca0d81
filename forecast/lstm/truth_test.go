package lstm

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
)

// hide is s without the steps in [from, to).
func hide(s forecast.Series, from, to int) forecast.Series {
	s.Values = slices.Clone(s.Values)
	for i := from; i < to; i++ {
		s.Values[i] = math.NaN()
	}
	return s
}

// TestTruthIsAllThatIsLearnt draws from a day on which the hours that are not
// to be learnt read a million times too much.
func TestTruthIsAllThatIsLearnt(t *testing.T) {
	h := daily("cart", 4, 10)
	const from, to = 2000, 3000
	for i := from; i < to; i++ {
		h.Values[i] *= 1e6
	}
	sources := newSources([]forecast.History{h}, FitOptions{Truth: []forecast.Series{hide(h.Series, from, to)}, HeldBack: 0.1})
	if unit := sources[0].unit; unit > 10 {
		t.Errorf("losses are counted in units of %v, which is what was not to be learnt", unit)
	}
	f, err := newFitter(sources, FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for step := range 10 {
		f.fill(0, rand.New(rand.NewPCG(1, uint64(step))))
		b := f.graphs[0].batch
		for i := range b.n {
			known := 0
			for _, z := range b.truth[i*targets : (i+1)*targets] {
				if z == z {
					known++
				}
				// Seen from just before, that is a million units.
				if z > 1e5 {
					t.Fatalf("a truth of %v", z)
				}
			}
			if known == 0 {
				t.Fatal("a window was drawn from which nothing is learnt")
			}
			seen = seen || known < targets
		}
	}
	if !seen {
		t.Error("no window came near what is not learnt")
	}
}

func TestNoTruthIsAllOfIt(t *testing.T) {
	histories := []forecast.History{daily("cart", 4, 10), daily("search", 3, 500)}
	all, _ := fitted(t, 10, FitOptions{})
	same, _ := fitted(t, 10, FitOptions{Truth: []forecast.Series{histories[0].Series, histories[1].Series}})
	if !bytes.Equal(encoded(t, all), encoded(t, same)) {
		t.Error("the whole truth gives other weights than none named")
	}
	less, _ := fitted(t, 10, FitOptions{Truth: []forecast.Series{hide(histories[0].Series, 100, 3000), histories[1].Series}})
	if bytes.Equal(encoded(t, all), encoded(t, less)) {
		t.Error("hiding half of a truth changes nothing")
	}
}

func TestFitRefusesAnotherTruth(t *testing.T) {
	h := daily("cart", 4, 10)
	late, other := h.Series, hide(h.Series, 0, 0)
	late.Start = late.Start.Add(time.Minute)
	other.Values[7]++
	for want, truth := range map[string][]forecast.Series{
		"the truth of 2 histories, want that of 1": {h.Series, h.Series},
		"5760 steps from 2023-11-14 22:14:20":      {late},
		"7 steps from":                             {h.Between(h.Start, h.Time(7))},
		"at 2023-11-14 22:20:20":                   {other},
	} {
		_, _, err := Fit(context.Background(), []forecast.History{h}, FitOptions{Truth: truth})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
}
