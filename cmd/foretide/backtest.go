package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/lstm"
)

// backtestFlags are what a backtest is asked for.
type backtestFlags struct {
	traces, store, model, origins, forecaster, forecasts, peaks string
	online                                                      bool
	every                                                       time.Duration
	history                                                     model.Duration
}

func newBacktestCommand(a *app) *cobra.Command {
	var f backtestFlags
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Forecast recorded traffic as if it were now, and score it",
		Long: "Forecast recorded series from one origin after the other, each time from what was known\n" +
			"then, and score the forecasts against what came. Every figure is a ratio to the seasonal\n" +
			"naive forecast of one day on the same series, then the geometric mean over the series:\n" +
			"below 1 is better than it. The baselines stand beside for comparison.\n\n" +
			"The forecasts are weighed and corrected as the serving loop does it, which learns from what came\n" +
			"of earlier ones: they are made every --every, from two days before a series' first origin on.\n" +
			"--online=false shows what the forecaster says by itself, and is quicker.\n\n" +
			"--history 1h shows what is forecast of a workload that is an hour old: at each origin only so much\n" +
			"is known, to the baselines too, and what is learned online begins anew with it.\n\n" +
			"Without --origins there is one origin an hour over the last 30 % of each series.",
		Example: "  foretide backtest --traces ./traces --store file:///var/lib/foretide\n" +
			"  foretide backtest --traces ./traces --store s3://models?region=eu-west-1 --forecasts forecasts.csv.gz --peaks peaks.csv\n" +
			"  foretide backtest --traces ./traces --model prior --history 1d\n" +
			"  foretide backtest --traces ./traces --forecaster holt-winters --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.backtest(c.Context(), f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.traces, "traces", "", "folder of recorded series: CSV files, plain or gzipped, with the header timestamp,value")
	fs.StringVar(&f.store, "store", "", "URL of the store with the model, such as file:///var/lib/foretide")
	fs.StringVar(&f.model, "model", "", "version of the model, or prior for the one that foretide brings, which needs no store; the champion if left out")
	fs.StringVar(&f.origins, "origins", "", "CSV file of the origins to forecast from, with the columns series and origin_unix")
	fs.StringVar(&f.forecasts, "forecasts", "", "write all forecasts to this CSV file, gzipped if it ends in .gz")
	fs.StringVar(&f.peaks, "peaks", "", "write the 0.95 quantile of the largest rate of the next 5 and 15 minutes to this CSV file")
	fs.BoolVar(&f.online, "online", true, "weigh and correct the forecasts as the serving loop does")
	fs.DurationVar(&f.every, "every", 5*time.Minute, "how often --online forecasts")
	fs.Var(&f.history, "history", "how much is known before each origin, such as 1h, 3d or 2w; everything if left out")
	names := []string{lstm.Name}
	for _, b := range baseline.All() {
		names = append(names, b.Name())
	}
	fs.Var(newChoice(&f.forecaster, names[0], names[1:]...), "forecaster", "what to backtest: "+orList(names)+"; only the first needs a model")
	return c
}

func orList(words []string) string {
	out := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			out += " or " + w
		} else {
			out += ", " + w
		}
	}
	return out
}

// check finds what is wrong with the flags before any work is done.
func (f backtestFlags) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	wrong = append(wrong, folderMistake("--traces", f.traces))
	if f.forecaster == lstm.Name {
		wrong = append(wrong, modelMistake(f.store, f.model)...)
	} else {
		if f.store != "" {
			bad("--store %q: want none with --forecaster %s", f.store, f.forecaster)
		}
		if f.model != "" {
			bad("--model %q: want none with --forecaster %s", f.model, f.forecaster)
		}
	}
	if f.online && (f.every < forecast.Step || f.every%forecast.Step != 0) {
		bad("--every %v: want a multiple of %v", f.every, forecast.Step)
	}
	if known := time.Duration(f.history); known < 0 || known%forecast.Step != 0 {
		bad("--history %v: want a multiple of %v", f.history, forecast.Step)
	}
	wrong = append(wrong, inputMistake("--origins", f.origins))
	wrong = append(wrong, outputMistakes("--forecasts", f.forecasts, "--peaks", f.peaks)...)
	return usage(wrong...)
}

func (a *app) backtest(ctx context.Context, f backtestFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	var report backtestReport
	var asked forecast.Forecaster
	for _, b := range baseline.All() {
		if b.Name() == f.forecaster {
			asked = b
		}
	}
	if asked == nil {
		network, version, err := loadModel(ctx, f.store, f.model)
		if err != nil {
			return err
		}
		asked, report.Model = network, version
	}
	plans, leftOut, err := a.backtestPlans(f)
	if err != nil {
		return err
	}
	report.LeftOut = leftOut
	out, err := createForecastFiles(f.forecasts, f.peaks)
	if err != nil {
		return err
	}
	defer out.discard()

	forecasters := []forecast.Forecaster{asked}
	for _, b := range baseline.All() {
		// The reference itself would only show 1.
		if b.Name() != f.forecaster && b.Name() != baseline.SeasonalNaiveDay().Name() {
			forecasters = append(forecasters, b)
		}
	}
	total := 0
	for _, p := range plans {
		total += len(p.Origins)
	}
	for i, by := range forecasters {
		step, stop := a.progress(ctx, by.Name(), total)
		every := time.Duration(0)
		if f.online && i == 0 {
			every = f.every // the others stand beside as they are
		}
		result, err := backtest.Run(ctx, plans, by, backtest.Options{
			Calls:   runtime.GOMAXPROCS(0),
			Online:  every,
			History: time.Duration(f.history),
			OnForecast: func(_ forecast.Series, fc forecast.Forecast) error {
				step()
				if i > 0 {
					return nil
				}
				return out.add(fc)
			},
		})
		stop()
		if err != nil {
			return err
		}
		report.Results = append(report.Results, result)
		if i == 0 {
			if err := out.commit(); err != nil {
				return err
			}
		}
	}
	return a.result(report, report.text)
}

// backtestPlans reads the series and finds what to forecast of them.
func (a *app) backtestPlans(f backtestFlags) (plans []backtest.Plan, leftOut []backtest.Dropped, err error) {
	histories, err := a.readTraces(f.traces)
	if err != nil {
		return nil, nil, err
	}
	if f.origins == "" {
		for _, h := range histories {
			p, err := backtest.Choose(h)
			if err != nil {
				leftOut = append(leftOut, backtest.Dropped{Series: h.Workload.String(), Why: err.Error()})
				continue
			}
			plans = append(plans, p)
		}
		if len(plans) == 0 {
			return nil, nil, fmt.Errorf("choose origins in %q: none of %d series can be scored, the first as: %s", f.traces, len(histories), leftOut[0].Why)
		}
		return plans, leftOut, nil
	}
	file, err := os.Open(f.origins)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // read from only
	origins, err := backtest.ReadOrigins(file)
	if err == nil {
		plans, err = origins.Plans(histories)
	}
	if err != nil {
		return nil, nil, usage(fmt.Errorf("--origins %q: %w", f.origins, err))
	}
	return plans, nil, nil
}
