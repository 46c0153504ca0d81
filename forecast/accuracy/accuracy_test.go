package accuracy_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestPinball(t *testing.T) {
	near(t, "under by 2 at 0.9", accuracy.Pinball(12, 10, 0.9), 1.8)
	near(t, "over by 2 at 0.9", accuracy.Pinball(8, 10, 0.9), 0.2)
	near(t, "met", accuracy.Pinball(10, 10, 0.9), 0)
}

func TestPeak(t *testing.T) {
	nan := math.NaN()
	f := func(actual []float64, w int, want float64, wantOK bool) {
		t.Helper()
		got, ok := accuracy.Peak(actual, w)
		if ok != wantOK || ok && got != want {
			t.Errorf("peak of %v is %v, %v; want %v, %v", actual[:w], got, ok, want, wantOK)
		}
	}
	f([]float64{1, 5, 2, 3, 4, 9}, 5, 5, true)
	f([]float64{1, nan, 2, 3, 4, 9}, 5, 4, true)
	f([]float64{1, nan, nan, 3, 4, 9}, 5, 0, false)
	f([]float64{nan}, 1, 0, false)
}

func TestQuantile(t *testing.T) {
	near(t, "median of 1, 2, 4, 8", accuracy.Quantile([]float64{1, 2, 4, 8}, 0.5), 3)
	near(t, "0.9 of 1, 2, 4, 8", accuracy.Quantile([]float64{1, 2, 4, 8}, 0.9), 6.8)
	near(t, "1 of 1, 2", accuracy.Quantile([]float64{1, 2}, 1), 2)
	near(t, "any of one", accuracy.Quantile([]float64{3}, 0.25), 3)
	near(t, "any of none", accuracy.Quantile(nil, 0.5), math.NaN())
}

func TestMeans(t *testing.T) {
	near(t, "geometric mean", accuracy.GeoMean([]float64{0.5, 2, math.NaN()}), 1)
	near(t, "geometric mean with a zero", accuracy.GeoMean([]float64{0, 1e9}), 1)
	near(t, "mean", accuracy.Mean([]float64{1, 2, math.NaN()}), 1.5)
	near(t, "mean of none", accuracy.Mean([]float64{math.NaN()}), math.NaN())
}

// A fan of the levels' own hundredths around actuals that can be added up by
// hand.
func TestTally(t *testing.T) {
	steps := make([]forecast.Quantiles, forecast.Horizon)
	for i := range steps {
		steps[i] = forecast.Quantiles{1, 2, 3, 4, 5, 6, 7}
	}
	actual := make([]float64, forecast.Horizon)
	for i := range actual {
		actual[i] = 4
	}
	actual[0] = math.NaN() // Left out, not zero.
	actual[1] = 6.5
	actual[7] = 5

	var tally accuracy.Tally
	tally.Add(actual, steps, forecast.RunningPeaks(steps))

	near5 := tally.Losses(0)
	near(t, "MAE of 1-5", near5.MAE, (3.5+1+1+1)/4)
	pinball := func(y float64) (sum float64) {
		for j, level := range forecast.Levels() {
			sum += accuracy.Pinball(y, steps[0][j], level)
		}
		return sum / forecast.NumLevels
	}
	near(t, "weighted quantile loss of 1-5", near5.WQL, 2*(pinball(6.5)+3*pinball(4))/(6.5+12))
	near(t, "coverage of 0.9", near5.Coverage[0], 0.75)
	near(t, "coverage of 0.95", near5.Coverage[1], 0.75)
	near(t, "coverage of 0.99", near5.Coverage[2], 1)
	near(t, "MAE of 6-15", tally.Losses(1).MAE, 1.1)
	near(t, "MAE of 16-60", tally.Losses(2).MAE, 1)
	near(t, "MAE of all", tally.Losses(accuracy.All).MAE, (6.5+11+45)/59)
	near(t, "peak pinball of 5", tally.Peak(0).Pinball, 0.475)
	near(t, "covered peaks of 5", tally.Peak(0).Covered, 0)

	var empty accuracy.Tally
	near(t, "MAE of nothing", empty.Losses(0).MAE, math.NaN())
	near(t, "loss of nothing", empty.Losses(0).WQL, math.NaN())
	near(t, "peak of nothing", empty.Peak(0).Covered, math.NaN())
}

