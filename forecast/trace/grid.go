package trace

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// minute is the grid's step in seconds.
const minute = int64(forecast.Step / time.Second)

// grid puts the rows on a grid of minutes, and finds what of it is labelled. It
// sorts them in place.
func grid(rows []row) (forecast.Series, []forecast.Interval, error) {
	// A stable order keeps rows of one time in the file's order, so that
	// dropping all but the last of them lets the last one win.
	if !slices.IsSortedFunc(rows, byTime) {
		slices.SortStableFunc(rows, byTime)
	}
	rows = lastOfEach(rows)
	step := commonStep(rows)
	if step%minute != 0 && minute%step != 0 {
		return forecast.Series{}, nil, fmt.Errorf("most rows are %d s apart: want a divisor or a multiple of %d s", step, minute)
	}
	first, last := rows[0].unix, rows[len(rows)-1].unix
	span := (last-first)/minute + 1 + max(step/minute, 1)
	if span > MaxSteps {
		return forecast.Series{}, nil, fmt.Errorf("time stamps from %d to %d: want at most %d minutes in one file", first, last, MaxSteps)
	}
	var values []float64
	if step < minute {
		values = gather(rows, step)
	} else {
		values = spread(rows, step)
	}
	if !slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) }) {
		return forecast.Series{}, nil, errors.New("no value is known: want at least one")
	}
	series := forecast.Series{Start: time.Unix(first, 0).UTC(), Values: values}
	return series, labelled(series, rows, step), nil
}

// labelled are the minutes of the rows that are marked.
func labelled(s forecast.Series, rows []row, step int64) []forecast.Interval {
	place := nearest
	if step < minute {
		place = holding
	}
	var all []forecast.Interval
	for _, x := range rows {
		if !x.marked {
			continue
		}
		i := place(rows, x)
		from, to := s.Time(i), s.Time(i+int(max(step/minute, 1)))
		if n := len(all); n > 0 && !from.After(all[n-1].To) {
			all[n-1].To = to
			continue
		}
		all = append(all, forecast.Interval{From: from, To: to})
	}
	return all
}

// nearest is the minute whose beginning is nearest to that of x, one of rows.
func nearest(rows []row, x row) int {
	return int(math.RoundToEven(float64(x.unix-rows[0].unix) / float64(minute)))
}

// holding is the minute that x begins in.
func holding(rows []row, x row) int { return int((x.unix - rows[0].unix) / minute) }

func byTime(a, b row) int { return cmp.Compare(a.unix, b.unix) }

// lastOfEach keeps the last row of each time. rows is sorted.
func lastOfEach(rows []row) []row {
	n := 0
	for i, x := range rows {
		if i+1 < len(rows) && rows[i+1].unix == x.unix {
			continue
		}
		rows[n] = x
		n++
	}
	return rows[:n]
}

// commonStep is the most common distance of two rows in seconds, the smallest
// of several that are equally common. It is a minute where there is one row.
func commonStep(rows []row) int64 {
	if len(rows) == 1 {
		return minute
	}
	gaps := make([]int64, len(rows)-1)
	for i := range gaps {
		gaps[i] = rows[i+1].unix - rows[i].unix
	}
	slices.Sort(gaps)
	var step int64
	most, run := 0, 0
	for i, g := range gaps {
		if i > 0 && g != gaps[i-1] {
			run = 0
		}
		if run++; run > most {
			step, most = g, run
		}
	}
	return step
}

// spread gives each row the minutes of its step, from the minute nearest to its
// time on: all of them the row's mean rate. Where steps overlap, the later row
// has it.
func spread(rows []row, step int64) []float64 {
	width := int(step / minute)
	values := missing(nearest(rows, rows[len(rows)-1]) + width)
	for _, x := range rows {
		i := nearest(rows, x)
		for j := range width {
			values[i+j] = x.count / float64(step)
		}
	}
	return values
}

// gather makes a minute of the rows within it: their mean rate, where at least
// half of a minute's steps are known.
func gather(rows []row, step int64) []float64 {
	values := missing(holding(rows, rows[len(rows)-1]) + 1)
	for i := 0; i < len(rows); {
		m := holding(rows, rows[i])
		var sum float64
		var known int64
		for ; i < len(rows) && holding(rows, rows[i]) == m; i++ {
			if c := rows[i].count; !math.IsNaN(c) {
				sum += c
				known++
			}
		}
		if 2*known*step >= minute {
			values[m] = sum / float64(known*step)
		}
	}
	return values
}

func missing(n int) []float64 {
	return slices.Repeat([]float64{math.NaN()}, n)
}
