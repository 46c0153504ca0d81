package mask

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
)

// MaxNamed is how many spans a file may name.
const MaxNamed = 100_000

// Named is a span that an operator named.
type Named struct {
	// Line is where in the file.
	Line     int
	Workload forecast.Workload
	forecast.Interval
}

// Read reads a CSV file of spans to be left out of what is learnt. Its header
// is workload,from,to or workload,from,to,why; a workload is NAMESPACE/NAME,
// and a time is RFC 3339 or Unix seconds. Each span is of its own line. Empty
// lines and those that begin with # are passed over. The error names
// every wrong line, and comes with no spans.
func Read(r io.Reader) ([]Named, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.Comment, in.TrimLeadingSpace, in.ReuseRecord = -1, '#', true, true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("file is empty: want the header workload,from,to or workload,from,to,why")
	}
	if err != nil {
		return nil, err
	}
	if h := strings.TrimPrefix(strings.Join(header, ","), "\ufeff"); h != "workload,from,to" && h != "workload,from,to,why" {
		return nil, fmt.Errorf("header %q: want workload,from,to or workload,from,to,why", clip(h))
	}
	columns := len(header)
	var all []Named
	var wrong []error
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var syntax *csv.ParseError
		if err != nil && !errors.As(err, &syntax) {
			return nil, err
		}
		if syntax != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", syntax.Line, syntax.Err))
			continue
		}
		line, _ := in.FieldPos(0)
		if len(all) == MaxNamed {
			return nil, fmt.Errorf("line %d: too many spans: want at most %d", line, MaxNamed)
		}
		n, err := parseNamed(fields, columns)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		n.Line = line
		all = append(all, n)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return all, nil
}

func parseNamed(fields []string, columns int) (Named, error) {
	if len(fields) != columns && len(fields) != 3 {
		return Named{}, fmt.Errorf("%d fields: want workload,from,to", len(fields))
	}
	workload, err1 := forecast.ParseWorkload(strings.TrimSpace(fields[0]))
	from, err2 := parseTime("from", fields[1])
	to, err3 := parseTime("to", fields[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		// One line of the file is one line of the message.
		return Named{}, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if !from.Before(to) {
		return Named{}, fmt.Errorf("from %s to %s: want it to end later than it begins", strings.TrimSpace(fields[1]), strings.TrimSpace(fields[2]))
	}
	return Named{Workload: workload, Interval: forecast.Interval{From: from, To: to}}, nil
}

func parseTime(name, text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if unix, err := strconv.ParseInt(text, 10, 64); err == nil && unix >= 0 && unix < 1e11 {
		return time.Unix(unix, 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q: want a time such as 2026-03-09T08:30:00Z, or Unix seconds", name, clip(text))
	}
	return t.UTC(), nil
}

// clip keeps a message readable whatever the file holds.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// Label gives histories, in their order, with what is named of each added to
// its labelled spans. unmatched are those of which no history has a step.
func Label(histories []forecast.History, named []Named) (labelled []forecast.History, unmatched []Named) {
	labelled = slices.Clone(histories)
	at := make(map[forecast.Workload]int, len(histories))
	for i, h := range histories {
		at[h.Workload] = i
	}
	for _, n := range named {
		i, ok := at[n.Workload]
		if !ok || !n.From.Before(histories[i].End()) || !n.To.After(histories[i].Start) {
			unmatched = append(unmatched, n)
			continue
		}
		labelled[i].Labelled = append(slices.Clip(labelled[i].Labelled), n.Interval)
	}
	for i := range labelled {
		labelled[i].Labelled = joined(labelled[i].Labelled)
	}
	return labelled, unmatched
}

// joined is intervals sorted, and those that meet made one.
func joined(all []forecast.Interval) []forecast.Interval {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b forecast.Interval) int { return a.From.Compare(b.From) })
	n := 0
	for _, x := range all {
		if n > 0 && !x.From.After(all[n-1].To) {
			if x.To.After(all[n-1].To) {
				all[n-1].To = x.To
			}
			continue
		}
		all[n] = x
		n++
	}
	return all[:n]
}
