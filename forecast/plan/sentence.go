package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast/replica"
)

// Sentence says in plain English why the decision is what it is, for a reader
// who knows his service and not this code.
func (d Decision) Sentence() string {
	var b strings.Builder
	if d.Policy.TargetPerPod > 0 {
		fmt.Fprintf(&b, "%s for %s req/s", replicas(d.Replicas), rate(d.Value))
	} else {
		fmt.Fprintf(&b, "Ready for %s req/s", rate(d.Value))
	}
	predicted := fmt.Sprintf("with %s %% certainty the load stays below %s req/s for the next %s",
		certainty(d.Level), rate(d.Predicted), age(d.Policy.LeadTime))
	switch {
	case d.Binding == replica.ByForecast && math.IsNaN(d.Observed):
		fmt.Fprintf(&b, ": %s.", predicted)
	case d.Binding == replica.ByForecast:
		fmt.Fprintf(&b, ": %s; now it is %s req/s.", predicted, rate(d.Observed))
	case d.Binding == replica.ByHold:
		fmt.Fprintf(&b, ", what will be needed in %s: %s, and until then the HPA holds the pods it was asked for; now it is %s req/s.",
			age(replica.Stabilisation), predicted, rate(d.Observed))
	case d.Binding == replica.ByMode:
		fmt.Fprintf(&b, ", the load as observed: mode %s keeps the forecast from asking for %s req/s", d.Policy.Mode, rate(d.Planned))
		if d.Policy.TargetPerPod > 0 {
			fmt.Fprintf(&b, " (%s)", strings.ToLower(replicas(d.PlannedReplicas)))
		}
		b.WriteString(".")
	case d.Forecast != nil:
		fmt.Fprintf(&b, ", the load as observed: the forecast peak of the next %s, %s req/s, is not higher.",
			age(d.Policy.LeadTime), rate(d.Predicted))
	default:
		b.WriteString(", the load as observed.")
	}
	if d.Policy.TargetPerPod > 0 {
		fmt.Fprintf(&b, " One pod carries %s req/s.", rate(d.Policy.TargetPerPod))
	}
	switch {
	case d.Forecast == nil:
		fmt.Fprintf(&b, " There is no forecast: %s.", d.Why)
	case d.Rung == RungPrior:
		fmt.Fprintf(&b, " The forecast is that of the network that Foretide brings, which never saw this traffic: %s.", d.Why)
	case d.Rung == RungBaseline:
		fmt.Fprintf(&b, " The forecast is the baseline's (%s): %s.", d.Forecast.By, d.Why)
	}
	if !math.IsNaN(d.Observed) {
		if old := d.At.Sub(d.ObservedAt); old > Fresh {
			fmt.Fprintf(&b, " The load was last observed %s ago.", age(old))
		}
	}
	return b.String()
}

func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return strconv.Itoa(n) + " replicas"
}

// rate shows as many digits as a reader wants of a load.
func rate(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1:
		return trim(v)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// certainty shows a level in percent: two nines more where it is nearly 1.
func certainty(level float64) string {
	if level > 0.99 {
		return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(100*level, 'f', 2, 64), "0"), ".")
	}
	return trim(100 * level)
}

// trim shows one decimal unless it is zero.
func trim(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// age shows a duration to the minute above one, else to the second.
func age(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
