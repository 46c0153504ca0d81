package main

import (
	"math"

	"github.com/foretide/foretide/forecast"
)

// sets are the folders of the public sets that the prior learns from: those
// whose licence allows it, see NOTICE at the root of the repository.
func sets() []string {
	return []string{"aiops_kpi", "azure_functions_2021", "crane_dsp", "ms_cloud_monitoring", "nasa_http", "worldcup98"}
}

// trainShare is the part of each recorded series that is learnt. The rest stays
// unseen, so that forecasts of it can be scored.
const trainShare = 0.7

func trainPart(s forecast.Series) forecast.Series {
	n := int(math.Ceil(trainShare * float64(s.Len())))
	return s.Through(s.Time(n - 1))
}

// stair is how many minutes the steps are long that values go in: more than one
// where a file had one row an hour or every five minutes, which looks like no
// traffic that is measured by the minute. It is 0 for values that never change.
func stair(values []float64) int {
	width, from := 0, 0
	for i := 1; i < len(values); i++ {
		same := values[i] == values[i-1] || math.IsNaN(values[i]) && math.IsNaN(values[i-1])
		if !same {
			width = divisor(width, i-from)
			from = i
		}
	}
	return width
}

// divisor is the greatest common one.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
