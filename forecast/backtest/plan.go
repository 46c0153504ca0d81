package backtest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Plan says what is forecast of one series.
type Plan struct {
	// History is the whole series, with what came after the origins.
	History forecast.History
	// TrainEnd is the stamp of the last step that the reference may learn its
	// errors from, which should lie before the first origin.
	TrainEnd time.Time
	// Origins are stamps of the series, ascending.
	Origins []time.Time
}

// trainShare is the part of a series that is not forecast.
const trainShare = 0.7

// fewest is how many different values a series must have to be worth scoring.
const fewest = 10

// Choose plans one origin an hour over the last 30 % of h, each with all its
// horizon inside the series. The minute of the hour depends on the series' name,
// so that not all origins lie on full hours. A series that says nothing about
// forecasts, as it is too short or hardly ever changes, is an error that says
// so.
func Choose(h forecast.History) (Plan, error) {
	n := h.Len()
	train := int(math.Ceil(trainShare * float64(n)))
	first := train + int(crc32.ChecksumIEEE([]byte(h.Workload.String()))%60)
	hourly := int(time.Hour / forecast.Step)
	p := Plan{History: h, TrainEnd: h.Time(train - 1)}
	for i := first; i < n-forecast.Horizon; i += hourly {
		p.Origins = append(p.Origins, h.Time(i))
	}
	day := int(24 * time.Hour / forecast.Step)
	if train <= day || len(p.Origins) == 0 {
		return Plan{}, fmt.Errorf("choose origins of %s: %d minutes, want at least a day and a half to learn from and two hours to forecast", h.Workload, n)
	}
	known, zero := 0, 0
	distinct := map[float64]bool{}
	for _, v := range h.Values[train:] {
		if math.IsNaN(v) {
			continue
		}
		known++
		if v == 0 {
			zero++
		}
		if len(distinct) < fewest {
			distinct[v] = true
		}
	}
	if len(distinct) < fewest || float64(zero) > 0.98*float64(known) {
		return Plan{}, fmt.Errorf("choose origins of %s: its last 30 %% hardly change (%d known minutes, %d of them zero), want at least %d different rates and one minute in fifty with load",
			h.Workload, known, zero, fewest)
	}
	return p, nil
}

// Origins are what a file asks to be forecast.
type Origins struct {
	order []forecast.Workload
	of    map[forecast.Workload]*origins
}

type origins struct {
	trainEnd time.Time // zero where the file does not say
	at       []time.Time
}

// ReadOrigins reads a CSV file with a header that has the columns series and
// origin_unix, and may have train_end_unix; other columns are passed over.
// Times are Unix seconds. All wrong lines are named, as far as the first
// twenty.
func ReadOrigins(r io.Reader) (Origins, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return Origins{}, fmt.Errorf("read origins: header: %w", err)
	}
	series, origin, end := slices.Index(header, "series"), slices.Index(header, "origin_unix"), slices.Index(header, "train_end_unix")
	if series < 0 || origin < 0 {
		return Origins{}, fmt.Errorf("read origins: header %q: want the columns series and origin_unix", strings.Join(header, ","))
	}
	o := Origins{of: map[forecast.Workload]*origins{}}
	err = eachLine(rows, "origin", func(row []string) error {
		w, err := forecast.ParseWorkload(row[series])
		if err != nil {
			return err
		}
		at, err := unix("origin_unix", row[origin])
		if err != nil {
			return err
		}
		s := o.of[w]
		if s == nil {
			s = &origins{}
			o.of[w] = s
			o.order = append(o.order, w)
		}
		s.at = append(s.at, at)
		if end >= 0 && s.trainEnd.IsZero() {
			s.trainEnd, err = unix("train_end_unix", row[end])
		}
		return err
	})
	if err != nil {
		return Origins{}, fmt.Errorf("read origins: %w", err)
	}
	for _, s := range o.of {
		slices.SortFunc(s.at, time.Time.Compare)
		s.at = slices.CompactFunc(s.at, time.Time.Equal)
	}
	return o, nil
}

// eachLine gives do the lines after the header, one for each of what. The error
// names the wrong lines, as far as the first twenty, and is none only if there
// was a line.
func eachLine(rows *csv.Reader, what string, do func(row []string) error) error {
	var wrong []error
	lines := 0
	for len(wrong) < 20 {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			wrong = append(wrong, err)
			break
		}
		lines++
		if err := do(row); err != nil {
			line, _ := rows.FieldPos(0)
			wrong = append(wrong, fmt.Errorf("line %d: %w", line, err))
		}
	}
	if lines == 0 && len(wrong) == 0 {
		return fmt.Errorf("no line after the header, want one for each %s", what)
	}
	return errors.Join(wrong...)
}

func unix(column, text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q: want Unix seconds", column, text)
	}
	return time.Unix(n, 0).UTC(), nil
}

// Plans finds the series among histories. Where the file does not say where
// the train part ends, that is the first origin. A series that is not there,
// and an origin that is none of its stamps, are errors, each named.
func (o Origins) Plans(histories []forecast.History) ([]Plan, error) {
	have := make(map[forecast.Workload]forecast.History, len(histories))
	for _, h := range histories {
		have[h.Workload] = h
	}
	var plans []Plan
	var wrong []error
	for _, w := range o.order {
		h, ok := have[w]
		if !ok {
			wrong = append(wrong, fmt.Errorf("series %q: no such series among %d", w, len(histories)))
			continue
		}
		s := o.of[w]
		p := Plan{History: h, TrainEnd: s.trainEnd, Origins: s.at}
		if p.TrainEnd.IsZero() {
			p.TrainEnd = s.at[0]
		}
		if err := p.check(); err != nil {
			wrong = append(wrong, err)
			continue
		}
		plans = append(plans, p)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("plan origins: %w", err)
	}
	return plans, nil
}

// check names the first origin that is no stamp of the series.
func (p Plan) check() error {
	for _, at := range p.Origins {
		if i := p.History.Index(at); i < 0 || i >= p.History.Len() || !p.History.Time(i).Equal(at) {
			return fmt.Errorf("series %q: origin %d: want a stamp of the series, every %v from %d to %d",
				p.History.Workload, at.Unix(), forecast.Step, p.History.Start.Unix(), p.History.Origin().Unix())
		}
	}
	return nil
}
