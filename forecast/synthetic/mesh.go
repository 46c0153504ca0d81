// Package synthetic makes up the traffic of meshes that never were: lifelike
// enough to train on and to show Foretide at work, and the same on every
// machine for the same seed.
//
// Nothing is stored and no clock is read. The value of an instant depends on
// the seed and the instant alone, so that any two ranges agree where they
// overlap: chance comes from hashes of the time, slow wandering from smooth
// noise between hashed lattice points instead of a running process.
package synthetic

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Tick is the finest grid of a mesh: requests are counted per tick, and a
// [forecast.Step] is the sum of its ticks.
const Tick = 15 * time.Second

const ticksPerStep = int(forecast.Step / Tick)

// Edge is one workload calling another.
type Edge struct {
	From, To forecast.Workload
	// Calls is how many calls one request to From makes to To on average, and
	// Lag how much later they arrive, a multiple of [Tick].
	Calls float64
	Lag   time.Duration
}

// Event is something that happens once and shows in the traffic.
type Event struct {
	At time.Time
	// What says it in some words, such as "a flash sale begins".
	What string
}

// Mesh is a set of workloads, what the world asks of each, and who calls
// whom. It is immutable and safe for concurrent use.
type Mesh struct {
	seed     uint64
	opening  time.Time
	services []service // callers before callees
	pad      int       // ticks that the longest chain of lags reaches back
	events   []Event   // in the order of time
}

type service struct {
	workload forecast.Workload
	own      []demand // what the world asks of it, beside its callers
	calls    []call   // its callers
	appears  time.Time
}

// call is the callee's view of an Edge.
type call struct {
	from  int // index of the caller
	ratio float64
	// From changed on, over the minutes of a rollout, the ratio is changedTo.
	changed   time.Time
	changedTo float64
	lag       int // ticks
}

// Opening is when the mesh's records begin: midnight UTC of the day it was
// made with. There is traffic before, but no record of it.
func (m *Mesh) Opening() time.Time { return m.opening }

// Workloads are those of the mesh, sorted, those included that appear later.
func (m *Mesh) Workloads() []forecast.Workload {
	var names []forecast.Workload
	for _, s := range m.services {
		names = append(names, s.workload)
	}
	slices.SortFunc(names, forecast.Workload.Compare)
	return names
}

// Edges is the call graph as it is at t, sorted by caller, then callee.
func (m *Mesh) Edges(t time.Time) []Edge {
	var edges []Edge
	for _, s := range m.services {
		if t.Before(s.appears) {
			continue
		}
		for _, c := range s.calls {
			edges = append(edges, Edge{
				From: m.services[c.from].workload, To: s.workload,
				Calls: c.at(t), Lag: time.Duration(c.lag) * Tick,
			})
		}
	}
	slices.SortFunc(edges, func(a, b Edge) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To))
	})
	return edges
}

// Events is what happens in [from, to), in the order of time.
func (m *Mesh) Events(from, to time.Time) []Event {
	var events []Event
	for _, e := range m.events {
		if !e.At.Before(from) && e.At.Before(to) {
			events = append(events, e)
		}
	}
	return events
}

// Rate is how many requests per second reached w in the tick that holds t;
// NaN where the mesh has no such workload yet. It is the truth that a scraper
// may miss, see [Mesh.History].
func (m *Mesh) Rate(w forecast.Workload, t time.Time) float64 {
	tick := tickOf(t)
	for i, row := range m.intensities(tick, tick+1) {
		if m.services[i].workload == w {
			return m.arrived(i, tick, row[0])
		}
	}
	return math.NaN()
}

// Arrivals is [Mesh.Rate] for each tick that begins in [from, to): a row a
// workload, in the order of [Mesh.Workloads].
func (m *Mesh) Arrivals(from, to time.Time) [][]float64 {
	a, b := ceilTick(from), ceilTick(to)
	rows := m.intensities(a, max(a, b))
	order := m.sorted()
	arrived := make([][]float64, len(order))
	for k, i := range order {
		for j, v := range rows[i] {
			rows[i][j] = m.arrived(i, a+int64(j), v)
		}
		arrived[k] = rows[i]
	}
	return arrived
}

