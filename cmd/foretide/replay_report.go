package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

// replayReport is what a replay found.
type replayReport struct {
	// Model is the version of the weights.
	Model string `json:"model"`
	// Startup is how long a pod takes, and ShortMinute or Quantile the risk.
	Startup     string  `json:"startup"`
	ShortMinute float64 `json:"shortMinute,omitempty"`
	Quantile    float64 `json:"quantile,omitempty"`
	// Ways are all windows together: means, but for the sums of pod-hours, and
	// geometric means of ratios.
	Ways []replayWay `json:"ways"`
	// Reactive compares with the reactive trigger that was tuned for each
	// window.
	Reactive replayMatch    `json:"reactive"`
	Windows  []replayWindow `json:"windows"`
	// LeftOut are the series that there was no window to choose of, and why.
	LeftOut []backtest.Dropped `json:"leftOut,omitempty"`

	from time.Time // when it was made
}

// replayWay is what came of a way to scale.
type replayWay struct {
	Way string `json:"way"`
	// ShortPercent is the share of minutes that were short, and UnservedPercent
	// that of requests that there was no pod for.
	ShortPercent    float64 `json:"shortPercent"`
	UnservedPercent float64 `json:"unservedPercent"`
	PodHours        float64 `json:"podHours"`
	// OverOracle is how much of the oracle's pod-hours that is: the regret is
	// what it is above 1.
	OverOracle    float64 `json:"overOracle"`
	ChangesPerDay float64 `json:"changesPerDay"`
	// Utilisation is what a reactive trigger aims at.
	Utilisation float64 `json:"utilisation,omitempty"`
}

// replayMatch is Foretide's pod-hours over the tuned reactive trigger's.
type replayMatch struct {
	GeometricMean float64 `json:"geometricMean"`
	Median        float64 `json:"median"`
	// Cheaper is in how many windows it takes fewer, and OutOfReach in how many
	// no reactive target is short in as few minutes.
	Cheaper    int `json:"cheaper"`
	OutOfReach int `json:"outOfReach"`
}

