package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

// forecastFiles are the files a backtest writes. They appear whole, with
// commit, or not at all.
type forecastFiles struct {
	files []*forecastFile
}

type forecastFile struct {
	path  string
	temp  *os.File
	gzip  *gzip.Writer
	table *backtest.Table
}

// createForecastFiles begins the files of steps and of peaks; an empty path is
// no file. A path that cannot be written to is the user's mistake.
func createForecastFiles(steps, peaks string) (*forecastFiles, error) {
	out := &forecastFiles{}
	var wrong []error
	for _, f := range []struct {
		flag, path string
		table      func(io.Writer) *backtest.Table
	}{{"--forecasts", steps, backtest.NewForecasts}, {"--peaks", peaks, backtest.NewPeaks}} {
		if f.path == "" {
			continue
		}
		temp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s %q: %w", f.flag, f.path, errors.Unwrap(err)))
			continue
		}
		file := &forecastFile{path: f.path, temp: temp}
		var w io.Writer = temp
		if strings.HasSuffix(f.path, ".gz") {
			file.gzip = gzip.NewWriter(temp)
			w = file.gzip
		}
		file.table = f.table(w)
		out.files = append(out.files, file)
	}
	if err := usage(wrong...); err != nil {
		out.discard()
		return nil, err
	}
	return out, nil
}

func (o *forecastFiles) add(f forecast.Forecast) error {
	for _, file := range o.files {
		if err := file.table.Add(f); err != nil {
			return fmt.Errorf("write %q: %w", file.path, err)
		}
	}
	return nil
}

// commit puts the files in their places.
func (o *forecastFiles) commit() error {
	for _, file := range o.files {
		if err := file.finish(); err != nil {
			return fmt.Errorf("write %q: %w", file.path, err)
		}
	}
	for _, file := range o.files {
		if err := os.Rename(file.temp.Name(), file.path); err != nil {
			return fmt.Errorf("write %q: %w", file.path, err)
		}
	}
	o.files = nil
	return nil
}

func (f *forecastFile) finish() error {
	err := f.table.Flush()
	if f.gzip != nil {
		err = errors.Join(err, f.gzip.Close())
	}
	// A temporary file is for its owner alone; a result is for whom the folder
	// is for.
	return errors.Join(err, f.temp.Chmod(0o644), f.temp.Sync(), f.temp.Close())
}

// discard removes what was not committed.
func (o *forecastFiles) discard() {
	for _, file := range o.files {
		file.temp.Close()
		os.Remove(file.temp.Name())
	}
	o.files = nil
}
