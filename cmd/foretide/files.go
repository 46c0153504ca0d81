package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/trace"
)

// folderMistake is what is wrong with the folder of recorded series that flag
// names, nil for nothing.
func folderMistake(flag, path string) error {
	if path == "" {
		return fmt.Errorf("%s: want the folder of the recorded series", flag)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s %q: %w", flag, path, errors.Unwrap(err))
	case !info.IsDir():
		return fmt.Errorf("%s %q: want a folder", flag, path)
	}
	return nil
}

// inputMistake is what is wrong with a file to read; an empty path is none.
func inputMistake(flag, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s %q: %w", flag, path, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("%s %q: want a file", flag, path)
	}
	return nil
}

// outputMistakes is what is wrong with two files to write; an empty path is
// none.
func outputMistakes(flag, path, flag2, path2 string) (wrong []error) {
	for _, out := range []struct{ flag, path string }{{flag, path}, {flag2, path2}} {
		if out.path == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(out.path)); err != nil {
			wrong = append(wrong, fmt.Errorf("%s %q: its folder: %w", out.flag, out.path, errors.Unwrap(err)))
		} else if !info.IsDir() {
			wrong = append(wrong, fmt.Errorf("%s %q: want a file in a folder", out.flag, out.path))
		} else if info, err := os.Stat(out.path); err == nil && info.IsDir() {
			wrong = append(wrong, fmt.Errorf("%s %q: want a file, not a folder", out.flag, out.path))
		}
	}
	if path != "" && path == path2 {
		wrong = append(wrong, fmt.Errorf("%s %q: want another file than %s", flag2, path2, flag))
	}
	return wrong
}

// readTraces reads a folder of recorded series, and warns of the files that are
// none.
func (a *app) readTraces(dir string) ([]forecast.History, error) {
	histories, err := trace.ReadDir(dir)
	if skipped := (*trace.SkippedError)(nil); errors.As(err, &skipped) {
		for _, file := range skipped.Files {
			a.log.Warn("file left out", "file", file.Path, "reason", file.Err)
		}
		return histories, nil
	}
	return histories, err
}
