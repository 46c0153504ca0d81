// Package scaler answers KEDA: its gRPC external scaler, and behind it the loop
// that reads load, forecasts, decides and publishes snapshots to answer from.
package scaler

import (
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/plan"
)

// Snapshot is all that the loop knows after one step. It is immutable: the
// RPCs, the page and the metrics read the newest one without a lock.
type Snapshot struct {
	// At is the instant of the step.
	At time.Time
	// Model is the state of the weights being served.
	Model ModelStatus
	// Source is the state of the metrics store.
	Source SourceStatus
	// Calibrations tells where what is learned online comes from.
	Calibrations CalibrationStatus
	// Workloads is sorted by name.
	Workloads []*WorkloadState

	// answers has what each trigger is answered with.
	answers map[Trigger]*answer
	// next is closed when a newer snapshot is there.
	next chan struct{}
}

// ModelStatus tells which weights serve, and whether a newer version failed.
type ModelStatus struct {
	// Version is the registry's id, or that of the prior, empty while there is no model; Loaded is
	// when it began to serve and Trained when it was made.
	Version         string
	Loaded, Trained time.Time
	// Prior tells that it is the network that the program brings, which serves
	// until there is a trained one; Trained is then zero.
	Prior bool
	// Err is why the newest champion does not serve, empty if it does.
	Err string
}

// SourceStatus tells whether the metrics store answers.
type SourceStatus struct {
	// Answered is the instant of the last step that got an answer.
	Answered time.Time
	// Err is what the newest step could not read and why, empty if nothing.
	Err string
	// Since is how far back the history is read, zero before any is; Filled
	// says that it reaches as far as is kept.
	Since  time.Time
	Filled bool
	// LeftOut is how many workloads are not looked at because there are more
	// than the bound allows.
	LeftOut int
}

// CalibrationStatus tells where what is learned online comes from. All of it is
// zero where nothing is calibrated.
type CalibrationStatus struct {
	// Restored is how many calibrations in use were saved before the start, and
	// Relearned how many were learned from history. Relearning is how many are
	// not in use yet.
	Restored, Relearned, Relearning int
	// Saved is when they were last saved, before the start or after it; zero if
	// they are not.
	Saved time.Time
}

// WorkloadState is one workload at one step.
type WorkloadState struct {
	Workload forecast.Workload
	// History is what is remembered of its load; read only.
	History forecast.Series
	// Decisions has one entry for each trigger that names the workload, in the
	// order they were first seen; for a workload that no trigger names it has
	// one, with the default policy and no target per pod.
	Decisions []TriggerDecision
	// Err is why there is no decision, or none for one of the triggers; empty
	// if there is one for each.
	Err string
	// Calibration is how its forecasts did and what was made of that; nil before
	// any was calibrated. Read only.
	Calibration *calibrate.Report
	// Past is what was forecast and decided earlier, oldest first, at most
	// PastSteps long.
	Past []Past
}

// TriggerDecision is a decision and the trigger it answers.
type TriggerDecision struct {
	// ScaledObject is the namespace and name of the ScaledObject, zero for a
	// workload that no trigger names.
	ScaledObject forecast.Workload
	// Metric is the name that KEDA asks the trigger by, empty without one.
	Metric string
	plan.Decision
}

// PastLead is how many steps ahead the forecasts in Past were made, and
// PastSteps how many are kept.
const (
	PastLead  = 5
	PastSteps = 6 * 60
)

// Past is the forecast of one step, made PastLead steps before it.
type Past struct {
	// At is the stamp of the step.
	At time.Time
	// Quantiles is what was forecast for it.
	Quantiles forecast.Quantiles
	// Replicas is what was decided when the step began, under the first of the
	// workload's decisions; 0 without a target per pod.
	Replicas int
}
