package scaler

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := newStore(map[string]float64{"cart": 40})
	r := newRig(t, s, func(o *Options) { tenfold(o); o.Registerer = reg })
	check := func(want string, names ...string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
	}
	check("", "foretide_workloads") // before the first step
	_ = r.at(t, 0)
	// Two triggers in one ScaledObject on one workload are two series each.
	for _, target := range []string{"10", "20"} {
		if _, err := metricOf(t, r, ref("cart", "targetPerPod", target, "mode", "forecast-only")); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = metricOf(t, r, ref("nobody"))
	r.clock.Store(noon.Add(5 * time.Second).UnixNano())
	names := map[string]string{}
	for _, d := range state(t, r.Snapshot(), "cart").Decisions {
		names[d.Metric] = d.Metric
	}
	if len(names) != 2 {
		t.Fatalf("metrics of %v, want two", names)
	}
	check(`
# HELP foretide_model_failed 1 if no trained model serves, or not the newest champion.
# TYPE foretide_model_failed gauge
foretide_model_failed 0
# HELP foretide_model_info 1 for the version of the weights that serves.
# TYPE foretide_model_info gauge
foretide_model_info{version="v1"} 1
# HELP foretide_step_age_seconds Time since the last step.
# TYPE foretide_step_age_seconds gauge
foretide_step_age_seconds 5
# HELP foretide_undecided 1 for a workload that a decision is missing for; KEDA is answered with an error.
# TYPE foretide_undecided gauge
foretide_undecided{namespace="shop",workload="cart"} 0
foretide_undecided{namespace="shop",workload="nobody"} 1
# HELP foretide_workloads Workloads that are looked at.
# TYPE foretide_workloads gauge
foretide_workloads 2
# HELP foretide_forecasts_total Forecasts made, by the rung of the ladder that made them.
# TYPE foretide_forecasts_total counter
foretide_forecasts_total{rung="network"} 1
`, "foretide_model_failed", "foretide_model_info", "foretide_step_age_seconds", "foretide_undecided", "foretide_workloads", "foretide_forecasts_total")
	for name, want := range map[string]int{
		"foretide_forecast_rate": 2, "foretide_observed_rate": 2, "foretide_answered_rate": 2, "foretide_planned_rate": 2,
		"foretide_replicas": 2, "foretide_planned_replicas": 2, "foretide_staleness_seconds": 2, "foretide_step_duration_seconds": 2,
	} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != want {
			t.Errorf("%s: %d series, %v; want %d", name, n, err, want)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
