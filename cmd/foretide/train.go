package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/training"
)

// trainFlags are what a training is asked for.
type trainFlags struct {
	traces, store  string
	mask, maskFile string
	prometheus     prometheusFlags
	last           model.Duration
	budget         time.Duration
	seed           uint64
	heldBack       float64
	from           string
}

func newTrainCommand(a *app) *cobra.Command {
	f := trainFlags{last: model.Duration(14 * 24 * time.Hour)}
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a model on recorded traffic, and promote it if it is better",
		Long: "Train one model on all workloads' histories, from a folder or from Prometheus, and keep it in\n" +
			"the store. It goes on from the prior, the network that foretide brings, unless --from says otherwise.\n" +
			"The last part of each history is held back: there the model is scored against the baselines, the\n" +
			"prior and the champion. It becomes the champion if its CRPS is below the champion's, or, with no\n" +
			"champion yet, below that of the prior and of every baseline; else it is kept all the same. 'foretide\n" +
			"serve' picks up a new champion by itself. Interrupted, it leaves the store and the champion as they were.\n\n" +
			"Outages, gaps and what is labelled in the traces are not learnt from. Others can be named in a CSV\n" +
			"file with the header workload,from,to and times in RFC 3339 or Unix seconds; see --mask-file.",
		Example: "  foretide train --traces ./traces --store file:///var/lib/foretide\n" +
			"  foretide train --prometheus http://prometheus:9090 --last 2w --store 's3://models?region=eu-west-1' --budget 5m",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.train(c.Context(), c.Flags(), &f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.traces, "traces", "", "folder of recorded series: CSV files, plain or gzipped, with the header timestamp,value")
	f.prometheus.register(fs)
	fs.Var(&f.last, "last", "how much history to read from Prometheus, such as 14d or 36h")
	fs.StringVar(&f.store, "store", "", "URL of the store for the model, such as file:///var/lib/foretide")
	fs.DurationVar(&f.budget, "budget", 10*time.Minute, "time that training and scoring may take")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of all chance: the same seed, data and kind of machine give the same weights")
	fs.Float64Var(&f.heldBack, "held-back", 0.1, "share of each history, at its end, to score on and not to learn from")
	fs.Var(newChoice(&f.mask, "auto", "labels", "off"), "mask", "what not to learn from: auto for outages, gaps and steps that are found and all labels, labels or off")
	fs.StringVar(&f.maskFile, "mask-file", "", "CSV file of more to leave out, with the header workload,from,to")
	fs.Var(newChoice(&f.from, "prior", "champion", "scratch"), "from", "weights to go on from: prior for those that foretide brings, champion for its, where there is one, or scratch for none")
	return c
}

// fromPrometheus tells whether the flag says how to read from Prometheus.
func fromPrometheus(name string) bool {
	return strings.HasPrefix(name, "prometheus") || strings.HasPrefix(name, "query") || name == "preset" || name == "rate-window" || name == "last"
}

// check finds what is wrong with the flags before any work is done.
func (f *trainFlags) check(fs *pflag.FlagSet) error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if f.traces == "" && f.prometheus.URL == "" {
		bad("--traces or --prometheus: want one of them, to learn from")
	}
	if f.traces != "" {
		wrong = append(wrong, folderMistake("--traces", f.traces))
		fs.Visit(func(g *pflag.Flag) {
			if fromPrometheus(g.Name) {
				bad("--%s: want it without --traces only", g.Name)
			}
		})
	} else if f.prometheus.URL != "" {
		wrong = append(wrong, parts(f.prometheus.check(fs))...)
		if least := training.Enough * forecast.Step; time.Duration(f.last) < least {
			bad("--last %v: want %v or more", f.last, model.Duration(least))
		}
	}
	if f.store == "" {
		bad("--store: want the URL of the store for the model, such as file:///var/lib/foretide")
	}
	if f.maskFile != "" && f.mask == "off" {
		bad("--mask-file: want it without --mask=off only")
	}
	if f.budget < time.Second {
		bad("--budget %v: want 1s or more", f.budget)
	}
	if !(f.heldBack >= 0.02 && f.heldBack <= 0.5) {
		bad("--held-back %v: want 0.02 to 0.5", f.heldBack)
	}
	return errors.Join(wrong...)
}

