package scaler

import (
	"context"
	"time"

	"github.com/foretide/foretide/forecast"
)

// LoadSpec says where a trigger's load is read from. The zero LoadSpec is the
// process's default. It is comparable; equal ones share one source, so that
// Prometheus is asked once a step whoever wants to know.
type LoadSpec struct {
	// Preset names a mesh whose metrics are known, such as "istio".
	Preset string
	// Query is PromQL that gives Workload's rate; both are empty with a preset.
	Query    string
	Workload forecast.Workload
}

// String names the spec in messages.
func (s LoadSpec) String() string {
	switch {
	case s.Query != "":
		return "query " + clip(s.Query)
	case s.Preset != "":
		return "preset " + s.Preset
	}
	return "the default preset"
}

// Source reads load from a metrics store. Its methods may be called
// concurrently. A workload that the store does not know at a time is left out
// or NaN there, never zero; an error means that the store did not answer, and
// comes no later than soon after ctx ends.
type Source interface {
	// Rates gives the rate, in requests per second, of every workload as
	// measured at the instant at: the mean over the step that ends there.
	Rates(ctx context.Context, at time.Time) (map[forecast.Workload]float64, error)
	// History gives the rates of every workload for the steps stamped in
	// [from, to), which are full minutes. A history may begin later and end
	// earlier.
	History(ctx context.Context, from, to time.Time) ([]forecast.History, error)
}

// OpenSource gives the source of a spec. It does not ask the store; an error is
// the user's mistake and says what would be right.
type OpenSource func(LoadSpec) (Source, error)
