package scaler

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

// cartScaler is the ScaledObject that the triggers of these tests belong to.
func cartScaler() forecast.Workload { return shop("cart-scaler") }

func parse(metadata map[string]string) (Trigger, error) {
	return ParseTrigger(cartScaler(), metadata, []string{"istio", "linkerd"})
}

func TestParseTrigger(t *testing.T) {
	f := func(metadata map[string]string, want Trigger) {
		t.Helper()
		want.ScaledObject = cartScaler()
		got, err := parse(metadata)
		if err != nil {
			t.Errorf("%v: %v", metadata, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", metadata, diff)
		}
	}
	policy := func(target, quantile float64, lead time.Duration, mode replica.Mode, threshold float64) replica.Policy {
		return replica.Policy{TargetPerPod: target, Quantile: quantile, LeadTime: lead, Mode: mode, ActivationThreshold: threshold}
	}
	f(map[string]string{"workload": "cart", "targetPerPod": "10"},
		Trigger{Workload: shop("cart"), Policy: policy(10, 0.95, 5*time.Minute, replica.Max, 0)})
	f(map[string]string{
		"workload": "cart", "namespace": "other", "preset": "linkerd", "targetPerPod": "0.5", "quantile": "0.9", "leadTime": "90s",
		"activationThreshold": "2", "mode": "forecast-only",
		"scalerAddress": "foretide:9090", "enableTLS": "true", "unsafeSsl": "false",
	}, Trigger{Workload: forecast.Workload{Namespace: "other", Name: "cart"}, Load: LoadSpec{Preset: "linkerd"},
		Policy: policy(0.5, 0.9, 90*time.Second, replica.ForecastOnly, 2)})
	f(map[string]string{"workload": "cart", "targetPerPod": "10", "query": "sum(rate(x[1m]))"},
		Trigger{Workload: shop("cart"), Load: LoadSpec{Query: "sum(rate(x[1m]))", Workload: shop("cart")}, Policy: policy(10, 0.95, 5*time.Minute, replica.Max, 0)})
	// KEDA looks the value up and leaves the key as it is.
	f(map[string]string{"workload": "cart", "targetPerPodFromEnv": "10", "scalerAddressFromEnv": "foretide:9090"},
		Trigger{Workload: shop("cart"), Policy: policy(10, 0.95, 5*time.Minute, replica.Max, 0)})
}

// TestParseTriggerNamesEveryBadField: each message once, all at once.
func TestParseTriggerNamesEveryBadField(t *testing.T) {
	f := func(metadata map[string]string, want ...string) {
		t.Helper()
		_, err := parse(metadata)
		if err == nil {
			t.Errorf("%v: no error", metadata)
			return
		}
		got := strings.Split(strings.TrimPrefix(err.Error(), "trigger of ScaledObject shop/cart-scaler: "), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", metadata, diff)
		}
	}
	const perPod = "targetPerPod 0: want the requests per second one pod carries, above 0"
	f(nil,
		`workload "": want the name of the workload whose load scales this one`,
		perPod)
	f(map[string]string{"workload": "Cart!", "namespace": "-x", "preset": "itsio", "targetPerPod": "ten", "quantile": "1", "leadTime": "5", "mode": "maximum", "activationThreshold": "-1"},
		`namespace "-x": want a Kubernetes name: lower case letters, digits, '-' and '.'`,
		`workload "Cart!": want a Kubernetes name: lower case letters, digits, '-' and '.'`,
		`preset "itsio": want one of istio, linkerd`,
		`targetPerPod "ten": want a number such as 0.95 or 100`,
		`leadTime "5": want a duration such as 90s or 5m`,
		"quantile 1: want from 0.5 to 0.99",
		`mode "maximum": want "max" or "forecast-only"`,
		"activationThreshold -1: want 0 or more requests per second")
	f(map[string]string{"workload": "cart", "targetPerPod": "NaN", "leadTime": "2h", "quantile": "inf"},
		`targetPerPod "NaN": want a number such as 0.95 or 100`,
		`quantile "inf": want a number such as 0.95 or 100`,
		"leadTime 2h0m0s: want from 1m0s to 45m0s")
	f(map[string]string{"workload": "cart", "targetPerPod": "0.0001"},
		`targetPerPod "0.0001": want from 0.001 to 1e+09 requests per second`)
	f(map[string]string{"workload": "cart", "targetPerPod": "1", "leadtime": "5m", "target-per-pod": "1", "colour": "blue", "threshold": "1"},
		"colour: no such key; want workload, namespace, preset, query, targetPerPod, quantile, leadTime, activationThreshold, mode",
		"leadtime: no such key; did you mean leadTime?",
		"target-per-pod: no such key; did you mean targetPerPod?",
		"threshold: no such key; want workload, namespace, preset, query, targetPerPod, quantile, leadTime, activationThreshold, mode")
	f(map[string]string{"workload": "cart", "targetPerPod": "1", "query": " ", "preset": "istio"},
		`query " ": want no query beside a preset: give one of the two`,
		`query " ": want PromQL of at most 8192 characters`)
	f(map[string]string{"workload": "cart", "workloadFromEnv": "pay", "targetPerPod": "1"},
		"workloadFromEnv: want it or workload, not both")
	// A secret has no place in metadata, and none in a message.
	f(map[string]string{"workload": "cart", "targetPerPod": "1", "tlsClientKey": "hush"},
		"tlsClientKey: want it in a TriggerAuthentication, which KEDA keeps to itself, and not in the metadata")
	if _, err := ParseTrigger(forecast.Workload{Name: "a\nb"}, map[string]string{"workload": "cart", "namespace": "shop", "targetPerPod": "1"}, nil); err == nil {
		t.Error("a ScaledObject without a namespace: no error")
	}
}

// FuzzParseTrigger: whatever a stranger writes, there is an error or a trigger
// that can be acted on, and its metric's name can stand in a URL.
func FuzzParseTrigger(f *testing.F) {
	f.Add("cart-scaler", "workload", "cart", "targetPerPod", "10", "leadTime", "5m")
	f.Add("a", "workload", "a.b-c", "targetPerPodFromEnv", "1e3", "query", "sum(rate(x[1m]))")
	f.Add("a", "quantile", "0x1p-1", "mode", "forecast-only", "activationThreshold", "-0")
	f.Add("\xff", "tlsClientKey", "hush", "\x00", "NaN", "preset", "istio")
	f.Fuzz(func(t *testing.T, object, k1, v1, k2, v2, k3, v3 string) {
		metadata := map[string]string{"workload": "cart", "targetPerPod": "10"}
		maps.Copy(metadata, map[string]string{k1: v1, k2: v2, k3: v3})
		w := forecast.Workload{Namespace: "shop", Name: object}
		got, err := ParseTrigger(w, metadata, []string{"istio"})
		again, err2 := ParseTrigger(w, metadata, []string{"istio"})
		if got != again || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("two readings differ: %+v, %v and %+v, %v", got, err, again, err2)
		}
		if err != nil {
			if got != (Trigger{}) || strings.Contains(err.Error(), "hush") {
				t.Fatalf("trigger %+v with error %v", got, err)
			}
			return
		}
		if err := got.Policy.Check(); err != nil {
			t.Fatalf("policy of %v: %v", metadata, err)
		}
		if v := got.Policy.TargetPerPod; int64(math.Ceil(v)) < 1 || int64(math.Ceil(v*1000)) < 1 {
			t.Fatalf("target per pod %v reads as zero in thousandths", v)
		}
		name := got.MetricName()
		if name != strings.ToLower(name) || strings.ContainsAny(name, " /?#%\n") || len(name) > 600 {
			t.Fatalf("metric name %q", name)
		}
	})
}
