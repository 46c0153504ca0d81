package scaler

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretide/foretide/forecast"
)

// loopMetrics are what the loop counts, and a collector of the newest snapshot.
type loopMetrics struct {
	loop      *Loop
	errors    *prometheus.CounterVec
	forecasts *prometheus.CounterVec
	duration  *prometheus.HistogramVec

	predicted, planned, observed, value         *prometheus.Desc
	replicas, plannedReplicas, age              *prometheus.Desc
	modelInfo, modelAge, modelFailed            *prometheus.Desc
	sourceFailed, sourceAge, workloads, leftOut *prometheus.Desc
	undecided, stepAge                          *prometheus.Desc
	coverage, pinball, weight                   *prometheus.Desc
	calibrations, stateAge                      *prometheus.Desc
}

// newLoopMetrics registers the metrics of l with reg, which may be nil.
func newLoopMetrics(l *Loop, reg prometheus.Registerer) (*loopMetrics, error) {
	one := []string{"namespace", "workload", "scaled_object", "metric"}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("foretide_"+name, help, labels, nil)
	}
	m := &loopMetrics{
		loop: l,
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foretide_step_errors_total", Help: "Steps in which a source could not be read, one a source, or what is learned could not be saved.",
		}, []string{"phase"}),
		forecasts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foretide_forecasts_total", Help: "Forecasts made, by the rung of the ladder that made them.",
		}, []string{"rung"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "foretide_step_duration_seconds", Help: "How long a phase of a step took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 11),
		}, []string{"phase"}),
		predicted:       desc("forecast_rate", "Quantile of the peak rate over the lead window, in requests per second.", one...),
		planned:         desc("planned_rate", "What mode max answers KEDA with, in requests per second.", one...),
		value:           desc("answered_rate", "What KEDA is answered with, in requests per second.", one...),
		observed:        desc("observed_rate", "The newest known rate, in requests per second.", one...),
		replicas:        desc("replicas", "Pods that the answer asks for, before the ScaledObject's bounds.", one...),
		plannedReplicas: desc("planned_replicas", "Pods that mode max asks for, before the ScaledObject's bounds.", one...),
		age:             desc("staleness_seconds", "Age of the newest known rate.", one...),
		undecided:       desc("undecided", "1 for a workload that a decision is missing for; KEDA is answered with an error.", "namespace", "workload"),
		modelInfo:       desc("model_info", "1 for the version of the weights that serves.", "version"),
		modelAge:        desc("model_age_seconds", "Time since the weights that serve were trained; none for the prior."),
		modelFailed:     desc("model_failed", "1 if no trained model serves, or not the newest champion."),
		sourceFailed:    desc("source_failed", "1 if the newest step could not read the metrics store."),
		sourceAge:       desc("source_age_seconds", "Time since the metrics store last answered."),
		stepAge:         desc("step_age_seconds", "Time since the last step."),
		workloads:       desc("workloads", "Workloads that are looked at."),
		coverage:        desc("forecast_coverage_ratio", "Share of rates of about the last day at or below the quantile forecast for them.", "namespace", "workload", "level"),
		pinball:         desc("forecast_pinball_loss", "Quantile loss of forecasts of about the last day, averaged over the levels, in requests per second.", "namespace", "workload", "minutes_ahead"),
		weight:          desc("forecast_expert_weight_ratio", "Weight that an expert has in the forecasts.", "namespace", "workload", "minutes_ahead", "expert"),
		calibrations:    desc("calibrations", "Workloads by where the calibration of their forecasts comes from: restored from what was saved, or relearned from history; relearning is not in use yet.", "state"),
		stateAge:        desc("state_age_seconds", "Time since the calibrations were last saved."),
		leftOut:         desc("workloads_left_out", "Workloads beyond the bound, which are not looked at."),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m), reg.Register(m.errors), reg.Register(m.forecasts), reg.Register(m.duration))
}

// time measures until the function that it gives is called.
func (m *loopMetrics) time(phase string) func() {
	began := m.loop.o.Now()
	return func() { m.duration.WithLabelValues(phase).Observe(m.loop.o.Now().Sub(began).Seconds()) }
}

// Describe gives no descriptions: which workloads there are is not known yet.
func (m *loopMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the newest snapshot.
func (m *loopMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.loop.Snapshot()
	if s == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		if !math.IsNaN(v) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
		}
	}
	flag := func(on bool) float64 {
		if on {
			return 1
		}
		return 0
	}
	now := m.loop.o.Now()
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return math.NaN()
		}
		return now.Sub(t).Seconds()
	}
	gauge(m.stepAge, since(s.At))
	gauge(m.workloads, float64(len(s.Workloads)))
	gauge(m.leftOut, float64(s.Source.LeftOut))
	gauge(m.sourceFailed, flag(s.Source.Err != ""))
	gauge(m.sourceAge, since(s.Source.Answered))
	gauge(m.modelFailed, flag(s.Model.Err != ""))
	if s.Model.Version != "" {
		gauge(m.modelInfo, 1, s.Model.Version)
	}
	if !s.Model.Trained.IsZero() {
		gauge(m.modelAge, since(s.Model.Trained))
	}
	undecided := map[[2]string]float64{} // a workload may be read from two sources
	for _, w := range s.Workloads {
		name := [2]string{w.Workload.Namespace, w.Workload.Name}
		undecided[name] = max(undecided[name], flag(w.Err != ""))
		for _, d := range w.Decisions {
			object := d.ScaledObject.Name
			if object != "" {
				object = d.ScaledObject.String()
			}
			labels := []string{w.Workload.Namespace, w.Workload.Name, object, d.Metric}
			gauge(m.predicted, d.Predicted, labels...)
			gauge(m.planned, d.Planned, labels...)
			gauge(m.value, d.Value, labels...)
			gauge(m.observed, d.Observed, labels...)
			gauge(m.age, since(d.ObservedAt), labels...)
			if d.Policy.TargetPerPod > 0 {
				gauge(m.replicas, float64(d.Replicas), labels...)
				gauge(m.plannedReplicas, float64(d.PlannedReplicas), labels...)
			}
		}
	}
	m.calibration(s, gauge)
	gauge(m.stateAge, since(s.Calibrations.Saved))
	for name, v := range undecided {
		gauge(m.undecided, v, name[0], name[1])
	}
}

// calibration gives where calibrations are from, and how forecasts did. A workload that is read from two sources
// counts once, as the one that sorts first.
func (m *loopMetrics) calibration(s *Snapshot, gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	if m.loop.o.Calibrate {
		gauge(m.calibrations, float64(s.Calibrations.Restored), "restored")
		gauge(m.calibrations, float64(s.Calibrations.Relearned), "relearned")
		gauge(m.calibrations, float64(s.Calibrations.Relearning), "relearning")
	}
	var before forecast.Workload
	for _, w := range s.Workloads {
		r := w.Calibration
		if r == nil || w.Workload == before {
			continue
		}
		before = w.Workload
		namespace, name := w.Workload.Namespace, w.Workload.Name
		for j, level := range forecast.Levels() {
			gauge(m.coverage, r.Coverage(j), namespace, name, strconv.FormatFloat(level, 'g', -1, 64))
		}
		for _, b := range r.Buckets {
			gauge(m.pinball, b.Given, namespace, name, b.Bucket)
			for k, weight := range b.Weights {
				gauge(m.weight, weight, namespace, name, b.Bucket, r.Experts[k])
			}
		}
	}
}
