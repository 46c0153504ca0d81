package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/training"
)

// trainReport prints what came of a training.
type trainReport struct {
	training.Report
	store string
}

func (r trainReport) text(w io.Writer) error {
	if err := manifestText(w, r.Version); err != nil {
		return err
	}
	if n := len(r.Unscored); n > 0 {
		fmt.Fprintf(w, "\n%d workloads could not be scored:\n", n)
		for i, u := range r.Unscored {
			if i == 10 {
				fmt.Fprintf(w, "  and %d more\n", n-i)
				break
			}
			fmt.Fprintf(w, "  %s: %s\n", u.Workload, u.Why)
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Reason)
	if !r.Promoted && err == nil {
		_, err = fmt.Fprintf(w, "To use it all the same: foretide models promote %s --store '%s'\n", r.Version.ID, r.store)
	}
	return err
}

// manifestText prints what is known of a version.
func manifestText(w io.Writer, m registry.Manifest) error {
	rows := [][]string{
		{"trained", m.Created.Format(time.RFC3339) + " by foretide " + m.Binary},
		{"data", fmt.Sprintf("%d workloads from %s to %s, %d known minutes, the last %.0f %% held back",
			m.Data.Workloads, m.Data.From.Format("2006-01-02 15:04"), m.Data.To.Format("2006-01-02 15:04"), m.Data.KnownMinutes, 100*m.Data.HeldBack)},
		{"masked", maskedText(m.Data)},
		{"fit", fmt.Sprintf("%d steps in %s with seed %d: %s", m.Training.Steps, seconds(m.Training.Seconds), m.Training.Seed, m.Training.Stopped)},
	}
	if !m.Training.Reproducible {
		rows = append(rows, []string{"", "not reproducible: the clock had a say in it, so the same seed may give other weights"})
	}
	if m.Parent != "" {
		rows = append(rows, []string{"from", m.Parent})
	}
	rows = append(rows, []string{"weights", fmt.Sprintf("%d bytes, SHA-256 %s", m.Weights.Size, m.Weights.SHA256)})
	if err := table(w, []string{"version", m.ID}, rows); err != nil {
		return err
	}
	return scoreboard(w, m.Scores)
}

// maskedText is such as "3 outages, 1 gap in 4 of 44 histories: 1214 minutes".
func maskedText(d registry.Data) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(d.Masked.Spans)) {
		n := d.Masked.Spans[kind]
		if n != 1 && kind != string(mask.Labelled) {
			kind += "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s in %d of %d histories: %d known minutes", strings.Join(parts, ", "), d.Masked.Workloads, d.Workloads, d.Masked.KnownMinutes)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// scoreboard prints scores by range of horizons, the best CRPS first.
func scoreboard(w io.Writer, scores []registry.Score) error {
	if len(scores) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nErrors are ratios to the seasonal naive forecast of one day: below 1 is better than it.\n\n")
	type horizons struct{ from, to int }
	var order []horizons
	by := map[horizons][]registry.Score{}
	for _, s := range scores {
		h := horizons{s.From, s.To}
		if by[h] == nil {
			order = append(order, h)
		}
		by[h] = append(by[h], s)
	}
	var rows [][]string
	for _, h := range order {
		slices.SortStableFunc(by[h], func(a, b registry.Score) int { return cmp.Compare(a.CRPS, b.CRPS) })
		for i, s := range by[h] {
			row := []string{"", s.Forecaster, fmt.Sprintf("%.4f", s.MASE), fmt.Sprintf("%.4f", s.CRPS), fmt.Sprintf("%.2f %%", 100*s.Coverage)}
			if i == 0 {
				row[0] = fmt.Sprintf("%d-%d", h.from, h.to)
			}
			rows = append(rows, row)
		}
	}
	return table(w, []string{"MINUTES AHEAD", "FORECASTER", "MASE", "CRPS", "BELOW q95"}, rows)
}
