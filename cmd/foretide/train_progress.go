package main

import (
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/training"
)

// trainProgress shows on stderr how a training goes on: a bar where somebody
// watches, else a log line now and then.
type trainProgress struct {
	log  *slog.Logger
	bars *mpb.Progress // nil where nobody watches
	bar  *mpb.Bar
	// text stands beside the bar, which a goroutine of its own draws.
	text atomic.Pointer[string]
}

// scoring is the part of the bar, in percent, that is left for scoring.
const scoring = 10

func (a *app) trainProgress() *trainProgress {
	p := &trainProgress{log: a.log}
	if a.interactive() {
		p.tell("preparing")
		p.bars = mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(60))
		p.bar = p.bars.AddBar(100,
			mpb.PrependDecorators(decor.Name("train "), decor.Percentage(decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + *p.text.Load() })))
	}
	return p
}

func (p *trainProgress) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.text.Store(&text)
}

// masked names the longest of what is left out.
func (p *trainProgress) masked(all []training.Masked) {
	const most = 5
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b training.Masked) int { return b.Known - a.Known })
	for i, m := range all {
		if i == most {
			p.log.Info("masked more", "spans", len(all)-most)
			break
		}
		p.log.Info("masked", "kind", m.Kind, "workload", m.Workload, "from", m.From.Format(time.RFC3339), "to", m.To.Format(time.RFC3339))
	}
}

func (p *trainProgress) fit(f lstm.Progress) {
	if p.bar == nil {
		p.log.Info("fitting", "epoch", f.Epoch, "of", f.Epochs, "step", f.Step, "loss", figures(f.Loss), "validation", figures(f.Validation), "left", f.Left.Round(time.Second).String())
		return
	}
	p.tell("epoch %d of %d, loss %s, validation %s, %v left", f.Epoch, f.Epochs, figures(f.Loss), figures(f.Validation), f.Left.Round(time.Second))
	p.bar.SetCurrent(int64((100 - scoring) * float64(f.Elapsed) / float64(max(f.Elapsed+f.Left, 1))))
}

func (p *trainProgress) score(forecaster string, done, total int) {
	if p.bar == nil {
		p.log.Info("scoring", "by", forecaster, "done", done, "of", total)
		return
	}
	p.tell("scoring %s", forecaster)
	p.bar.SetCurrent(int64(100 - scoring + scoring*done/total))
}

// end leaves the bar full, or where the work was cut short.
func (p *trainProgress) end(whole bool) {
	if p.bar == nil {
		return
	}
	p.tell("")
	if whole {
		p.bar.SetCurrent(100)
	} else {
		p.bar.Abort(false)
	}
	p.bars.Wait()
}

// figures is a loss for people.
func figures(v float64) string { return fmt.Sprintf("%.4f", v) }
