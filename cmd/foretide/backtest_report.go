package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/backtest"
)

// backtestReport is what a backtest found.
type backtestReport struct {
	// Model is the version of the weights, left out for a baseline.
	Model string `json:"model,omitempty"`
	// Results has the forecaster that was asked for first, and after it the
	// baselines on the same origins.
	Results []backtest.Result `json:"results"`
	// LeftOut are the series that had no origins to choose, and why.
	LeftOut []backtest.Dropped `json:"leftOut,omitempty"`
}

// text prints a table for each range of horizons, and one for the peaks.
func (r backtestReport) text(w io.Writer) error {
	first := r.Results[0]
	name := first.Forecaster
	if r.Model != "" {
		name += " " + r.Model
	}
	fmt.Fprintf(w, "%s: %d series, %d forecasts\n", name, len(first.Series), first.Forecasts)
	fmt.Fprintf(w, "Errors are ratios to the seasonal naive forecast of one day: below 1 is better than it.\n\n")

	header := []string{"MINUTES AHEAD", "FORECASTER", "MASE", "CRPS"}
	for _, c := range first.Overall.Horizons[0].Coverage {
		header = append(header, fmt.Sprintf("BELOW q%.0f", 100*c.Level))
	}
	var rows [][]string
	for b, bucket := range accuracy.Buckets() {
		for i, result := range r.Results {
			s := result.Overall.Horizons[b]
			row := []string{"", result.Forecaster, ratio(s.MASERatio), ratio(s.CRPSRatio)}
			if i == 0 {
				row[0] = bucket.Name
			}
			for _, c := range s.Coverage {
				row = append(row, percent(c.Share))
			}
			rows = append(rows, row)
		}
	}
	if err := table(w, header, rows); err != nil {
		return err
	}
	rows = nil
	for k, window := range accuracy.Windows() {
		for i, result := range r.Results {
			s := result.Overall.Peaks[k]
			row := []string{"", result.Forecaster, ratio(s.Ratio), percent(s.Covered)}
			if i == 0 {
				row[0] = "next " + strconv.Itoa(window) + " min"
			}
			rows = append(rows, row)
		}
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"LARGEST OF", "FORECASTER", "LOSS OF q95", "BELOW q95"}, rows); err != nil {
		return err
	}
	for _, d := range slices.Concat(r.LeftOut, first.Dropped) {
		if _, err := fmt.Fprintf(w, "left out: %s: %s\n", d.Series, d.Why); err != nil {
			return err
		}
	}
	return nil
}

func ratio(f accuracy.Figure) string   { return strconv.FormatFloat(float64(f), 'f', 4, 64) }
func percent(f accuracy.Figure) string { return strconv.FormatFloat(100*float64(f), 'f', 2, 64) + " %" }
