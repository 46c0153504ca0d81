package backtest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
)

// Window is a stretch of a series to replay.
type Window struct {
	// History is the whole series.
	History forecast.History
	// From and To bound the minutes replayed. From is a stamp of the series, To
	// at most its end. The first [WarmUp] of them is not counted.
	From, To time.Time
	// PerPod is the most that one pod can serve, in requests per second.
	PerPod float64
}

const (
	// WarmUp is for how long a replay runs before anything is counted, so that
	// nobody is judged by the pods that it was given.
	WarmUp = 30 * time.Minute
	// atPeak is how many pods the peak of a series takes, if nobody says what
	// one carries, and peak the level that counts as that.
	atPeak = 20
	peak   = 0.999
)

// check names what is wrong with the window.
func (w Window) check() error {
	h := w.History
	var errs []error
	bad := func(is bool, field string, value any, want string) {
		if is {
			errs = append(errs, fmt.Errorf("%s %v: want %s", field, value, want))
		}
	}
	i := h.Index(w.From)
	bad(i < 1 || i >= h.Len() || !h.Time(i).Equal(w.From), "from", w.From.Unix(), fmt.Sprintf("a stamp of the series after its first, every %v from %d to %d", forecast.Step, h.Start.Unix(), h.Origin().Unix()))
	bad(w.To.After(h.End()) || w.To.Sub(w.From) <= WarmUp, "to", w.To.Unix(), fmt.Sprintf("more than %v after from, at most %d", WarmUp, h.End().Unix()))
	bad(!(w.PerPod > 0) || math.IsInf(w.PerPod, 0), "capacity", w.PerPod, "what a pod carries, above 0")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("window of %s: %w", h.Workload, err)
	}
	return nil
}

// ChooseWindow is the last 30 % of h, at least two hours. perPod is what one
// pod carries in requests per second; if it is 0, the peak of the first 70 %
// takes 20 pods. A series that is too short, or has no load, is an error that
// says so.
func ChooseWindow(h forecast.History, perPod float64) (Window, error) {
	train := int(math.Ceil(trainShare * float64(h.Len())))
	if left := h.Len() - train; left < 120 {
		return Window{}, fmt.Errorf("choose a window of %s: %d minutes in its last 30 %%, want at least 120", h.Workload, left)
	}
	if perPod == 0 {
		known := slices.DeleteFunc(slices.Clone(h.Values[:train]), math.IsNaN)
		if len(known) > 0 {
			slices.Sort(known)
			perPod = accuracy.Quantile(known, peak) / atPeak
		}
		if !(perPod > 0) {
			return Window{}, fmt.Errorf("choose a window of %s: no load in its first 70 %%, from which what a pod carries could follow; say it", h.Workload)
		}
	}
	w := Window{History: h, From: h.Time(train), To: h.End(), PerPod: perPod}
	return w, w.check()
}

// ReadWindows reads a CSV file with the columns series, from_unix, to_unix and
// capacity, what a pod carries in requests a minute; other columns are passed
// over. The series are looked up in histories. A window that begins between two
// stamps begins at the one before, and one that ends after its series ends with
// it. All wrong lines are named, as far as the first twenty.
func ReadWindows(r io.Reader, histories []forecast.History) ([]Window, error) {
	have := make(map[string]forecast.History, len(histories))
	for _, h := range histories {
		have[h.Workload.String()] = h
	}
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read windows: header: %w", err)
	}
	var column [4]int
	for i, name := range []string{"series", "from_unix", "to_unix", "capacity"} {
		if column[i] = slices.Index(header, name); column[i] < 0 {
			return nil, fmt.Errorf("read windows: header %q: want the columns series, from_unix, to_unix and capacity", strings.Join(header, ","))
		}
	}
	var windows []Window
	err = eachLine(rows, "window", func(row []string) error {
		w, err := window(have, row[column[0]], row[column[1]], row[column[2]], row[column[3]])
		if err == nil {
			windows = append(windows, w)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	return windows, nil
}

func window(have map[string]forecast.History, series, from, to, capacity string) (Window, error) {
	h, ok := have[series]
	if !ok {
		return Window{}, fmt.Errorf("series %q: no such series among %d", series, len(have))
	}
	begin, err1 := unix("from_unix", from)
	end, err2 := unix("to_unix", to)
	perMinute, err3 := strconv.ParseFloat(capacity, 64)
	if err3 != nil {
		err3 = fmt.Errorf("capacity %q: want what a pod carries in requests a minute", capacity)
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return Window{}, fmt.Errorf("series %q: %w", series, err)
	}
	w := Window{History: h, From: h.Time(h.Index(begin)), To: end, PerPod: perMinute / forecast.Step.Seconds()}
	if w.To.After(h.End()) {
		w.To = h.End()
	}
	return w, w.check()
}