// History is what a scraper recorded of each workload in the full minutes that
// begin in [from, to), sorted by workload, in requests per second: NaN where a
// scrape went missing. A workload that has not yet appeared by to is left out,
// and one that appears within the range begins with its first minute.
func (m *Mesh) History(from, to time.Time) []forecast.History {
	start := from.Truncate(forecast.Step)
	if start.Before(from) {
		start = start.Add(forecast.Step)
	}
	steps := max(0, int((to.Sub(start)+forecast.Step-1)/forecast.Step))
	ticks := m.Arrivals(start, start.Add(time.Duration(steps)*forecast.Step))
	var histories []forecast.History
	for k, i := range m.sorted() {
		s := m.services[i]
		h := forecast.History{Workload: s.workload, Series: forecast.Series{Start: start, Values: make([]float64, steps)}}
		for j := range h.Values {
			if at := h.Time(j); m.missed(i, at) {
				h.Values[j] = math.NaN()
			} else {
				for _, v := range ticks[k][j*ticksPerStep : (j+1)*ticksPerStep] {
					h.Values[j] += v / float64(ticksPerStep)
				}
			}
		}
		if start.Before(s.appears) {
			h.Series = h.Between(s.appears, to)
		}
		if h.Len() > 0 {
			histories = append(histories, h)
		}
	}
	return histories
}

// Missed says whether the scraper has no value for the minute of w that holds
// t, as [Mesh.History] then says with NaN.
func (m *Mesh) Missed(w forecast.Workload, t time.Time) bool {
	for i, s := range m.services {
		if s.workload == w {
			return m.missed(i, t.Truncate(forecast.Step))
		}
	}
	return true
}

// intensities are the expected rates in ticks [a, b), a row a service. A row
// is worked out from its callers' rows, begun early enough for their lags.
func (m *Mesh) intensities(a, b int64) [][]float64 {
	first := a - int64(m.pad)
	rows := make([][]float64, len(m.services))
	for i, s := range m.services {
		row := make([]float64, b-first)
		for j := range row {
			t := tickTime(first + int64(j))
			if t.Before(s.appears) {
				row[j] = math.NaN()
				continue
			}
			for k := range s.own {
				row[j] += s.own[k].at(hash(m.seed, uint64(i), uint64(k), 1), t)
			}
			for k, c := range s.calls {
				// The first entries of a row lack a caller's past; they belong
				// to the pad, which is cut off below.
				if from := rows[c.from][max(0, j-c.lag)]; !math.IsNaN(from) {
					row[j] += from * c.at(t) * wander(hash(m.seed, uint64(i), uint64(k), 2), t, callNoise)
				}
			}
		}
		rows[i] = row
	}
	for i := range rows {
		rows[i] = rows[i][m.pad:]
	}
	return rows
}

// arrived is a count drawn around the expected rate, as a rate again.
func (m *Mesh) arrived(i int, tick int64, intensity float64) float64 {
	if math.IsNaN(intensity) {
		return intensity
	}
	n := poisson(hash(m.seed, uint64(i), uint64(tick), 3), intensity*Tick.Seconds())
	return n / Tick.Seconds()
}

// missed loses single scrapes of a service now and then, and once in some days
// those of the whole mesh for minutes, as when the scraper restarts.
func (m *Mesh) missed(i int, at time.Time) bool {
	minute := at.Unix() / 60
	if unit(hash(m.seed, uint64(i), uint64(minute), 4)) < 0.001 {
		return true
	}
	day := minute / (24 * 60)
	h := hash(m.seed, uint64(day), 5)
	begin, length := int64(unit(h)*(24*60-40)), int64(4+unit(hash(h))*25)
	into := minute - day*24*60 - begin
	return unit(hash(h, 1)) < 0.2 && into >= 0 && into < length
}

func (m *Mesh) sorted() []int {
	order := make([]int, len(m.services))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return m.services[a].workload.Compare(m.services[b].workload)
	})
	return order
}

// longest is how many ticks the longest chain of calls lags behind its start.
func longest(services []service) int {
	reach, top := make([]int, len(services)), 0
	for i, s := range services {
		for _, c := range s.calls {
			reach[i] = max(reach[i], reach[c.from]+c.lag)
		}
		top = max(top, reach[i])
	}
	return top
}

func (c call) at(t time.Time) float64 {
	if c.changed.IsZero() {
		return c.ratio
	}
	const rollout = 8 * time.Minute
	return c.ratio + (c.changedTo-c.ratio)*ramp(float64(t.Sub(c.changed))/float64(rollout))
}

func tickTime(tick int64) time.Time { return time.Unix(tick*int64(Tick/time.Second), 0).UTC() }

func tickOf(t time.Time) int64 {
	return int64(math.Floor(float64(t.Unix()) / Tick.Seconds()))
}

func ceilTick(t time.Time) int64 {
	if n := tickOf(t); !tickTime(n).Before(t) {
		return n
	}
	return tickOf(t) + 1
}
