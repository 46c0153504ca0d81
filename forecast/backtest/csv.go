package backtest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

// perMinute turns a rate into what trace files hold: load a minute.
const perMinute = float64(forecast.Step / time.Second)

// Table writes forecasts as lines of a CSV file, in load a minute as the trace
// files have it. It is buffered: call Flush at the end.
type Table struct {
	w    *bufio.Writer
	line []byte
	rows func(t *Table, prefix string, f forecast.Forecast)
}

// NewForecasts is the table of every step:
// series,origin_unix,horizon_min,q10,q25,q50,q75,q90,q95,q99.
func NewForecasts(w io.Writer) *Table {
	header := "series,origin_unix,horizon_min"
	for _, level := range forecast.Levels() {
		header += fmt.Sprintf(",q%.0f", 100*level)
	}
	return newTable(w, header, func(t *Table, prefix string, f forecast.Forecast) {
		for i, q := range f.Steps {
			t.row(prefix, i+1, q[:]...)
		}
	})
}

// NewPeaks is the table of the 0.95 quantile of the largest rate in each of
// [accuracy.Windows]: series,origin_unix,window_min,q95.
func NewPeaks(w io.Writer) *Table {
	return newTable(w, "series,origin_unix,window_min,q95", func(t *Table, prefix string, f forecast.Forecast) {
		for _, window := range accuracy.Windows() {
			t.row(prefix, window, f.Peaks[window-1][accuracy.PeakLevel])
		}
	})
}

func newTable(w io.Writer, header string, rows func(*Table, string, forecast.Forecast)) *Table {
	t := &Table{w: bufio.NewWriterSize(w, 1<<16), rows: rows}
	t.w.WriteString(header + "\n") // an error stays with the writer until Flush
	return t
}

// Add writes the lines of f. An error of the writer beneath may come with a
// later call, or with Flush.
func (t *Table) Add(f forecast.Forecast) error {
	series := f.Workload.String()
	if strings.ContainsAny(series, "\",\n\r") {
		series = `"` + strings.ReplaceAll(series, `"`, `""`) + `"`
	}
	t.rows(t, series+","+strconv.FormatInt(f.Origin.Unix(), 10)+",", f)
	_, err := t.w.Write(nil)
	return err
}

// digits is how many significant ones a rate has in a file: more than any
// forecast has.
const digits = 7

// asWritten rounds f to what a file says of it, in place. What is scored here
// is then what anybody else scores from the file, which shows where a series
// repeats itself to the digit and a forecast is all but exact.
func asWritten(f forecast.Forecast) {
	var text []byte
	for _, rows := range [][]forecast.Quantiles{f.Steps, f.Peaks} {
		for i := range rows {
			for j, v := range rows[i] {
				text = strconv.AppendFloat(text[:0], v*perMinute, 'g', digits, 64)
				if v, err := strconv.ParseFloat(string(text), 64); err == nil {
					rows[i][j] = v / perMinute
				}
			}
		}
	}
}

func (t *Table) row(prefix string, n int, rates ...float64) {
	t.line = strconv.AppendInt(append(t.line[:0], prefix...), int64(n), 10)
	for _, v := range rates {
		t.line = strconv.AppendFloat(append(t.line, ','), v*perMinute, 'g', digits, 64)
	}
	t.w.Write(append(t.line, '\n'))
}

// Flush writes what is buffered; without it lines are missing.
func (t *Table) Flush() error { return t.w.Flush() }
