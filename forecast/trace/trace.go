// Package trace reads and writes recorded histories: one CSV file a series, a
// folder of them a set. README.md beside it documents the format and what is
// done with data that is not as it should be.
package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Limits of what is read. They keep a file that is broken, or was made to do
// harm, from taking all memory.
const (
	// MaxLine is the longest line, in bytes.
	MaxLine = 64 << 10
	// MaxSteps is the longest history, and the most rows a file may have:
	// twenty years of minutes.
	MaxSteps = 20 * 366 * 24 * 60
	// MaxCount is the largest value of a row.
	MaxCount = 1e15
	// maxStamp is the year 5138: what lies beyond it is not in seconds.
	maxStamp = 1e11
)

// FileError is a file that cannot be read as a series.
type FileError struct {
	// Path is the file's path or, from [Read], the series' name.
	Path string
	// Line is where the trouble is, from 1 on; 0 where it is the whole file.
	Line int
	// Err says what is wrong and what would be right.
	Err error
}

// Error gives path, line and reason.
func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("read trace %q: line %d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("read trace %q: %v", e.Path, e.Err)
}

// Unwrap gives the reason alone.
func (e *FileError) Unwrap() error { return e.Err }

// errNotSeries marks a file that does not claim to be a series.
var errNotSeries = errors.New(`the first line is not a header: want "timestamp,value" or "timestamp,value,label"`)

// row is one line of a file: the load counted in the step that began at unix.
type row struct {
	unix  int64
	count float64 // NaN: not known
	// marked says that somebody labelled the step.
	marked bool
}

// Read reads one series, plain or gzipped, which its first bytes tell. The
// name becomes the workload, see [forecast.ParseWorkload]. Counts become
// requests per second on a grid of minutes that begins at the smallest time
// stamp; what is not in the file is NaN. What is labelled keeps its value and
// is named beside. Every error is a [FileError].
func Read(name string, r io.Reader) (forecast.History, error) {
	w, err := forecast.ParseWorkload(name)
	if err != nil {
		return forecast.History{}, &FileError{Path: name, Err: err}
	}
	rows, line, err := parse(r)
	if err != nil {
		return forecast.History{}, &FileError{Path: name, Line: line, Err: err}
	}
	s, labelled, err := grid(rows)
	if err != nil {
		return forecast.History{}, &FileError{Path: name, Err: err}
	}
	return forecast.History{Workload: w, Series: s, Labelled: labelled}, nil
}

// parse reads the rows as they stand. line is where err happened, 0 where it
// belongs to no line.
func parse(r io.Reader) (rows []row, line int, err error) {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, 0, fmt.Errorf("open gzip: %w", err)
		}
		in = bufio.NewReader(z)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, MaxLine)
	for lines.Scan() {
		line++
		text := strings.TrimSpace(lines.Text())
		if line == 1 {
			if !isHeader(text) {
				return nil, 1, errNotSeries
			}
			continue
		}
		if text == "" {
			continue
		}
		if len(rows) == MaxSteps {
			return nil, line, fmt.Errorf("too many rows: want at most %d", MaxSteps)
		}
		x, err := parseRow(text)
		if err != nil {
			return nil, line, err
		}
		rows = append(rows, x)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, line + 1, fmt.Errorf("line is too long: want at most %d bytes", MaxLine)
	case err != nil:
		return nil, line + 1, err
	case line == 0:
		return nil, 0, errors.New(`file is empty: want a header "timestamp,value" and a row a step`)
	case len(rows) == 0:
		return nil, 0, errors.New("file has a header and nothing else: want a row a step")
	}
	return rows, 0, nil
}

// isHeader tells a series from any other CSV file. Spreadsheets put a byte
// order mark before it.
func isHeader(line string) bool {
	switch strings.ReplaceAll(strings.TrimPrefix(line, "\ufeff"), " ", "") {
	case "timestamp,value", "timestamp,value,label":
		return true
	}
	return false
}

func parseRow(text string) (row, error) {
	stamp, rest, ok := strings.Cut(text, ",")
	if !ok {
		return row{}, fmt.Errorf("row %q: want timestamp,value[,label]", clip(text))
	}
	count, label, _ := strings.Cut(rest, ",")
	if strings.Contains(label, ",") {
		return row{}, fmt.Errorf("row %q has more than 3 fields: want timestamp,value[,label]", clip(text))
	}
	unix, err := strconv.ParseFloat(strings.TrimSpace(stamp), 64)
	switch {
	case err != nil || math.IsNaN(unix) || unix < 0:
		return row{}, fmt.Errorf("timestamp %q: want Unix seconds", clip(stamp))
	case unix > maxStamp:
		return row{}, fmt.Errorf("timestamp %q: want Unix seconds, not milliseconds or finer", clip(stamp))
	}
	x := row{unix: int64(unix), count: math.NaN()}
	if label = strings.TrimSpace(label); label != "" {
		v, err := strconv.ParseFloat(label, 64)
		if err != nil || v != 0 && v != 1 {
			return row{}, fmt.Errorf("label %q: want 1 where the step was no ordinary one, else 0 or nothing", clip(label))
		}
		x.marked = v == 1
	}
	count = strings.TrimSpace(count)
	if count == "" {
		return x, nil
	}
	x.count, err = strconv.ParseFloat(count, 64)
	if err != nil || x.count < 0 || x.count > MaxCount {
		return row{}, fmt.Errorf("value %q: want how many requests came in the step, from 0 to %g, or nothing where it is not known", clip(count), float64(MaxCount))
	}
	return x, nil
}

// clip keeps a message readable whatever the file holds.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// Write writes h as [Read] reads it: a row a minute, with an empty value where
// the rate is not known, and with labels where h has any. What is read back is h to within the last bit or two
// of each rate. A history that is empty, does not start on a full second, or
// has a rate that is infinite or negative is an error.
func Write(w io.Writer, h forecast.History) error {
	unix := h.Start.Unix()
	if h.Len() == 0 || unix < 0 || !h.Start.Equal(time.Unix(unix, 0)) {
		return fmt.Errorf("write trace %q: %d steps from %v: want at least one, from a full second on", h.Workload, h.Len(), h.Start)
	}
	out := bufio.NewWriter(w)
	header := "timestamp,value\n"
	labelled := h.Labelled
	if len(labelled) > 0 {
		header = "timestamp,value,label\n"
	}
	out.WriteString(header) // bufio keeps the first error for Flush
	var line []byte
	for i, v := range h.Values {
		if math.IsInf(v, 0) || v < 0 {
			return fmt.Errorf("write trace %q: rate %v at %v: want finite and not negative", h.Workload, v, h.Time(i))
		}
		line = strconv.AppendInt(line[:0], unix+int64(i)*minute, 10)
		line = append(line, ',')
		if !math.IsNaN(v) {
			line = strconv.AppendFloat(line, v*float64(minute), 'g', -1, 64)
		}
		for len(labelled) > 0 && !h.Time(i).Before(labelled[0].To) {
			labelled = labelled[1:]
		}
		switch {
		case len(labelled) > 0 && h.Time(i+1).After(labelled[0].From):
			line = append(line, ",1"...)
		case len(h.Labelled) > 0:
			line = append(line, ",0"...)
		}
		out.Write(append(line, '\n'))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write trace %q: %w", h.Workload, err)
	}
	return nil
}
