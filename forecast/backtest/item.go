package backtest

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// item is one forecast to make: at step origin of a plan's series, of which the
// steps from since on are known. It is scored unless it only serves to
// calibrate.
type item struct {
	plan, since, origin int
	scored              bool
}

// known is what it is made from.
func (it item) known(plans []Plan) forecast.History {
	h := plans[it.plan].History
	return forecast.History{Workload: h.Workload, Series: h.Between(h.Time(it.since), h.Time(it.origin+1))}
}

// items are the forecasts to make of p, which is the plan of that index, in the
// order of their origins, but for those of a bounded history: each scored one
// then comes after those that it is calibrated by.
func (p Plan) items(plan int, o Options) []item {
	var items []item
	for _, at := range p.Origins {
		it := item{plan: plan, origin: p.History.Index(at), scored: true}
		if o.History > 0 {
			it.since = max(it.origin-int(o.History/forecast.Step)+1, 0)
			items = append(items, it.before(min(LeadIn, o.History), o.Online)...)
		}
		items = append(items, it)
	}
	if o.History == 0 && o.Online > 0 && len(items) > 0 {
		items = between(items, o.Online)
	}
	return slices.DeleteFunc(items, func(it item) bool {
		// From the newest step back, which is mostly known.
		for i := it.origin; i >= it.since; i-- {
			if !math.IsNaN(p.History.Values[i]) {
				return false
			}
		}
		return true
	})
}

// before are the forecasts that it is calibrated by, every so often for so long
// before it; none if every is 0.
func (it item) before(lead, every time.Duration) []item {
	if every == 0 {
		return nil
	}
	var items []item
	step := int(every / forecast.Step)
	for at := it.origin - int(lead/every)*step; at < it.origin; at += step {
		if at >= it.since {
			items = append(items, item{it.plan, it.since, at, false})
		}
	}
	return items
}

// between adds to the scored items of a plan those every so often before and
// between them.
func between(scored []item, every time.Duration) []item {
	first, last := scored[0], scored[len(scored)-1]
	items := append(first.before(LeadIn, every), scored...)
	for at := first.origin; at < last.origin; at += int(every / forecast.Step) {
		items = append(items, item{first.plan, first.since, at, false})
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.origin == b.origin && a.scored != b.scored {
			if a.scored {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.origin, b.origin)
	})
	return slices.CompactFunc(items, func(a, b item) bool { return a.origin == b.origin })
}
