package inspect

import (
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/scaler"
)

// The shapes of the API. The README beside this file documents every field.

type overview struct {
	moment
	Workloads []glance `json:"workloads"`
}

// moment is what every answer about workloads begins with.
type moment struct {
	Program     string     `json:"program"`
	Now         time.Time  `json:"now"`
	At          time.Time  `json:"at"`
	StepSeconds float64    `json:"stepSeconds"`
	Ledger      bool       `json:"ledger"`
	Model       modelView  `json:"model"`
	Source      sourceView `json:"source"`
}

type modelView struct {
	Version    *string    `json:"version"`
	Loaded     *time.Time `json:"loaded"`
	Trained    *time.Time `json:"trained"`
	Prior      bool       `json:"prior"`
	AgeSeconds *float64   `json:"ageSeconds"`
	Error      *string    `json:"error"`
}

type sourceView struct {
	Answered         *time.Time `json:"answered"`
	StalenessSeconds *float64   `json:"stalenessSeconds"`
	Error            *string    `json:"error"`
	Since            *time.Time `json:"since"`
	Filled           bool       `json:"filled"`
	LeftOut          int        `json:"leftOut"`
}

// glance is a workload in one line: its first decision.
type glance struct {
	forecast.Workload
	State            string     `json:"state"`
	Stale            bool       `json:"stale"`
	Observed         *float64   `json:"observed"`
	ObservedAt       *time.Time `json:"observedAt"`
	StalenessSeconds *float64   `json:"stalenessSeconds"`
	Predicted        *float64   `json:"predicted"`
	Quantile         *float64   `json:"quantile"`
	LeadTimeSeconds  *float64   `json:"leadTimeSeconds"`
	WindowSteps      *int       `json:"windowSteps"`
	Value            *float64   `json:"value"`
	Planned          *float64   `json:"planned"`
	Replicas         *int       `json:"replicas"`
	PlannedReplicas  *int       `json:"plannedReplicas"`
	TargetPerPod     *float64   `json:"targetPerPod"`
	Mode             *string    `json:"mode"`
	Binding          *string    `json:"binding"`
	Rung             *string    `json:"rung"`
	Model            *string    `json:"model"`
	Sentence         *string    `json:"sentence"`
	Triggers         int        `json:"triggers"`
	Error            *string    `json:"error"`
	Spark            *spark     `json:"spark,omitempty"`
}

// spark is enough for a small chart of a workload.
type spark struct {
	Start    *time.Time  `json:"start"`
	Observed shape       `json:"observed"`
	Forecast *sparkAhead `json:"forecast"`
}

type sparkAhead struct {
	Start  time.Time `json:"start"`
	Low    shape     `json:"low"`
	Median shape     `json:"median"`
	High   shape     `json:"high"`
}

// stateError is the state of a workload without a decision; the other states
// are the rungs.
const stateError = "error"

func (h *handler) moment(snap *scaler.Snapshot, now time.Time) moment {
	return moment{
		Program:     h.Version,
		Ledger:      h.Ledger != nil,
		Now:         now.UTC(),
		At:          snap.At.UTC(),
		StepSeconds: forecast.Step.Seconds(),
		Model: modelView{
			Version:    given(snap.Model.Version),
			Loaded:     stamp(snap.Model.Loaded),
			Trained:    stamp(snap.Model.Trained),
			Prior:      snap.Model.Prior,
			AgeSeconds: age(now, snap.Model.Trained),
			Error:      given(snap.Model.Err),
		},
		Source: sourceView{
			Answered:         stamp(snap.Source.Answered),
			StalenessSeconds: age(now, snap.Source.Answered),
			Error:            given(snap.Source.Err),
			Since:            stamp(snap.Source.Since),
			Filled:           snap.Source.Filled,
			LeftOut:          snap.Source.LeftOut,
		},
	}
}

func glanceOf(s *scaler.WorkloadState, now time.Time) glance {
	g := glance{Workload: s.Workload, State: stateError, Error: given(s.Err)}
	var observedAt time.Time
	if rate, at, ok := s.History.Last(); ok {
		g.Observed, observedAt = finite(rate), at.Add(forecast.Step)
	}
	for _, d := range s.Decisions {
		if d.ScaledObject != (forecast.Workload{}) {
			g.Triggers++
		}
	}
	if len(s.Decisions) > 0 {
		d := s.Decisions[0]
		g.Observed, observedAt = finite(d.Observed), d.ObservedAt
		g.Predicted = finite(d.Predicted)
		g.Quantile = given(d.Policy.Quantile)
		g.LeadTimeSeconds = given(d.Policy.LeadTime.Seconds())
		g.WindowSteps = given(d.Window)
		g.Value, g.Planned = finite(d.Value), finite(d.Planned)
		if d.Policy.TargetPerPod > 0 {
			g.TargetPerPod = &d.Policy.TargetPerPod
			g.Replicas, g.PlannedReplicas = &d.Replicas, &d.PlannedReplicas
		}
		g.Mode = given(string(d.Policy.Mode))
		g.Binding = given(string(d.Binding))
		g.Rung = given(string(d.Rung))
		g.Model = given(d.Model)
		g.Sentence = given(d.Sentence())
		g.State = string(d.Rung)
	}
	g.ObservedAt, g.StalenessSeconds = stamp(observedAt), age(now, observedAt)
	g.Stale = observedAt.IsZero() || now.Sub(observedAt) > plan.Fresh
	return g
}

func sparkOf(s *scaler.WorkloadState, from time.Time) *spark {
	h := s.History.Between(from, s.History.End())
	v := &spark{Start: stamp(h.Start), Observed: h.Values}
	if f := forecastOf(s); f != nil {
		a := &sparkAhead{Start: f.Time(1).UTC()}
		for _, q := range f.Steps {
			a.Low = append(a.Low, q[0])
			a.Median = append(a.Median, q[forecast.Median])
			a.High = append(a.High, q[highLevel])
		}
		v.Forecast = a
	}
	return v
}

// highLevel is the index of level 0.9 in [forecast.Levels], the upper edge of
// the band that holds 80 % of what comes; index 0 is its lower edge.
const highLevel = 4

// forecastOf is the forecast that the workload's decisions were made from.
func forecastOf(s *scaler.WorkloadState) *forecast.Forecast {
	for _, d := range s.Decisions {
		if d.Forecast != nil {
			return d.Forecast
		}
	}
	return nil
}
