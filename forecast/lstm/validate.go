package lstm

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// example is a window to validate on.
type example struct{ source, origin int }

// heldBack chooses about n windows to validate on, evenly spread, the same
// number of every history.
func (f *fitter) heldBack(n int) []example {
	var examples []example
	each := max(n/len(f.sources), 1)
	for k, s := range f.sources {
		// An odd stride, so that no minute of the hour is left out.
		stride := max((s.Len()-s.fitted)/each, 1) | 1
		for o := s.fitted; o < s.Len()-1; o += stride {
			if s.Known(0, o+1) && s.learnt(o, s.Len()) {
				examples = append(examples, example{k, o})
			}
		}
	}
	return examples
}

// validate is the loss of the running mean of the weights on examples beside
// that of forecasting no change: the geometric mean over histories, so that
// each counts the same however hard it is.
func (f *fitter) validate(ctx context.Context, examples []example) (float64, error) {
	losses, still := make([]float64, len(examples)), make([]float64, len(examples))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(examples); from += chunk {
		part := examples[from:min(from+chunk, len(examples))]
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("fit: stopped while validating: %w", err)
			}
			e := f.engines.Get().(*engine)
			defer f.engines.Put(e)
			for i, x := range part {
				f.sources[x.source].cut(&e.cutter, e.batch, i, 0, x.origin)
			}
			out := e.run(f.mean)
			for i := range part {
				losses[from+i], still[from+i] = float64(e.loss(out, i)), float64(e.unchanged(i))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	sums, stills := make([]float64, len(f.sources)), make([]float64, len(f.sources))
	counts := make([]float64, len(f.sources))
	for i, x := range examples {
		sums[x.source] += losses[i]
		stills[x.source] += still[i]
		counts[x.source]++
	}
	var logs, n float64
	for i, c := range counts {
		if c > 0 {
			// A history that hardly moved while it was held back tells little, and
			// none tells more than that it was forecast twice as badly: no single
			// one decides.
			logs += math.Log(min((sums[i]/c+0.02)/(stills[i]/c+0.02), 2))
			n++
		}
	}
	return math.Exp(logs / max(n, 1)), nil
}
