package accuracy

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// Scores are a forecaster's figures on one series, or their means over many:
// the geometric mean of ratios and scaled errors, the arithmetic one of shares.
type Scores struct {
	Horizons [NumBuckets]HorizonScore `json:"horizons"`
	Peaks    [NumWindows]PeakScore    `json:"peaks"`
}

// HorizonScore is how forecasts did over one range of horizons.
type HorizonScore struct {
	// Horizon is the name of the [Bucket].
	Horizon string `json:"horizon"`
	// MASE is the mean absolute error of the median by that of the seasonal
	// naive rate over the train part.
	MASE Figure `json:"mase"`
	// MASERatio and CRPSRatio are the error of the median and the weighted
	// quantile loss by those of the reference on the same minutes: below 1 is
	// better than the reference.
	MASERatio Figure `json:"maseRatio"`
	CRPSRatio Figure `json:"crpsRatio"`
	// Coverage is the share of minutes at or below the quantile: as near as can
	// be to the level.
	Coverage []Coverage `json:"coverage"`
}

// Coverage is the share of minutes at or below the quantile of a level.
type Coverage struct {
	Level float64 `json:"level"`
	Share Figure  `json:"share"`
}

// PeakScore is how the 0.95 quantile of the largest rate in a window did.
type PeakScore struct {
	// Window is in minutes.
	Window int `json:"windowMinutes"`
	// Ratio is its pinball loss by that of the reference.
	Ratio Figure `json:"ratio"`
	// Covered is the share of windows whose largest rate was at or below it.
	Covered Figure `json:"covered"`
}

// Compare holds the tally of a forecaster against that of the reference on the
// same minutes; scale is [Reference.Scale].
func Compare(forecaster, reference *Tally, scale float64) Scores {
	var s Scores
	for b, bucket := range Buckets() {
		f, r := forecaster.Losses(b), reference.Losses(b)
		h := HorizonScore{
			Horizon:   bucket.Name,
			MASE:      Figure(ratio(f.MAE, scale)),
			MASERatio: Figure(ratio(f.MAE, r.MAE)),
			CRPSRatio: Figure(ratio(f.WQL, r.WQL)),
		}
		for j, k := range Covered() {
			h.Coverage = append(h.Coverage, Coverage{forecast.Levels()[k], Figure(f.Coverage[j])})
		}
		s.Horizons[b] = h
	}
	for i, w := range Windows() {
		f, r := forecaster.Peak(i), reference.Peak(i)
		s.Peaks[i] = PeakScore{Window: w, Ratio: Figure(ratio(f.Pinball, r.Pinball)), Covered: Figure(f.Covered)}
	}
	return s
}

// ratio is a/b, NaN where b is not above zero: nothing can be measured against
// a reference that makes no error.
func ratio(a, b float64) float64 {
	if !(b > 0) {
		return math.NaN()
	}
	return a / b
}

// Overall are the means over series.
func Overall(series []Scores) Scores {
	figures := func(of func(*Scores) Figure) []float64 {
		values := make([]float64, len(series))
		for i := range series {
			values[i] = float64(of(&series[i]))
		}
		return values
	}
	var o Scores
	for b, bucket := range Buckets() {
		h := HorizonScore{
			Horizon:   bucket.Name,
			MASE:      Figure(GeoMean(figures(func(s *Scores) Figure { return s.Horizons[b].MASE }))),
			MASERatio: Figure(GeoMean(figures(func(s *Scores) Figure { return s.Horizons[b].MASERatio }))),
			CRPSRatio: Figure(GeoMean(figures(func(s *Scores) Figure { return s.Horizons[b].CRPSRatio }))),
		}
		for j, k := range Covered() {
			share := Mean(figures(func(s *Scores) Figure { return s.Horizons[b].Coverage[j].Share }))
			h.Coverage = append(h.Coverage, Coverage{forecast.Levels()[k], Figure(share)})
		}
		o.Horizons[b] = h
	}
	for i, w := range Windows() {
		o.Peaks[i] = PeakScore{
			Window:  w,
			Ratio:   Figure(GeoMean(figures(func(s *Scores) Figure { return s.Peaks[i].Ratio }))),
			Covered: Figure(Mean(figures(func(s *Scores) Figure { return s.Peaks[i].Covered }))),
		}
	}
	return o
}
