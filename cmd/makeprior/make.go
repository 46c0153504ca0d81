package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/forecast/trace"
)

// options say what a prior is made of.
type options struct {
	seed uint64
	// budget is what the number of steps follows from.
	budget time.Duration
	// workloads is how many unlike ones are generated, beside the shops, and
	// days how much of each.
	workloads, days int
	// recorded is the share of the windows that come from recorded traffic, and
	// young the share of all that knows a week or less.
	recorded, young float64
}

// standard is what the prior in the repository is made with.
func standard() options {
	return options{seed: 1, budget: 10 * time.Minute, workloads: 300, days: 21, recorded: 0.6, young: 0.5}
}

const (
	// mesh is how many workloads are generated in one go, each with another
	// seed and another day of the week to begin with, and shops how many shops.
	mesh  = 60
	shops = 2
	// heldBack is the share of each history that the fit is stopped by.
	heldBack = 0.05
)

// check gives all that is wrong with what was asked for.
func (o options) check(traces string, args []string) error {
	var wrong []error
	bad := func(format string, a ...any) { wrong = append(wrong, fmt.Errorf(format, a...)) }
	if len(args) > 0 {
		bad("argument %q: want flags only", args[0])
	}
	if traces == "" {
		bad("--traces: want the folder of the public traces, which has the sets %q", sets())
	}
	if o.budget <= 0 {
		bad("--budget %v: want more than 0s", o.budget)
	}
	if o.workloads < 1 {
		bad("--workloads %d: want 1 or more", o.workloads)
	}
	if o.days < 2 {
		bad("--days %d: want 2 or more", o.days)
	}
	if !(o.recorded > 0 && o.recorded < 1) {
		bad("--recorded %v: want more than 0 and less than 1", o.recorded)
	}
	if !(o.young > 0 && o.young <= 1) {
		bad("--young %v: want more than 0, to 1", o.young)
	}
	return errors.Join(wrong...)
}

// make fits a prior from the sets in traces and from generated traffic, and
// writes it to out.
func (o options) make(ctx context.Context, traces, out string, stdout, stderr io.Writer) error {
	recorded, err := read(traces, stderr)
	if err != nil {
		return err
	}
	generated := o.generate()
	fmt.Fprintf(stderr, "%d recorded histories, %d generated\n", len(recorded), len(generated))
	fit := lstm.FitOptions{
		Seed: o.seed, Budget: o.budget, HeldBack: heldBack, Young: o.young, Weights: o.weights(recorded, generated),
		// By a clock that stands still the plan alone decides, on any machine.
		Clock: func() time.Time { return time.Time{} },
		OnProgress: func(p lstm.Progress) {
			fmt.Fprintf(stderr, "step %d of %d: loss %.4f, validation %.4f\n", p.Step, p.Steps, p.Loss, p.Validation)
		},
	}
	model, report, err := lstm.Fit(ctx, append(recorded, generated...), fit)
	if err != nil {
		return err
	}
	var weights bytes.Buffer
	if err := model.Encode(&weights); err != nil {
		return err
	}
	if err := write(out, weights.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: sha256 %x, %d bytes, %d recorded and %d generated histories, %d steps, loss %.4f, validation %.4f, %s\n",
		out, sha256.Sum256(weights.Bytes()), weights.Len(), len(recorded), len(generated), report.Steps, report.Loss, report.Validation, report.Stopped)
	return err
}

// generate is traffic of unlike workloads and of shops.
func (o options) generate() []forecast.History {
	var all []forecast.History
	opening := time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)
	for i := range uint64((o.workloads + mesh - 1) / mesh) {
		from := opening.AddDate(0, 0, int(i))
		m := synthetic.Assorted(o.seed<<16+i, min(mesh, o.workloads-int(i)*mesh), from, o.days)
		all = append(all, m.History(from, from.AddDate(0, 0, o.days))...)
	}
	for i := range uint64(shops) {
		from := opening.AddDate(0, 0, 3*int(i))
		all = append(all, synthetic.Shop(o.seed<<16+i, from).History(from, from.AddDate(0, 0, o.days))...)
	}
	return all
}

// weights let the recorded histories have their share of the windows.
func (o options) weights(recorded, generated []forecast.History) []float64 {
	// A fit draws from each by the root of its length.
	sum := func(histories []forecast.History) (roots float64) {
		for _, h := range histories {
			roots += math.Sqrt(float64(h.Len()))
		}
		return roots
	}
	each := sum(generated) / sum(recorded) * o.recorded / (1 - o.recorded)
	return slices.Concat(slices.Repeat([]float64{each}, len(recorded)), slices.Repeat([]float64{1}, len(generated)))
}

// write puts weights into a file in one go.
func write(path string, weights []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write weights: %w", err)
	}
	_, err = f.Write(weights)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write weights: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// read reads the train parts of the series that may be learnt from.
func read(traces string, stderr io.Writer) ([]forecast.History, error) {
	var all []forecast.History
	for _, set := range sets() {
		histories, err := trace.ReadDir(filepath.Join(traces, set))
		if skipped := (*trace.SkippedError)(nil); errors.As(err, &skipped) {
			for _, file := range skipped.Files {
				fmt.Fprintf(stderr, "left out: %v\n", file)
			}
		} else if err != nil {
			return nil, err
		}
		for _, h := range histories {
			h.Workload.Namespace = set
			if stair(h.Values) != 1 {
				fmt.Fprintf(stderr, "left out: %s: no rates of single minutes\n", h.Workload)
				continue
			}
			h.Series = trainPart(h.Series)
			all = append(all, h)
		}
	}
	return all, nil
}
