package inspect

import (
	"math"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/scaler"
)

type detail struct {
	moment
	Levels   [forecast.NumLevels]float64 `json:"levels"`
	Workload glance                      `json:"workload"`
	History  seriesView                  `json:"history"`
	Forecast *forecastView               `json:"forecast"`
	Past     pastView                    `json:"past"`
	// Calibration is null while forecasts are given out as they were made.
	Calibration *calibrationView `json:"calibration"`
	Decisions   []decisionView   `json:"decisions"`
}

type seriesView struct {
	Start  *time.Time `json:"start"`
	Values rates      `json:"values"`
}

type forecastView struct {
	By     string    `json:"by"`
	Origin time.Time `json:"origin"`
	Steps  []rates   `json:"steps"`
	Peaks  []rates   `json:"peaks"`
}

type pastView struct {
	LeadSteps int       `json:"leadSteps"`
	Coverage  *coverage `json:"coverage"`
	Steps     []past    `json:"steps"`
}

// coverage is how often what came fell where it was forecast to.
type coverage struct {
	Known        int     `json:"known"`
	InsideP10P90 float64 `json:"insideP10P90"`
	InsideP25P75 float64 `json:"insideP25P75"`
	BelowP95     float64 `json:"belowP95"`
}

type past struct {
	At        time.Time `json:"at"`
	Quantiles rates     `json:"quantiles"`
	Actual    *float64  `json:"actual"`
	Replicas  *int      `json:"replicas"`
}

type decisionView struct {
	ScaledObject    *forecast.Workload `json:"scaledObject"`
	Metric          *string            `json:"metric"`
	At              time.Time          `json:"at"`
	Policy          policyView         `json:"policy"`
	Observed        *float64           `json:"observed"`
	ObservedAt      *time.Time         `json:"observedAt"`
	Predicted       *float64           `json:"predicted"`
	WindowSteps     *int               `json:"windowSteps"`
	Value           *float64           `json:"value"`
	Planned         *float64           `json:"planned"`
	Replicas        *int               `json:"replicas"`
	PlannedReplicas *int               `json:"plannedReplicas"`
	Active          bool               `json:"active"`
	Binding         string             `json:"binding"`
	Rung            string             `json:"rung"`
	Why             *string            `json:"why"`
	Model           *string            `json:"model"`
	Sentence        *string            `json:"sentence"`
}

type policyView struct {
	TargetPerPod        *float64 `json:"targetPerPod"`
	Quantile            float64  `json:"quantile"`
	LeadTimeSeconds     float64  `json:"leadTimeSeconds"`
	Mode                string   `json:"mode"`
	ActivationThreshold float64  `json:"activationThreshold"`
}

// detailOf is one workload with its history from an instant on.
func detailOf(m moment, s *scaler.WorkloadState, from time.Time) detail {
	h := s.History.Between(from, s.History.End())
	v := detail{
		moment:    m,
		Levels:    forecast.Levels(),
		Workload:  glanceOf(s, m.Now),
		History:   seriesView{Start: stamp(h.Start), Values: h.Values},
		Past:      pastOf(s, from),
		Decisions: []decisionView{},

		Calibration: calibrationOf(s.Calibration),
	}
	if f := forecastOf(s); f != nil {
		v.Forecast = &forecastView{By: f.By, Origin: f.Origin.UTC(), Steps: rows(f.Steps), Peaks: rows(f.Peaks)}
	}
	for _, d := range s.Decisions {
		v.Decisions = append(v.Decisions, decisionOf(d))
	}
	return v
}

func decisionOf(d scaler.TriggerDecision) decisionView {
	v := decisionView{
		ScaledObject: given(d.ScaledObject),
		Metric:       given(d.Metric),
		At:           d.At.UTC(),
		Policy: policyView{
			Quantile:            d.Policy.Quantile,
			LeadTimeSeconds:     d.Policy.LeadTime.Seconds(),
			Mode:                string(d.Policy.Mode),
			ActivationThreshold: d.Policy.ActivationThreshold,
		},
		Observed:    finite(d.Observed),
		ObservedAt:  stamp(d.ObservedAt),
		Predicted:   finite(d.Predicted),
		WindowSteps: given(d.Window),
		Value:       finite(d.Value),
		Planned:     finite(d.Planned),
		Active:      d.Active,
		Binding:     string(d.Binding),
		Rung:        string(d.Rung),
		Why:         given(d.Why),
		Model:       given(d.Model),
		Sentence:    given(d.Sentence()),
	}
	if d.Policy.TargetPerPod > 0 {
		v.Policy.TargetPerPod = &d.Policy.TargetPerPod
		v.Replicas, v.PlannedReplicas = &d.Replicas, &d.PlannedReplicas
	}
	return v
}

func pastOf(s *scaler.WorkloadState, from time.Time) pastView {
	v := pastView{LeadSteps: scaler.PastLead, Steps: []past{}}
	var c coverage
	hasTarget := len(s.Decisions) > 0 && s.Decisions[0].Policy.TargetPerPod > 0
	levels := forecast.Levels()
	for _, p := range s.Past {
		if p.At.Before(from) {
			continue
		}
		actual := s.History.At(p.At)
		row := past{At: p.At.UTC(), Quantiles: p.Quantiles[:], Actual: finite(actual)}
		if hasTarget {
			row.Replicas = &p.Replicas
		}
		v.Steps = append(v.Steps, row)
		if math.IsNaN(actual) {
			continue
		}
		c.Known++
		q := p.Quantiles
		if q.At(levels[0]) <= actual && actual <= q.At(levels[highLevel]) {
			c.InsideP10P90++
		}
		if q.At(0.25) <= actual && actual <= q.At(0.75) {
			c.InsideP25P75++
		}
		if actual <= q.At(0.95) {
			c.BelowP95++
		}
	}
	if c.Known > 0 {
		n := float64(c.Known)
		c.InsideP10P90, c.InsideP25P75, c.BelowP95 = c.InsideP10P90/n, c.InsideP25P75/n, c.BelowP95/n
		v.Coverage = &c
	}
	return v
}

// rows shares the quantiles it is given; nothing of it is written to.
func rows(quantiles []forecast.Quantiles) []rates {
	out := make([]rates, len(quantiles))
	for i := range quantiles {
		out[i] = quantiles[i][:]
	}
	return out
}
