// Package plan makes the Decision: from a workload's history at one instant to
// the number KEDA is answered with. It is made here and nowhere else; the gRPC
// answer, the page, the metrics and the backtest read it.
package plan

import (
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

// Rung is a step of the ladder that a decision comes down when something is
// missing. The last rung is an error, never a number.
type Rung string

const (
	// RungNetwork: the trained network's forecast.
	RungNetwork Rung = "network"
	// RungPrior: the forecast of the network that the program brings, as there is
	// no trained one that can be used.
	RungPrior Rung = "prior"
	// RungBaseline: a baseline's forecast, as there is no network that can be
	// used.
	RungBaseline Rung = "baseline"
	// RungObserved: no usable forecast; the observed rate alone.
	RungObserved Rung = "observed"
)

// Decision is what was decided for one workload at one instant, with all it
// was decided from. It is immutable once made.
type Decision struct {
	// At is the instant decided at.
	At       time.Time
	Workload forecast.Workload
	Policy   replica.Policy
	// Observed is the newest known rate in requests per second and ObservedAt
	// the end of the time it was measured over; NaN and zero where none is
	// known.
	Observed   float64
	ObservedAt time.Time
	// Pods is what was known of the workload's pods.
	Pods replica.Pods
	// Forecast is nil on RungObserved.
	Forecast *forecast.Forecast
	// Model is the version of the weights behind the forecast, empty below
	// RungPrior.
	Model string
	// Rung is the ladder's rung that the decision stands on, and Why says in a
	// sentence why not a higher one; empty on RungNetwork.
	Rung Rung
	Why  string

	replica.Target
}
