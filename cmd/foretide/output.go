package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// result writes a subcommand's result to stdout: v as indented JSON with
// --output json, else what text writes. A NaN in v is an error, as JSON has
// none; a field that may be unknown is a pointer or left out.
func (a *app) result(v any, text func(w io.Writer) error) error {
	if a.output == "json" {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		return nil
	}
	if err := text(a.stdout); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// interactive says whether somebody watches stderr, so that a progress bar can
// be drawn there; otherwise progress is a log line now and then.
func (a *app) interactive() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// table writes rows under a header in aligned columns, with no space at a
// line's end. A row may be shorter than the header.
func table(w io.Writer, header []string, rows [][]string) error {
	var aligned strings.Builder
	tw := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{header}, rows...) {
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
