package prom_test

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/prom"
	"github.com/foretide/foretide/forecast/prom/promtest"
)

const (
	tick    = 15 * time.Second // between two scrapes, as the samples are stamped
	minutes = 14
	ticks   = minutes * 4
)

var nan = math.NaN()

func shop(name string) forecast.Workload { return forecast.Workload{Namespace: "shop", Name: name} }

// A stage plays pods from an instant on, faster than they would live: each
// scrape of a pod is one tick of its own clock.
type stage struct {
	t       *testing.T
	from    time.Time
	targets []promtest.Target
	playing atomic.Int32
}

// pod plays a pod that is scraped at the ticks first to last, skipping those
// from gap to gapEnd. Before each tick it counts what came since the last one.
func (s *stage) pod(w forecast.Workload, first, gap, gapEnd, last int, count func(p *promtest.Pod, k int)) *promtest.Target {
	s.playing.Add(1)
	k, over := first, false
	p := promtest.StartPod(s.t, w, fmt.Sprintf("%s-%d", w.Name, len(s.targets)), func(p *promtest.Pod) time.Time {
		if over {
			return s.from.Add(time.Duration(last) * tick) // the same samples again, which change nothing
		}
		now := k
		for {
			count(p, k)
			if k++; k <= gap || k > gapEnd {
				break
			}
			now = k
		}
		if k > last {
			over = true
			s.playing.Add(-1)
		}
		return s.from.Add(time.Duration(now) * tick)
	})
	s.targets = append(s.targets, p.Target())
	return &s.targets[len(s.targets)-1]
}

// Both meshes' counters, scraped by a real server: each request is counted once
// although both sides report it, whatever the answer and the client were; pods
// come and go, counters start again, and what is not scraped is missing.
func TestPresets(t *testing.T) {
	t.Parallel()
	web, mobile, ingress := shop("web"), shop("mobile"), shop("ingress")
	s := &stage{t: t, from: time.Now().Truncate(time.Minute).Add(-40 * time.Minute)}
	second := tick.Seconds()
	serve := func(rate float64) func(*promtest.Pod, int) {
		return func(p *promtest.Pod, _ int) { p.Receive(web, 200, rate*second) }
	}
	const never = ticks + 1
	for i := range 2 {
		s.pod(shop("cart"), 0, never, never, ticks, func(p *promtest.Pod, k int) {
			if i == 0 && k == ticks/2 {
				p.Restart() // a container dies, its counters begin again
			}
			p.Receive(web, 200, 3*second)
			p.Receive(web, 503, 1*second)
			p.Receive(mobile, 200, 2*second)
			p.Probe(1 * second)
		})
	}
	s.pod(web, 0, never, never, ticks, func(p *promtest.Pod, _ int) {
		p.Receive(ingress, 200, 20*second)
		p.Send(shop("cart"), 200, 6*second)
		p.Send(shop("cart"), 503, 2*second)
		p.Send(forecast.Workload{Namespace: "unknown", Name: "unknown"}, 200, second)
	})
	s.pod(shop("pay"), 0, never, never, 40, serve(5))
	s.pod(shop("pay"), 36, never, never, ticks, serve(5)) // its successor
	s.pod(shop("idle"), 0, never, never, ticks, serve(0))
	s.pod(shop("gone"), 0, never, never, 20, serve(3))
	s.pod(shop("unseen"), 0, 20, 40, ticks, serve(2))
	db := s.pod(shop("db"), 0, never, never, ticks, serve(0.25))
	delete(db.Labels, "deployment")
	db.Labels["statefulset"] = "db"

	server := promtest.Start(t, promtest.Options{ScrapeInterval: 400 * time.Millisecond, Targets: s.targets})
	for deadline := time.Now().Add(2 * time.Minute); s.playing.Load() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pods are still playing", s.playing.Load())
		}
	}
	time.Sleep(time.Second) // the last scrape is answered, and is being stored

	constant := func(v float64) []float64 {
		values := make([]float64, minutes)
		for i := range values {
			values[i] = v
		}
		return values
	}
	set := func(values []float64, from, to int, v float64) []float64 {
		for i := from; i < to; i++ {
			values[i] = v
		}
		return values
	}
	want := []forecast.History{
		{Workload: shop("cart"), Series: forecast.Series{Values: constant(12)}},
		{Workload: shop("db"), Series: forecast.Series{Values: constant(0.25)}},
		{Workload: shop("gone"), Series: forecast.Series{Values: set(constant(3), 5, minutes, nan)}},
		{Workload: shop("idle"), Series: forecast.Series{Values: constant(0)}},
		{Workload: shop("pay"), Series: forecast.Series{Values: set(constant(5), 9, 10, 10)}},
		{Workload: shop("unseen"), Series: forecast.Series{Values: set(constant(2), 5, 10, nan)}},
		{Workload: shop("web"), Series: forecast.Series{Values: constant(20)}},
	}
	rates := map[forecast.Workload]float64{}
	for i := range want {
		want[i].Start = s.from
		if v := want[i].Values[minutes-1]; !math.IsNaN(v) {
			rates[want[i].Workload] = v
		}
	}

	client := newClient(t, prom.Config{URL: server.URL, Window: time.Minute})
	near := cmp.Options{cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateNaNs()}
	for _, name := range prom.Presets() {
		t.Run(name, func(t *testing.T) {
			source, err := client.Preset(name)
			if err != nil {
				t.Fatal(err)
			}
			end := s.from.Add(minutes * time.Minute)
			got, err := source.History(t.Context(), s.from, end)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, near); d != "" {
				t.Errorf("history (-want +got):\n%s", d)
			}
			now, err := source.Rates(t.Context(), end)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rates, now, near); d != "" {
				t.Errorf("rates (-want +got):\n%s", d)
			}
			later, err := source.Rates(t.Context(), end.Add(10*time.Minute))
			if err != nil || later == nil || len(later) != 0 {
				t.Errorf("rates when nothing is known: %v, %v; want an empty map", later, err)
			}
		})
	}
}

func newClient(t *testing.T, cfg prom.Config) *prom.Client {
	t.Helper()
	client, err := prom.New(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
