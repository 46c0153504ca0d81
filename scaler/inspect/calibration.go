package inspect

import (
	"math"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
)

// calibrationView is how the forecasts of about the last day did, and what was
// made of it.
type calibrationView struct {
	// Experts are what is mixed; weights and losses are in their order, and
	// coverage, pinball and corrections in that of the levels.
	Experts  []string     `json:"experts"`
	Coverage rates        `json:"coverage"`
	Buckets  []bucketView `json:"buckets"`
}

// bucketView is one range of horizons, or the peaks of one window.
type bucketView struct {
	Bucket      string   `json:"bucket"`
	Verified    int      `json:"verified"`
	Weights     rates    `json:"weights"`
	Losses      rates    `json:"losses"`
	Mixed       *float64 `json:"mixedLoss"`
	Given       *float64 `json:"givenLoss"`
	Coverage    rates    `json:"coverage"`
	Pinball     rates    `json:"pinball"`
	Corrections rates    `json:"corrections"`
}

func calibrationOf(r *calibrate.Report) *calibrationView {
	if r == nil {
		return nil
	}
	v := &calibrationView{Experts: r.Experts}
	for j := range forecast.NumLevels {
		v.Coverage = append(v.Coverage, r.Coverage(j))
	}
	for i := range r.Buckets {
		b := &r.Buckets[i]
		v.Buckets = append(v.Buckets, bucketView{
			Bucket: b.Bucket, Verified: int(math.Round(b.Verified)), Weights: b.Weights, Losses: b.Losses,
			Mixed: finite(b.Mixed), Given: finite(b.Given),
			Coverage: b.Coverage[:], Pinball: b.Pinball[:], Corrections: b.Corrections[:],
		})
	}
	return v
}
