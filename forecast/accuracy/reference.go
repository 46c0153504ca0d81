package accuracy

import (
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// day is the season of the reference in steps.
const day = int(24 * time.Hour / forecast.Step)

// Reference is the forecast that others are measured against: the rate at the
// same minute of the day before, with the quantiles of its own errors over the
// train part of the series. It never changes after that part, and so is the
// same for every forecaster. It is safe for concurrent use.
type Reference struct {
	series forecast.Series
	errors [forecast.NumLevels]float64
	scale  float64
	// last[i] is the newest known rate at step i, 0 before the first.
	last []float64
}

// NewReference learns the errors from the steps of s through trainEnd. A train
// part of a day or less has none: then the quantiles all are the naive rate
// itself, and Scale is NaN.
func NewReference(s forecast.Series, trainEnd time.Time) *Reference {
	r := &Reference{series: s, last: make([]float64, s.Len())}
	train := s.Through(trainEnd).Values
	var errors []float64
	sum := 0.0
	for i := day; i < len(train); i++ {
		if e := train[i] - train[i-day]; !math.IsNaN(e) {
			errors = append(errors, e)
			sum += math.Abs(e)
		}
	}
	r.scale = sum / float64(len(errors))
	slices.Sort(errors)
	for j, level := range forecast.Levels() {
		if j != forecast.Median && len(errors) > 0 {
			r.errors[j] = Quantile(errors, level)
		}
	}
	last := 0.0
	for i, v := range s.Values {
		if !math.IsNaN(v) {
			last = v
		}
		r.last[i] = last
	}
	return r
}

// Scale is the mean absolute error of the naive rate over the train part, in
// requests per second: what the scaled error (MASE) divides by.
func (r *Reference) Scale() float64 { return r.scale }

// Steps are the reference's quantiles for the steps after origin. A rate that
// is missing a day before is taken from two days before, and so on for a week;
// then it is the newest known one at origin. The quantiles are not negative but
// may cross at the median, which is the naive rate and not that of the errors.
func (r *Reference) Steps(origin time.Time) []forecast.Quantiles {
	o := r.series.Index(origin)
	steps := make([]forecast.Quantiles, forecast.Horizon)
	for h := range steps {
		rate := r.before(o + 1 + h)
		if math.IsNaN(rate) && o >= 0 && o < len(r.last) {
			rate = r.last[o]
		} else if math.IsNaN(rate) {
			rate = 0
		}
		for j, e := range r.errors {
			steps[h][j] = max(rate+e, 0)
		}
	}
	return steps
}

// before is the known rate one to seven days before step i, the nearest first.
func (r *Reference) before(i int) float64 {
	for d := 1; d <= 7; d++ {
		if j := i - d*day; j >= 0 && j < r.series.Len() && !math.IsNaN(r.series.Values[j]) {
			return r.series.Values[j]
		}
	}
	return math.NaN()
}

// Quantile is the quantile at level of ascending values: linear between the
// order statistics, with the first at 0 and the last at 1 (type 7 of Hyndman
// and Fan, Sample quantiles in statistical packages, 1996). It is NaN for no
// values.
func Quantile(sorted []float64, level float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	x := min(max(level, 0), 1) * float64(n-1)
	i := min(int(x), n-1)
	j := min(i+1, n-1)
	return sorted[i] + (x-float64(i))*(sorted[j]-sorted[i])
}

// GeoMean is the geometric mean of ratios; those below 1e-9 count as that, and
// NaN is left out. It is NaN where none is left.
func GeoMean(ratios []float64) float64 {
	return math.Exp(mean(ratios, func(x float64) float64 { return math.Log(max(x, 1e-9)) }))
}

// Mean is the arithmetic mean; NaN is left out, and given where none is left.
func Mean(values []float64) float64 {
	return mean(values, func(x float64) float64 { return x })
}

func mean(values []float64, of func(float64) float64) float64 {
	n, sum := 0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
			sum += of(v)
		}
	}
	return sum / float64(n)
}
