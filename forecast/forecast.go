package forecast

import (
	"fmt"
	"math"
	"time"
)

// Horizon is how many steps a forecast covers.
const Horizon = 60

// NumLevels is the number of quantile levels of every forecast.
const NumLevels = 7

// Levels are the quantile levels of every forecast, ascending.
func Levels() [NumLevels]float64 {
	return [NumLevels]float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99}
}

// Median is the index of level 0.5 in [Levels].
const Median = 2

// Quantiles are a rate's quantiles at [Levels], in requests per second:
// finite, not negative, not descending.
type Quantiles [NumLevels]float64

// At is the quantile at any level: linear between the known ones, and the
// nearest known one outside them, as nothing is known of the tails there.
func (q Quantiles) At(level float64) float64 {
	l := Levels()
	if level <= l[0] {
		return q[0]
	}
	for i := 1; i < NumLevels; i++ {
		if level <= l[i] {
			return q[i-1] + (q[i]-q[i-1])*(level-l[i-1])/(l[i]-l[i-1])
		}
	}
	return q[NumLevels-1]
}

// Forecast is what a workload's rate will be, as seen at Origin.
type Forecast struct {
	Workload Workload
	// Origin is the stamp of the last step that was known.
	Origin time.Time
	// Steps[h-1] is the rate of the step stamped Origin + h*Step, for h from
	// 1 to Horizon.
	Steps []Quantiles
	// Peaks[w-1] is the largest rate among the first w steps. Its upper
	// quantiles lie above those of each single step, because the largest of
	// many has more chances to be large.
	Peaks []Quantiles
	// By names the forecaster, such as "lstm".
	By string
}

// Peak is the quantile at level of the largest rate among the first w steps;
// w outside 1..Horizon takes the nearest of the two.
func (f Forecast) Peak(w int, level float64) float64 {
	return f.Peaks[min(max(w, 1), len(f.Peaks))-1].At(level)
}

// Time is the stamp of the step h steps after the origin.
func (f Forecast) Time(h int) time.Time { return f.Origin.Add(time.Duration(h) * Step) }

// Check tells whether f keeps what the types promise: Horizon steps and peaks,
// every quantile finite, none negative, none crossing. It names the first
// place where it does not.
func (f Forecast) Check() error {
	for _, part := range []struct {
		name string
		rows []Quantiles
	}{{"step", f.Steps}, {"peak", f.Peaks}} {
		if len(part.rows) != Horizon {
			return fmt.Errorf("forecast of %s by %s: %d %ss, want %d", f.Workload, f.By, len(part.rows), part.name, Horizon)
		}
		for i, q := range part.rows {
			low := 0.0
			for j, v := range q {
				if math.IsNaN(v) || math.IsInf(v, 0) || v < low {
					return fmt.Errorf("forecast of %s by %s: %s %d has quantiles %v, want finite, ascending and not negative (index %d)", f.Workload, f.By, part.name, i+1, q, j)
				}
				low = v
			}
		}
	}
	return nil
}

// RunningPeaks are the largest quantiles of the first w steps for each w: what
// a forecaster without peaks of its own fills [Forecast.Peaks] with. For the
// upper levels they are too low, see there.
func RunningPeaks(steps []Quantiles) []Quantiles {
	peaks := make([]Quantiles, len(steps))
	var top Quantiles
	for i, q := range steps {
		for j, v := range q {
			top[j] = max(top[j], v)
		}
		peaks[i] = top
	}
	return peaks
}

// Forecaster forecasts workloads from their histories.
type Forecaster interface {
	// Name is a short, stable name such as "lstm" or "seasonal-naive-day".
	Name() string
	// Forecast gives one forecast a history, in their order, each from the
	// history's last step on. It reads the batch and keeps nothing of it, may
	// be called concurrently, and gives the same result for the same history
	// whatever else is in the batch. A history with no known value at all is
	// an error that names it; any other gives a forecast that passes
	// [Forecast.Check].
	Forecast(batch []History) ([]Forecast, error)
}