// replayWindow is one window.
type replayWindow struct {
	Series string    `json:"series"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	// PerPod is what a pod carries, in requests per second.
	PerPod float64     `json:"perPod"`
	Ways   []replayWay `json:"ways"`
	// OverReactive is Foretide's pod-hours over the tuned reactive trigger's,
	// which is out of reach if none is short in as few minutes.
	OverReactive float64 `json:"overReactive"`
	OutOfReach   bool    `json:"outOfReach,omitempty"`

	load           []float64
	ours, reactive backtest.Course
}

// The ways in the order of a report.
const (
	wayForetide = iota
	wayReactive
	wayReactive70
	waySeasonal
	wayOracle
	numWays
)

// customary is the utilisation of a reactive trigger that nobody tuned.
const customary = 0.7

func (r *replayReport) add(w backtest.Window, ours backtest.Course, rivals rivals) {
	tuned, ok := backtest.Match(rivals.reactive, ours.Short)
	usual := rivals.reactive[slices.IndexFunc(rivals.reactive, func(x backtest.Tuned) bool { return x.Utilisation == customary })]
	seasonal, _ := backtest.Match(rivals.seasonal, ours.Short)
	x := replayWindow{
		Series: w.History.Workload.String(), From: w.From, To: w.To, PerPod: w.PerPod, OutOfReach: !ok,
		OverReactive: ours.PodHours / tuned.PodHours, ours: ours, reactive: tuned.Course, load: w.Load().Values,
	}
	way := func(name string, c backtest.Course, utilisation float64) {
		days := float64(c.Minutes) / (24 * 60)
		x.Ways = append(x.Ways, replayWay{
			Way: name, ShortPercent: 100 * float64(c.Short) / float64(c.Minutes), UnservedPercent: 100 * c.Unserved / max(c.Offered, 1e-9),
			PodHours: c.PodHours, OverOracle: c.PodHours / rivals.oracle.PodHours, ChangesPerDay: float64(c.Events) / days, Utilisation: utilisation,
		})
	}
	way("foretide", ours, 0)
	way("reactive, tuned", tuned.Course, tuned.Utilisation)
	way(fmt.Sprintf("reactive at %.0f %%", 100*customary), usual.Course, customary)
	way("with the day before, tuned", seasonal.Course, seasonal.Utilisation)
	way("oracle", rivals.oracle, 0)
	r.Windows = append(r.Windows, x)
}

// sum makes the figures of all windows.
func (r *replayReport) sum() {
	n := float64(len(r.Windows))
	r.Ways = make([]replayWay, numWays)
	var over []float64
	for _, w := range r.Windows {
		for i, x := range w.Ways {
			s := &r.Ways[i]
			s.Way = x.Way
			s.ShortPercent += x.ShortPercent / n
			s.UnservedPercent += x.UnservedPercent / n
			s.PodHours += x.PodHours
			s.OverOracle += math.Log(x.OverOracle) / n
			s.ChangesPerDay += x.ChangesPerDay / n
		}
		over = append(over, w.OverReactive)
		r.Reactive.GeometricMean += math.Log(w.OverReactive) / n
		if w.OverReactive < 1 {
			r.Reactive.Cheaper++
		}
		if w.OutOfReach {
			r.Reactive.OutOfReach++
		}
	}
	for i := range r.Ways {
		r.Ways[i].OverOracle = math.Exp(r.Ways[i].OverOracle)
	}
	r.Ways[wayReactive70].Utilisation = customary
	r.Reactive.GeometricMean = math.Exp(r.Reactive.GeometricMean)
	slices.Sort(over)
	r.Reactive.Median = (over[(len(over)-1)/2] + over[len(over)/2]) / 2
}

// text prints a table of all windows together, and one of each.
func (r replayReport) text(w io.Writer) error {
	minutes := 0
	for _, x := range r.Windows {
		minutes += int(x.To.Sub(x.From) / forecast.Step)
	}
	fmt.Fprintf(w, "lstm %s: %d windows, %d minutes, a pod takes %s, %s\n\n", r.Model, len(r.Windows), minutes, r.Startup, r.risk())
	var rows [][]string
	for _, x := range r.Ways {
		rows = append(rows, []string{x.Way, short(x.ShortPercent), short(x.UnservedPercent), fmt.Sprintf("%.0f", x.PodHours), fmt.Sprintf("%.3f", x.OverOracle), fmt.Sprintf("%.0f", x.ChangesPerDay)})
	}
	if err := table(w, []string{"WAY", "SHORT MINUTES", "UNSERVED", "POD-HOURS", "OF THE ORACLE'S", "CHANGES A DAY"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nAgainst a reactive trigger tuned for each window: %.3f of its pods (median %.3f), cheaper in %d of %d windows",
		r.Reactive.GeometricMean, r.Reactive.Median, r.Reactive.Cheaper, len(r.Windows))
	if r.Reactive.OutOfReach > 0 {
		fmt.Fprintf(w, "; in %d no target is short in as few minutes", r.Reactive.OutOfReach)
	}
	fmt.Fprint(w, ".\n\n")
	rows = nil
	windows := slices.Clone(r.Windows)
	slices.SortStableFunc(windows, func(a, b replayWindow) int { return cmp.Compare(a.Series, b.Series) })
	for _, x := range windows {
		ours, tuned := x.Ways[wayForetide], x.Ways[wayReactive]
		rows = append(rows, []string{x.Series, short(ours.ShortPercent), fmt.Sprintf("%.3f", ours.OverOracle),
			short(tuned.ShortPercent), fmt.Sprintf("%.3f", tuned.OverOracle), strconv.FormatFloat(tuned.Utilisation, 'g', 2, 64), fmt.Sprintf("%.3f", x.OverReactive)})
	}
	if err := table(w, []string{"SERIES", "SHORT", "OF ORACLE'S", "REACTIVE SHORT", "OF ORACLE'S", "TUNED TO", "OURS OF REACTIVE'S"}, rows); err != nil {
		return err
	}
	for _, d := range r.LeftOut {
		if _, err := fmt.Fprintf(w, "left out: %s: %s\n", d.Series, d.Why); err != nil {
			return err
		}
	}
	return nil
}

// risk says what the decisions go by.
func (r replayReport) risk() string {
	if r.Quantile > 0 {
		return fmt.Sprintf("ready for the %v quantile of the peak", r.Quantile)
	}
	return fmt.Sprintf("a short minute costs %v minutes of a pod", r.ShortMinute)
}

func short(percent float64) string { return strconv.FormatFloat(percent, 'f', 2, 64) + " %" }
