package lstm

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// TestWeightsSayHowOften draws from two histories of one length.
func TestWeightsSayHowOften(t *testing.T) {
	histories := []forecast.History{daily("cart", 4, 10), daily("search", 4, 10), daily("left-out", 4, 10)}
	o := FitOptions{HeldBack: 0.1, Weights: []float64{1, 3, 0}}
	for _, h := range histories {
		o.Truth = append(o.Truth, h.Series)
	}
	sources := newSources(histories, o)
	if len(sources) != 2 {
		t.Fatalf("%d sources, want the two that have a weight", len(sources))
	}
	f, err := newFitter(sources, o)
	if err != nil {
		t.Fatal(err)
	}
	var drawn [2]int
	for step := range 20 {
		f.fill(0, rand.New(rand.NewPCG(1, uint64(step))))
		for _, k := range f.drawn[0] {
			drawn[k]++
		}
	}
	if share := float64(drawn[1]) / float64(drawn[0]+drawn[1]); share < 0.68 || share > 0.82 {
		t.Errorf("the second of two was drawn %v of the times, want about three quarters", share)
	}
}

// TestYoungWindowsKnowLittle counts the windows that know a day or less.
func TestYoungWindowsKnowLittle(t *testing.T) {
	f := func(young float64, want int) {
		t.Helper()
		fit := &fitter{FitOptions: FitOptions{Young: young}}
		r := rand.New(rand.NewPCG(1, 2))
		const origin = 4 * feature.Week
		short := 0
		for range 1000 {
			switch known := origin - fit.since(origin, r); {
			case known < 5, known > feature.Week && known < origin:
				t.Fatalf("%d steps are known, want all, or from five minutes to a week", known)
			case known <= feature.Day:
				short++
			}
		}
		// Of the way from five minutes to a week, three quarters lead to a day.
		if short < want*9/10 || short > want*11/10 {
			t.Errorf("with a share of %v, %d of 1000 windows know a day or less, want about %d", young, short, want)
		}
	}
	f(1, 744)
	f(0.5, 372)
	f(1e-9, 0)
}

func TestFitRefusesShares(t *testing.T) {
	h := []forecast.History{daily("cart", 4, 10)}
	f := func(o FitOptions, want string) {
		t.Helper()
		if _, _, err := Fit(context.Background(), h, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
	f(FitOptions{Young: -0.1}, "a share of -0.1 young windows, want more than 0, to 1")
	f(FitOptions{Young: 1.1}, "a share of 1.1 young windows")
	f(FitOptions{Weights: []float64{1, 2}}, "weights of 2 histories, want those of 1")
	f(FitOptions{Weights: []float64{-1}}, `weight -1 of "shop/cart", want 0 or more`)
	f(FitOptions{Weights: []float64{0}}, "none has")
}
