package prom

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/foretide/foretide/forecast"
)

// WindowPlaceholder stands in a query for the time that a rate is averaged
// over, as in rate(requests_total[$window]).
const WindowPlaceholder = "$window"

// Mapping is a query for the rates of all workloads, and the labels that name
// them.
type Mapping struct {
	// Query is PromQL for requests per second, one series a workload, where
	// WindowPlaceholder stands for the window of a rate.
	Query string
	// NamespaceLabel names the label with the workload's namespace. If it is
	// empty, so is the namespace of each workload.
	NamespaceLabel string
	// WorkloadLabel names the label with the workload's name. Series without
	// it are passed over.
	WorkloadLabel string
}

// Check names every field that is wrong. It does not parse the query: the
// dialect is the store's.
func (m Mapping) Check() error {
	var errs []error
	if strings.TrimSpace(m.Query) == "" {
		errs = append(errs, fmt.Errorf("Query %q: want PromQL with one series a workload", m.Query))
	}
	if m.NamespaceLabel != "" && !model.LegacyValidation.IsValidLabelName(m.NamespaceLabel) {
		errs = append(errs, fmt.Errorf("NamespaceLabel %q: want a label's name, or none", m.NamespaceLabel))
	}
	if !model.LegacyValidation.IsValidLabelName(m.WorkloadLabel) {
		errs = append(errs, fmt.Errorf("WorkloadLabel %q: want a label's name", m.WorkloadLabel))
	}
	return errors.Join(errs...)
}

// workload names what a series belongs to; ok is false where its label is
// missing.
func (m Mapping) workload(labels model.Metric) (w forecast.Workload, ok bool) {
	w.Name = string(labels[model.LabelName(m.WorkloadLabel)])
	if m.NamespaceLabel != "" {
		w.Namespace = string(labels[model.LabelName(m.NamespaceLabel)])
	}
	return w, w.Name != ""
}

// Presets are the names that [Client.Preset] knows.
func Presets() []string { return []string{"istio", "linkerd"} }

// preset is the mapping of a mesh. Both count at the receiving side: what
// reached a workload's pods is what they have to carry.
func preset(name string) (Mapping, bool) {
	switch name {
	case "istio":
		return Mapping{
			Query: `sum by (destination_workload_namespace, destination_workload) (` +
				`rate(istio_requests_total{reporter="destination",destination_workload!="unknown"}[$window]))`,
			NamespaceLabel: "destination_workload_namespace",
			WorkloadLabel:  "destination_workload",
		}, true
	case "linkerd":
		return Mapping{
			Query: "sum by (namespace, workload) (" +
				linkerdKind("deployment") + " or " + linkerdKind("statefulset") + ")",
			NamespaceLabel: "namespace",
			WorkloadLabel:  "workload",
		}, true
	}
	return Mapping{}, false
}

// linkerdKind sums by the label that Linkerd's scrape configuration gives pods
// of one kind. Probes of the kubelet are no demand.
func linkerdKind(kind string) string {
	return `label_replace(sum by (namespace, ` + kind + `) (` +
		`rate(request_total{direction="inbound",route_name!="probe",` + kind + `!=""}[$window])), ` +
		`"workload", "$1", "` + kind + `", "(.+)")`
}
