package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/accuracy"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/synthetic"
)

// How the demo's shop is scaled, by either way.
const (
	// demoUtilisation is the target per pod by what a pod carries.
	demoUtilisation = 0.7
	demoStartup     = 90 * time.Second
	// demoLead is what Foretide is told a pod takes to serve: its start-up, and
	// what passes before the HPA asks for it.
	demoLead = "3m"
	// busyPods is how many pods a service wants in its busiest hours.
	busyPods = 12
	// reactiveTicks is the [synthetic.Tick]s of the reactive scaler's window and
	// demoLate how many it comes late: a rate over two minutes, 15 s old.
	reactiveTicks, lateTicks = 8, 1
)

// meshSource reads a mesh's load as a metrics store would: the rates of
// finished minutes, and nothing where a scrape went missing.
type meshSource struct{ mesh *synthetic.Mesh }

// Rates is the mean rate of each workload over the minute that ends at at.
func (s meshSource) Rates(ctx context.Context, at time.Time) (map[forecast.Workload]float64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	arrivals := s.mesh.Arrivals(at.Add(-forecast.Step), at)
	rates := make(map[forecast.Workload]float64, len(arrivals))
	for i, w := range s.mesh.Workloads() {
		rate := accuracy.Mean(arrivals[i])
		if !math.IsNaN(rate) && !s.mesh.Missed(w, at.Add(-synthetic.Tick)) {
			rates[w] = rate
		}
	}
	return rates, nil
}

// History is what was recorded in [from, to).
func (s meshSource) History(ctx context.Context, from, to time.Time) ([]forecast.History, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.mesh.History(from, to), nil
}

// demoService is one service of the shop with what a pod of it carries, in
// requests per second.
type demoService struct {
	forecast.Workload
	perPod float64
}

// demoServices sizes a pod of each service by its busy hours on record, as
// whoever runs a shop would have done.
func demoServices(records []forecast.History) []demoService {
	services := make([]demoService, 0, len(records))
	for _, h := range records {
		known := slices.DeleteFunc(slices.Clone(h.Values), math.IsNaN)
		slices.Sort(known)
		busy := accuracy.Quantile(known, 0.99) / busyPods
		services = append(services, demoService{h.Workload, rounded(busy)})
	}
	return services
}

// rounded is v with two digits, as a person would write it.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 1, 64), 64)
	if err != nil {
		return v // cannot be: it was formatted the line before
	}
	return r
}

// fleet is the pods of one service under one HPA, and what they cost.
type fleet struct {
	hpa    *backtest.HPA
	ledger backtest.Ledger
}

// newFleet aims at target requests per second a pod, and begins with the pods
// that load asks for.
func newFleet(s demoService, target, load float64) (*fleet, error) {
	scaling := backtest.DefaultScaling()
	scaling.Target = target
	scaling.Startup = demoStartup
	hpa, err := backtest.NewHPA(scaling, int(math.Ceil(load/scaling.Target)))
	if err != nil {
		return nil, fmt.Errorf("scale %s: %w", s.Workload, err)
	}
	return &fleet{hpa, backtest.Ledger{PerPod: s.perPod}}, nil
}

// tick lets the HPA see metric, NaN if it got none, and serves load for the
// tick from now on.
func (f *fleet) tick(now time.Time, metric, load float64) {
	pods := f.hpa.Sync(now, metric)
	f.ledger.Tick(now, load, pods, f.hpa.Ready(now))
}

func (f *fleet) costs() demoCosts { return demoCosts{f.ledger.Short, f.ledger.PodHours} }

// traffic is what reaches some services from an instant on, and what was
// recorded of it, by tick.
type traffic struct {
	start    time.Time
	arrivals [][]float64 // a row a service, in their order
	missed   [][]bool
}

// lookback is how many ticks before its start a traffic has, for the reactive
// scaler's window.
const lookback = reactiveTicks + lateTicks

// readTraffic reads [from, to) of a mesh.
func readTraffic(m *synthetic.Mesh, services []demoService, from, to time.Time) traffic {
	begin := from.Add(-lookback * synthetic.Tick)
	t := traffic{start: from}
	all, workloads := m.Arrivals(begin, to), m.Workloads()
	for _, s := range services {
		i, _ := slices.BinarySearchFunc(workloads, s.Workload, forecast.Workload.Compare)
		missed := make([]bool, len(all[i]))
		for j := range missed {
			missed[j] = m.Missed(s.Workload, begin.Add(time.Duration(j)*synthetic.Tick))
		}
		t.arrivals, t.missed = append(t.arrivals, all[i]), append(t.missed, missed)
	}
	return t
}

// ticks is how many ticks there are from the start on.
func (t traffic) ticks() int {
	if len(t.arrivals) == 0 {
		return 0
	}
	return len(t.arrivals[0]) - lookback
}

func (t traffic) at(tick int) time.Time {
	return t.start.Add(time.Duration(tick) * synthetic.Tick)
}

// load is what reaches a service in a tick, 0 before it is there.
func (t traffic) load(service, tick int) float64 {
	v := t.arrivals[service][tick+lookback]
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// reactive is what a scaler without a forecast sees at the beginning of a tick:
// the mean rate of what was recorded in its window, NaN if that is nothing.
func (t traffic) reactive(service, tick int) float64 {
	sum, n := 0.0, 0
	for i := tick; i < tick+reactiveTicks; i++ { // lookback places before each
		if v := t.arrivals[service][i]; !math.IsNaN(v) && !t.missed[service][i] {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

// equalPrice finds the reactive scaler that spends as many pod-hours as given
// on the same traffic, by the target of all services together. It is nil where
// none in reach does.
func equalPrice(t traffic, services []demoService, podHours float64) (*demoEqualPrice, error) {
	play := func(utilisation float64) (demoEqualPrice, error) {
		price := demoEqualPrice{Utilisation: utilisation}
		for i, s := range services {
			f, err := newFleet(s, s.perPod*utilisation, t.load(i, 0))
			if err != nil {
				return price, err
			}
			for k := range t.ticks() {
				f.tick(t.at(k), t.reactive(i, k), t.load(i, k))
			}
			price.ShortMinutes += f.ledger.Short
			price.PodHours += f.ledger.PodHours
		}
		return price, nil
	}
	// A lower target takes more pods: halve the range until it is narrow.
	low, high := 0.2, 1.0
	var best *demoEqualPrice
	for high-low > 0.002 {
		middle := (low + high) / 2
		p, err := play(middle)
		if err != nil {
			return nil, err
		}
		if best == nil || math.Abs(p.PodHours-podHours) < math.Abs(best.PodHours-podHours) {
			best = &p
		}
		if p.PodHours > podHours {
			low = middle
		} else {
			high = middle
		}
	}
	if math.Abs(best.PodHours/podHours-1) > 0.01 {
		return nil, nil
	}
	return best, nil
}
