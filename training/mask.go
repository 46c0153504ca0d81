package training

import (
	"context"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/registry"
)

// Masked is a span of a history that nothing is learnt from.
type Masked struct {
	Workload string `json:"workload"`
	mask.Span
	// Known is how many minutes of the span would have been learnt from.
	Known int `json:"knownMinutes"`
}

// lessons are histories as the network sees them, and what of them it learns.
type lessons struct {
	seen   []forecast.History
	truth  []forecast.Series
	masked []Masked
}

// unseen are the kinds that are hidden from the windows of later days as well:
// their values tell nothing of the days to come. What a step changed is what
// the days to come are like. Dips and surges are no season, and to be reckoned
// with: without them the network is surer of itself than it may be.
func unseen() []mask.Kind { return []mask.Kind{mask.Labelled, mask.Gap, mask.Outage} }

// untaught are the kinds that are not learnt as what may come.
func untaught() []mask.Kind { return append(unseen(), mask.Step) }

// prepare finds what of histories is masked; find may be nil for nothing.
func prepare(ctx context.Context, histories []forecast.History, find func(forecast.History) []mask.Span) (lessons, error) {
	l := lessons{seen: slices.Clone(histories), truth: make([]forecast.Series, len(histories))}
	found := make([][]mask.Span, len(histories))
	if find != nil {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i, h := range histories {
			g.Go(func() error {
				found[i] = find(h)
				return ctx.Err()
			})
		}
		if err := g.Wait(); err != nil {
			return lessons{}, err
		}
	}
	for i, h := range histories {
		l.truth[i] = h.Series
		if len(found[i]) == 0 {
			continue
		}
		l.seen[i].Series = mask.Hide(h.Series, found[i], unseen()...)
		l.truth[i] = mask.Hide(h.Series, lengthened(found[i]), untaught()...)
		for _, s := range found[i] {
			if slices.Contains(untaught(), s.Kind) {
				l.masked = append(l.masked, Masked{h.Workload.String(), s, h.Between(s.From, s.To).Known()})
			}
		}
	}
	return l, nil
}

// lengthened are spans with an hour more for each outage: while it lasts,
// nothing tells when the load is back, least of all where it is hidden.
func lengthened(spans []mask.Span) []mask.Span {
	spans = slices.Clone(spans)
	for i, s := range spans {
		if s.Kind == mask.Outage {
			spans[i].To = s.To.Add(forecast.Horizon * forecast.Step)
		}
	}
	return spans
}

// summary is what the manifest says of what was masked.
func summary(masked []Masked) registry.Masked {
	var s registry.Masked
	workloads := map[string]bool{}
	for _, m := range masked {
		if s.Spans == nil {
			s.Spans = map[string]int{}
		}
		s.Spans[string(m.Kind)]++
		s.KnownMinutes += m.Known
		workloads[m.Workload] = true
	}
	s.Workloads = len(workloads)
	return s
}