func (a *app) train(ctx context.Context, fs *pflag.FlagSet, f *trainFlags) error {
	wrong := f.check(fs)
	named, err := f.named()
	if err != nil {
		wrong = errors.Join(append(parts(wrong), err)...)
	}
	// A store is opened to see whether its URL is one; that asks it nothing.
	var store *registry.Registry
	if f.store != "" {
		var err error
		if store, err = registry.Open(ctx, f.store); err != nil {
			wrong = errors.Join(append(parts(wrong), fmt.Errorf("--store: %w", err))...)
		} else {
			defer store.Close() // each object is closed by itself
		}
	}
	if err := usage(wrong); err != nil {
		return err
	}
	histories, err := a.histories(ctx, f)
	if err != nil {
		return err
	}
	histories, unmatched := mask.Label(histories, named)
	for _, n := range unmatched {
		a.log.Warn("span without history", "file", f.maskFile, "line", n.Line, "workload", n.Workload.String())
	}
	progress := a.trainProgress()
	report, err := training.Run(ctx, training.Options{
		Histories: histories, Registry: store, Seed: f.seed, Budget: f.budget, HeldBack: f.heldBack,
		From: training.From(f.from), Prior: a.trainPrior(),
		Mask: finder(f.mask), Binary: programVersion(), Now: a.now, OnMask: progress.masked, OnFit: progress.fit, OnScore: progress.score,
	})
	progress.end(err == nil)
	if err != nil {
		return err
	}
	return a.result(report, trainReport{report, f.store}.text)
}

// trainPrior is the prior as training has it; zero where it cannot be used.
func (a *app) trainPrior() training.Prior {
	m, err := prior.Load()
	if err != nil {
		a.log.Error("the prior cannot be used", "err", err)
		return training.Prior{}
	}
	return training.Prior{Version: prior.Version(), Model: m}
}

// named reads the spans of the mask file, if there is one.
func (f *trainFlags) named() ([]mask.Named, error) {
	if f.maskFile == "" {
		return nil, nil
	}
	file, err := os.Open(f.maskFile)
	if err != nil {
		return nil, fmt.Errorf("--mask-file %q: %w", f.maskFile, errors.Unwrap(err))
	}
	defer file.Close()
	named, err := mask.Read(file)
	var wrong []error
	for _, e := range parts(err) {
		wrong = append(wrong, fmt.Errorf("--mask-file %q: %w", f.maskFile, e))
	}
	return named, errors.Join(wrong...)
}

// finder is what finds the spans to leave out.
func finder(choice string) func(forecast.History) []mask.Span {
	switch choice {
	case "auto":
		return mask.Find
	case "labels":
		return mask.Labels
	}
	return nil
}

// histories reads what to learn from.
func (a *app) histories(ctx context.Context, f *trainFlags) ([]forecast.History, error) {
	if f.traces != "" {
		return a.readTraces(f.traces)
	}
	client, err := f.prometheus.client(a.log, nil)
	if err != nil {
		return nil, fmt.Errorf("make Prometheus client: %w", err)
	}
	defer client.Close()
	source, err := f.prometheus.source(client)
	if err != nil {
		return nil, err
	}
	// The newest scrapes may still be on their way.
	to := a.now().Truncate(forecast.Step).Add(-forecast.Step)
	from := to.Add(-time.Duration(f.last))
	a.log.Info("reading history", "from", from.UTC().Format(time.RFC3339), "to", to.UTC().Format(time.RFC3339))
	return source.History(ctx, from, to)
}
