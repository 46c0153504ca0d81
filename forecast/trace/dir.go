package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/foretide/foretide/forecast"
)

// SkippedError tells which files of a folder could not be read. It comes with
// the histories of the files that could.
type SkippedError struct {
	// Files are in the order of their paths, at least one.
	Files []*FileError
}

// Error has a line for each file.
func (e *SkippedError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap gives the files' errors.
func (e *SkippedError) Unwrap() []error {
	errs := make([]error, len(e.Files))
	for i, f := range e.Files {
		errs[i] = f
	}
	return errs
}

// ReadDir reads every .csv and .csv.gz file beneath root, and names each series
// by its path from root on, with slashes and without the ending. The histories
// are sorted by workload.
//
// A file whose first line is not the header of a series is none, and is passed
// over in silence, as is what is hidden by a leading dot. A file that is a
// series and cannot be read is left out, and the error is then a
// [SkippedError] beside the histories of the others. Any other error comes
// with no history: root cannot be read, or holds no series.
func ReadDir(root string) ([]forecast.History, error) {
	var all []forecast.History
	var skipped []*FileError
	from := map[forecast.Workload]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != root {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		name, ok := seriesName(root, path)
		if d.IsDir() || !ok {
			return nil
		}
		h, err := readFile(name, path)
		var bad *FileError
		switch {
		case errors.Is(err, errNotSeries):
			return nil
		case errors.As(err, &bad):
			bad.Path = path
			skipped = append(skipped, bad)
			return nil
		case err != nil:
			return err
		}
		if other, ok := from[h.Workload]; ok {
			skipped = append(skipped, &FileError{Path: path, Err: fmt.Errorf("series %q is in %q already: want one file a series", h.Workload, other)})
			return nil
		}
		from[h.Workload] = path
		all = append(all, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read traces %q: %w", root, err)
	}
	slices.SortFunc(all, func(a, b forecast.History) int { return a.Workload.Compare(b.Workload) })
	if len(skipped) > 0 {
		return all, &SkippedError{Files: skipped}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read traces %q: no series: want .csv or .csv.gz files with the header timestamp,value", root)
	}
	return all, nil
}

// seriesName names the series of a file; ok is false for a file that is none
// by its ending.
func seriesName(root, path string) (name string, ok bool) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return "", false
	}
	name, ok = strings.CutSuffix(filepath.ToSlash(strings.TrimSuffix(rel, ".gz")), ".csv")
	return name, ok
}

func readFile(name, path string) (forecast.History, error) {
	f, err := os.Open(path)
	if err != nil {
		return forecast.History{}, &FileError{Path: path, Err: err}
	}
	defer f.Close()
	return Read(name, f)
}
