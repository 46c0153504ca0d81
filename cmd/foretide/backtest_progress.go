package main

import (
	"context"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows on stderr how far total steps of something have come: a bar
// where somebody watches, else a log line for every quarter. Call step for each,
// and stop at the end, whether it was reached or not.
func (a *app) progress(ctx context.Context, name string, total int) (step, stop func()) {
	if !a.interactive() {
		done := 0
		return func() {
			done++
			if quarter := max(total/4, 1); done%quarter == 0 {
				a.log.Info("forecasting", "by", name, "done", done, "of", total)
			}
		}, func() {}
	}
	bars := mpb.NewWithContext(ctx, mpb.WithOutput(a.stderr))
	bar := bars.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d / %d")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return bar.Increment, func() {
		bar.Abort(false)
		bars.Wait()
	}
}
