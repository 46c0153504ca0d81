package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/plan"
	"github.com/foretide/foretide/forecast/replica"
)

// replayFlags are what a replay is asked for.
type replayFlags struct {
	traces, store, model, windows, decisions, report string
	capacity, quantile, shortMinute                  float64
	startup                                          time.Duration
}

// replayShortMinute is the price of a short minute that a replay supposes: one
// pod for two hours.
const replayShortMinute = 120

func newReplayCommand(a *app) *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay",
		Short: "Scale recorded traffic as if it were now, and say what it would have cost",
		Long: "Play recorded load against the HPA: what Foretide would have answered KEDA each minute, from\n" +
			"what was known then, and what that would have come to. Beside it stand KEDA's Prometheus\n" +
			"trigger, one that also looks at the day before, and an oracle that knows the load, starts every\n" +
			"pod just in time and is bound by no HPA.\n\n" +
			"A minute is short when more load came than the pods that were ready could serve. The two\n" +
			"triggers are tuned in hindsight, for each window: the target with which it is cheapest while\n" +
			"short in no more minutes than Foretide.\n\n" +
			"Without --windows that is the last 30 % of each series.",
		Example: "  foretide replay --traces ./traces --store file:///var/lib/foretide --report replay.html\n" +
			"  foretide replay --traces ./traces --store s3://models?region=eu-west-1 --windows windows.csv --decisions decisions.csv --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			// One of the two ways to say a risk takes the place of the other.
			if c.Flags().Changed("quantile") && !c.Flags().Changed("short-minute") {
				f.shortMinute = 0
			}
			return a.replay(c.Context(), f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.traces, "traces", "", "folder of recorded series: CSV files, plain or gzipped, with the header timestamp,value")
	fs.StringVar(&f.store, "store", "", "URL of the store with the model, such as file:///var/lib/foretide")
	fs.StringVar(&f.model, "model", "", "version of the model, or prior for the one that foretide brings, which needs no store; the champion if left out")
	fs.StringVar(&f.windows, "windows", "", "CSV file of what to replay, with the columns series, from_unix, to_unix and capacity, in requests a minute")
	fs.Float64Var(&f.capacity, "capacity", 0, "requests per second that one pod carries where --windows does not say it; if 0, the peak of a series takes 20 pods")
	fs.DurationVar(&f.startup, "startup", 2*time.Minute, "how long a pod takes from its creation to its first request")
	fs.Float64Var(&f.shortMinute, "short-minute", replayShortMinute, "what a short minute costs, in minutes of one pod; 0 goes by --quantile")
	fs.Float64Var(&f.quantile, "quantile", replica.Defaults().Quantile, "level of the peak to be ready for, in place of a price")
	fs.StringVar(&f.decisions, "decisions", "", "write what KEDA would have been answered to this CSV file, with the columns series, unix, value and target, in requests a minute")
	fs.StringVar(&f.report, "report", "", "write a page with charts to this HTML file")
	return c
}

// policy is what every window is decided by, but for what a pod carries.
func (f replayFlags) policy() replica.Policy {
	p := replica.Defaults()
	p.Quantile, p.ShortMinute = f.quantile, f.shortMinute
	// An answer is seen by the HPA's next look, so that nothing comes on top.
	p.LeadTime = max(f.startup, replica.MinLeadTime)
	return p
}

// check finds what is wrong with the flags before any work is done.
func (f replayFlags) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	wrong = append(wrong, folderMistake("--traces", f.traces))
	wrong = append(wrong, modelMistake(f.store, f.model)...)
	wrong = append(wrong, inputMistake("--windows", f.windows))
	if f.windows != "" && f.capacity != 0 {
		bad("--capacity %v: want it in the file of --windows", f.capacity)
	}
	if !(f.capacity >= 0 && f.capacity <= 1e9) {
		bad("--capacity %v: want the requests per second that one pod carries, above 0", f.capacity)
	}
	if f.startup < 0 || f.startup > replica.MaxLeadTime {
		bad("--startup %v: want from 0s to %v", f.startup, replica.MaxLeadTime)
	}
	if !(f.shortMinute >= 0 && f.shortMinute <= replica.MaxShortMinute) {
		bad("--short-minute %v: want from 0 to %v minutes of one pod", f.shortMinute, replica.MaxShortMinute)
	}
	if !(f.quantile >= replica.MinQuantile && f.quantile <= replica.MaxQuantile) {
		bad("--quantile %v: want from %v to %v", f.quantile, replica.MinQuantile, replica.MaxQuantile)
	}
	wrong = append(wrong, outputMistakes("--decisions", f.decisions, "--report", f.report)...)
	return usage(wrong...)
}

