package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

// writeWhole writes the file at path, which appears whole or not at all.
func writeWhole(path string, write func(*os.File) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, errors.Unwrap(err))
	}
	defer os.Remove(temp.Name()) // it is gone if all went well
	// A temporary file is for its owner alone; a result is for whom the folder
	// is for.
	if err := errors.Join(write(temp), temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// writeAnswers writes what KEDA would have been answered, in requests a minute.
func writeAnswers(w io.Writer, windows []backtest.Window, replayed []backtest.Replayed) error {
	buffered := bufio.NewWriter(w)
	rows := csv.NewWriter(buffered)
	number := func(perSecond float64) string {
		return strconv.FormatFloat(perSecond*forecast.Step.Seconds(), 'g', 12, 64)
	}
	if err := rows.Write([]string{"series", "unix", "value", "target"}); err != nil {
		return err
	}
	for i, r := range replayed {
		series := windows[i].History.Workload.String()
		for _, a := range r.Answers {
			if err := rows.Write([]string{series, strconv.FormatInt(a.At.Unix(), 10), number(a.Value), number(a.Target)}); err != nil {
				return err
			}
		}
	}
	rows.Flush()
	return errors.Join(rows.Error(), buffered.Flush())
}