func TestReference(t *testing.T) {
	const day = 1440
	start := time.Unix(1_700_000_000, 0)
	values := make([]float64, 5*day)
	for i := range values {
		// Each day is 10 more than the one before, but the third is 30 more.
		values[i] = float64(10 * (i / day))
		if i >= 3*day {
			values[i] += 20
		}
	}
	s := forecast.Series{Start: start, Values: values}
	r := accuracy.NewReference(s, s.Time(3*day-1))
	near(t, "scale", r.Scale(), 10)
	q := r.Steps(s.Time(4*day - 1))[59]
	near(t, "median is the naive rate", q[forecast.Median], values[3*day+59])
	near(t, "0.9 adds the train part's errors", q[4], values[3*day+59]+10)

	// Missing a day ago: two days ago; never known: the newest at the origin.
	values[3*day+9] = math.NaN()
	near(t, "two days before", r.Steps(s.Time(4*day - 1))[9][forecast.Median], values[2*day+9])
	for d := range 4 {
		values[d*day+9] = math.NaN()
	}
	near(t, "newest known", r.Steps(s.Time(4*day - 1))[9][forecast.Median], values[4*day-1])

	short := accuracy.NewReference(forecast.Series{Start: start, Values: []float64{1, 2}}, start)
	near(t, "scale of a short series", short.Scale(), math.NaN())
	near(t, "naive rate of a short series", short.Steps(start)[0][6], 1)

	low := accuracy.NewReference(forecast.Series{Start: start, Values: append(make([]float64, day), make([]float64, day)...)}, s.Time(2*day))
	near(t, "quantiles of an all-zero series", low.Steps(s.Time(day))[0][0], 0)
}

func TestCompareAndOverall(t *testing.T) {
	fan := func(v float64) []forecast.Quantiles {
		steps := make([]forecast.Quantiles, forecast.Horizon)
		for i := range steps {
			for j := range steps[i] {
				steps[i][j] = v
			}
		}
		return steps
	}
	actual := make([]float64, forecast.Horizon)
	for i := range actual {
		actual[i] = 10
	}
	score := func(v float64) accuracy.Scores {
		var a, b accuracy.Tally
		a.Add(actual, fan(v), fan(v))
		b.Add(actual, fan(12), fan(12))
		return accuracy.Compare(&a, &b, 4)
	}
	half := score(11)
	near(t, "MASE", float64(half.Horizons[0].MASE), 0.25)
	near(t, "MASE ratio", float64(half.Horizons[0].MASERatio), 0.5)
	near(t, "CRPS ratio", float64(half.Horizons[2].CRPSRatio), 0.5)
	near(t, "peak ratio", float64(half.Peaks[1].Ratio), 0.5)
	double := score(14)
	both := accuracy.Overall([]accuracy.Scores{half, double})
	near(t, "geometric mean of 0.5 and 2", float64(both.Horizons[accuracy.All].CRPSRatio), 1)
	near(t, "mean coverage", float64(both.Horizons[0].Coverage[0].Share), 1)

	// A reference that makes no error gives no ratio, and JSON says null.
	var a, b accuracy.Tally
	a.Add(actual, fan(11), fan(11))
	b.Add(actual, fan(10), fan(10))
	none := accuracy.Compare(&a, &b, 0)
	data, err := json.Marshal(none.Horizons[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"horizon":"1-5","mase":null,"maseRatio":null,"crpsRatio":null,"coverage":[{"level":0.9,"share":1},{"level":0.95,"share":1},{"level":0.99,"share":1}]}`
	if string(data) != want {
		t.Errorf("JSON is %s, want %s", data, want)
	}
}