func (a *app) replay(ctx context.Context, f replayFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	model, version, err := loadModel(ctx, f.store, f.model)
	if err != nil {
		return err
	}
	windows, leftOut, err := a.replayWindows(f)
	if err != nil {
		return err
	}
	scaling := backtest.DefaultScaling()
	scaling.Startup = f.startup
	ours, err := a.replayWay(ctx, windows, backtest.Replayer{
		Planner:   plan.Planner{Network: model, Prior: f.model == priorModel, Version: version, Baseline: baseline.SeasonalNaiveDay()},
		Calibrate: true, Policy: f.policy(), Scaling: scaling,
	})
	if err != nil {
		return err
	}
	report := replayReport{
		Model: version, Startup: f.startup.String(), ShortMinute: f.shortMinute, LeftOut: leftOut,
		from: a.now().UTC(),
	}
	if f.shortMinute == 0 {
		report.Quantile = f.quantile
	}
	rivals, err := a.replayRivals(ctx, windows, scaling)
	if err != nil {
		return err
	}
	for i, w := range windows {
		report.add(w, ours[i].Course, rivals[i])
	}
	report.sum()
	if f.decisions != "" {
		if err := writeWhole(f.decisions, func(file *os.File) error { return writeAnswers(file, windows, ours) }); err != nil {
			return err
		}
	}
	if f.report != "" {
		if err := writeWhole(f.report, func(file *os.File) error { return report.html(file) }); err != nil {
			return err
		}
	}
	return a.result(report, report.text)
}

// replayWay replays all windows and shows how far it has come.
func (a *app) replayWay(ctx context.Context, windows []backtest.Window, r backtest.Replayer) ([]backtest.Replayed, error) {
	minutes := 0
	for _, w := range windows {
		minutes += int(w.To.Sub(w.From) / forecast.Step)
	}
	step, stop := a.progress(ctx, "minutes", minutes)
	defer stop()
	var mu sync.Mutex
	r.Calls = runtime.GOMAXPROCS(0)
	r.OnMinute = func() {
		mu.Lock()
		defer mu.Unlock()
		step()
	}
	return r.Replay(ctx, windows)
}

// rivals are what stands beside Foretide in a window.
type rivals struct {
	reactive, seasonal []backtest.Tuned
	oracle             backtest.Course
}

func (a *app) replayRivals(ctx context.Context, windows []backtest.Window, s backtest.Scaling) ([]rivals, error) {
	out := make([]rivals, len(windows))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, w := range windows {
		group.Go(func() (err error) {
			if out[i].oracle, err = backtest.Oracle(w, s); err != nil {
				return err
			}
			if out[i].reactive, err = backtest.Tune(w, s, backtest.ReactiveMetric(w)); err != nil {
				return err
			}
			if out[i].seasonal, err = backtest.Tune(w, s, backtest.SeasonalMetric(w, s.Startup)); err != nil {
				return err
			}
			return ctx.Err()
		})
	}
	return out, group.Wait()
}

// replayWindows reads the series and finds what to replay of them.
func (a *app) replayWindows(f replayFlags) (windows []backtest.Window, leftOut []backtest.Dropped, err error) {
	histories, err := a.readTraces(f.traces)
	if err != nil {
		return nil, nil, err
	}
	if f.windows != "" {
		file, err := os.Open(f.windows)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close() // read from only
		windows, err := backtest.ReadWindows(file, histories)
		if err != nil {
			return nil, nil, usage(fmt.Errorf("--windows %q: %w", f.windows, err))
		}
		return windows, nil, nil
	}
	for _, h := range histories {
		w, err := backtest.ChooseWindow(h, f.capacity)
		if err != nil {
			leftOut = append(leftOut, backtest.Dropped{Series: h.Workload.String(), Why: err.Error()})
			continue
		}
		windows = append(windows, w)
	}
	if len(windows) == 0 {
		return nil, nil, fmt.Errorf("choose windows in %q: none of %d series can be replayed, the first as: %s", f.traces, len(histories), leftOut[0].Why)
	}
	return windows, leftOut, nil
}
