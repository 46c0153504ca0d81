// Command makeprior fits the network that foretide brings and forecasts with
// until one is trained on a user's own traffic. It is for the developers of
// foretide, who run it as 'make prior TRACES=DIR', and is in no release.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "makeprior:", err)
		os.Exit(1)
	}
}

// run is the command: args come without its name.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := standard()
	var traces, out string
	fs := flag.NewFlagSet("makeprior", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&traces, "traces", "", "folder of the public traces, one folder a set")
	fs.StringVar(&out, "out", "forecast/lstm/prior/prior.model", "file to write the weights to")
	fs.Uint64Var(&o.seed, "seed", o.seed, "seed of the traffic and of the fit")
	fs.DurationVar(&o.budget, "budget", o.budget, "time to plan for on a slow pair of cores; it takes as long as it takes")
	fs.IntVar(&o.workloads, "workloads", o.workloads, "unlike workloads to generate")
	fs.IntVar(&o.days, "days", o.days, "how much of each to generate")
	fs.Float64Var(&o.recorded, "recorded", o.recorded, "share of what is drawn that was recorded")
	fs.Float64Var(&o.young, "young", o.young, "share of what is drawn that knows a week at most")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := o.check(traces, fs.Args()); err != nil {
		return err
	}
	return o.make(ctx, traces, out, stdout, stderr)
}
