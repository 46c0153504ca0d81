package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/foretide/foretide/forecast/accuracy"
)

// demoSummary is what a demo ends with.
type demoSummary struct {
	// From and To are the simulated time that was played.
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Model string    `json:"model"`
	// Answers is how many times the gRPC server was asked for a metric, and
	// Errors how many of those it answered with an error.
	Answers  int             `json:"answers"`
	Errors   int             `json:"errors"`
	Services []demoRow       `json:"services"`
	Total    demoRow         `json:"total"`
	AsDear   *demoEqualPrice `json:"reactiveAtEqualPodHours,omitempty"`
	Verdict  string          `json:"verdict"`
}

// demoRow is one service's score, or that of all.
type demoRow struct {
	Service  string    `json:"service"`
	Minutes  int       `json:"minutes"`
	Ours     demoCosts `json:"foretide"`
	Reactive demoCosts `json:"reactive"`
	// Error is the error of the forecasts' median by that of seasonal naive,
	// and Coverage the share of minutes at or below their 0.95 quantile; null
	// where too little was played to tell.
	Error    accuracy.Figure `json:"maseRatio"`
	Coverage accuracy.Figure `json:"coverage95"`
}

// demoCosts are what one way of scaling cost.
type demoCosts struct {
	ShortMinutes int     `json:"shortMinutes"`
	PodHours     float64 `json:"podHours"`
}

// demoEqualPrice is the reactive HPA with its target lowered until it spends as
// many pod-hours as Foretide did.
type demoEqualPrice struct {
	// Utilisation is that target by what a pod carries.
	Utilisation float64 `json:"utilisation"`
	demoCosts
}

// add takes a service's row into the totals; the figures of forecasts are
// means over services and not added here.
func (r *demoRow) add(o demoRow) {
	r.Minutes += o.Minutes
	r.Ours.ShortMinutes += o.Ours.ShortMinutes
	r.Ours.PodHours += o.Ours.PodHours
	r.Reactive.ShortMinutes += o.Reactive.ShortMinutes
	r.Reactive.PodHours += o.Reactive.PodHours
}

// text is the summary for people.
func (s demoSummary) text(w io.Writer) error {
	fmt.Fprintf(w, "Played %s of %s with model %s; KEDA's client was answered %d times, %d times with an error.\n\n",
		spoken(s.To.Sub(s.From)), s.From.Format("Monday, 2 January"), s.Model, s.Answers, s.Errors)
	rows := make([][]string, 0, len(s.Services)+1)
	for _, r := range append(s.Services, s.Total) {
		rows = append(rows, []string{
			r.Service,
			strconv.Itoa(r.Ours.ShortMinutes), strconv.Itoa(r.Reactive.ShortMinutes),
			fmt.Sprintf("%.1f", r.Ours.PodHours), fmt.Sprintf("%.1f", r.Reactive.PodHours),
			figure(r.Error, "%.2f", 1), figure(r.Coverage, "%.1f %%", 100),
		})
	}
	err := table(w, []string{
		"service", "short minutes", "reactive", "pod-hours", "reactive", "error / naive", "under p95",
	}, rows)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%s\n", s.Verdict)
	return err
}

// figure is f for people: a dash where it is not known.
func figure(f accuracy.Figure, format string, times float64) string {
	if v := float64(f); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return fmt.Sprintf(format, v*times)
	}
	return "-"
}

// verdict says in words what the totals say in numbers, to whichever side.
func (s demoSummary) verdict() string {
	t := s.Total
	if t.Minutes == 0 {
		return "Nothing was played, so there is nothing to compare."
	}
	ours, theirs := t.Ours, t.Reactive
	text := fmt.Sprintf("At the same target per pod, Foretide was short of pods in %s and the reactive HPA in %s, with %s pod-hours.",
		minutes(ours.ShortMinutes), minutes(theirs.ShortMinutes), compared(ours.PodHours, theirs.PodHours))
	if e := s.AsDear; e != nil {
		text += fmt.Sprintf("\nA reactive HPA that spends those pod-hours too (target at %.0f %% of what a pod carries) is short in %s.",
			100*e.Utilisation, minutes(e.ShortMinutes))
	}
	return text
}

func minutes(n int) string {
	if n == 1 {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", n)
}

// compared is a against b in words.
func compared(a, b float64) string {
	percent := 100 * (a/b - 1)
	switch {
	case math.IsNaN(percent) || math.IsInf(percent, 0), math.Abs(percent) < 0.05:
		return "as many"
	case percent > 0:
		return fmt.Sprintf("%.1f %% more", percent)
	default:
		return fmt.Sprintf("%.1f %% fewer", -percent)
	}
}

// spoken is a duration without the parts that say nothing.
func spoken(d time.Duration) string {
	d = d.Round(time.Minute)
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case h == 0:
		return fmt.Sprintf("%d min", m)
	case m == 0:
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %d min", h, m)
}
