// Package baseline forecasts without learning from any workload but the one at
// hand: the last value, a running mean, the same time a day or a week before,
// and Holt-Winters. They are what a network must beat, and what serves while
// there is none.
//
// Each method only says where the middle of a forecast lies. Around it come the
// quantiles of the method's own errors on the history that it was given, at
// the same lead, so that a rate that is hard to forecast gets a wide fan. The
// errors are those of the square root of the rate: the noise of a count grows
// with the root of its mean, so the fan is wider at noon than at night, and a
// quantile cannot fall below zero.
package baseline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Seasons of [SeasonalNaive], in steps.
const (
	day  = int(24 * time.Hour / forecast.Step)
	week = 7 * day
)

// Forecaster is one of the methods of this package. It holds no state, so it
// is safe for concurrent use.
type Forecaster struct {
	name string
	// memory is how many of the last steps the method looks at.
	memory int
	// fit prepares the method for a history of roots of rates, the last of
	// which is known.
	fit func(roots []float64) method
}

// method is a method that has seen a history.
type method struct {
	// middle is the expected root of the rate lead steps after step t, from
	// steps 0 to t alone.
	middle func(t, lead int) float64
	// from is the first step from which its errors say something about it.
	from int
}

var _ forecast.Forecaster = Forecaster{}

// LastValue expects the newest known rate to stay.
func LastValue() Forecaster {
	return Forecaster{"last-value", week, fitLast}
}

// EWMA expects the exponentially weighted mean of the known rates to stay
// (Brown, 1956), with the weights that would have forecast the history best.
func EWMA() Forecaster {
	return Forecaster{"ewma", week, fitEWMA}
}

// SeasonalNaiveDay expects the rate of the same minute of the day before, or of
// the nearest earlier day on which it is known; the newest known rate where
// there is no such day.
func SeasonalNaiveDay() Forecaster {
	return Forecaster{"seasonal-naive-day", 3 * week, func(roots []float64) method { return fitSeasonal(roots, day) }}
}

// SeasonalNaiveWeek expects the rate of the same minute of the week before, and
// falls back on [SeasonalNaiveDay] where the history is too short or has a gap
// there.
func SeasonalNaiveWeek() Forecaster {
	return Forecaster{"seasonal-naive-week", 5 * week, func(roots []float64) method { return fitSeasonal(roots, week) }}
}

// HoltWinters is additive exponential smoothing of level, damped trend and a
// season of a day (Holt 1957, Winters 1960; damping by Gardner and McKenzie
// 1985), with the parameters that would have forecast the history best. It has
// no season before two days of history, and is the last value before an hour.
func HoltWinters() Forecaster {
	return Forecaster{"holt-winters", 2 * week, fitHoltWinters}
}

// All are the forecasters of this package, each once.
func All() []Forecaster {
	return []Forecaster{LastValue(), EWMA(), SeasonalNaiveDay(), SeasonalNaiveWeek(), HoltWinters()}
}

// Name is "last-value", "ewma", "seasonal-naive-day", "seasonal-naive-week" or
// "holt-winters".
func (f Forecaster) Name() string { return f.name }

// Forecast implements [forecast.Forecaster]. Infinite rates count as missing
// and negative ones as zero.
func (f Forecaster) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out := make([]forecast.Forecast, len(batch))
	for i, h := range batch {
		roots := h.Values[max(0, len(h.Values)-f.memory):]
		roots, gap := known(roots)
		if len(roots) == 0 {
			return nil, fmt.Errorf("forecast %s by %s: no known rate in the last %d steps, want at least one", h.Workload, f.name, min(f.memory, h.Len()))
		}
		steps, peaks := fan(roots, gap, f.fit(roots))
		out[i] = forecast.Forecast{Workload: h.Workload, Origin: h.Origin(), Steps: steps, Peaks: peaks, By: f.name}
	}
	return out, nil
}

// known are the roots of the rates from the first to the last known one, and
// how many missing ones came after it.
func known(rates []float64) (roots []float64, gap int) {
	isKnown := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	first := slices.IndexFunc(rates, isKnown)
	if first < 0 {
		return nil, 0
	}
	end := len(rates)
	for !isKnown(rates[end-1]) {
		end--
	}
	roots = make([]float64, end-first)
	for i, v := range rates[first:end] {
		roots[i] = math.NaN()
		if isKnown(v) {
			roots[i] = math.Sqrt(max(v, 0))
		}
	}
	return roots, len(rates) - end
}
