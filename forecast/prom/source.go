package prom

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/foretide/foretide/forecast"
)

// minPageSteps is how far a page is halved before the store's refusal is an
// error.
const minPageSteps = 30

// Source reads the rates of a set of workloads by one query. It may be used
// concurrently.
type Source struct {
	client *Client
	query  string
	// workload names what a series belongs to; ok is false for one that
	// belongs to nothing.
	workload func(model.Metric) (w forecast.Workload, ok bool)
	// label is what workload looks for, empty if it takes any series.
	label string
}

// Preset is the source of all workloads of a mesh, by the mesh's name; see
// [Presets].
func (c *Client) Preset(name string) (*Source, error) {
	m, ok := preset(name)
	if !ok {
		return nil, fmt.Errorf("preset %q: want one of %s", name, strings.Join(Presets(), ", "))
	}
	return c.Bulk(m)
}

// Bulk is the source of all workloads that a query of one's own gives.
func (c *Client) Bulk(m Mapping) (*Source, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("map query to workloads: %w", err)
	}
	return &Source{client: c, query: m.Query, workload: m.workload, label: m.WorkloadLabel}, nil
}

// Query is the source of one workload, whose rate in requests per second the
// query gives as a scalar or as a single series with any labels.
func (c *Client) Query(w forecast.Workload, promql string) (*Source, error) {
	if w.Name == "" || strings.TrimSpace(promql) == "" {
		return nil, fmt.Errorf("query %q for workload %q: want both", promql, w)
	}
	one := func(model.Metric) (forecast.Workload, bool) { return w, true }
	return &Source{client: c, query: promql, workload: one}, nil
}

// Rates gives the rate of every workload in requests per second, over the
// window that ends at the instant at, by one query. A workload whose rate is
// not known, not finite or negative is absent, never zero; if nothing is known
// the map is empty. A store that does not answer is an error, as is a workload
// with more than one series.
func (s *Source) Rates(ctx context.Context, at time.Time) (map[forecast.Workload]float64, error) {
	query, err := s.client.expand(ctx, s.query, at)
	if err != nil {
		return nil, fmt.Errorf("read rates: %w", err)
	}
	v, warnings, _, err := s.client.api.Query(ctx, query, at)
	if err != nil {
		return nil, fmt.Errorf("read rates by %q: %w", query, explain(err))
	}
	s.client.warn(query, warnings)
	var vec model.Vector
	switch v := v.(type) {
	case model.Vector:
		vec = v
	case *model.Scalar:
		vec = model.Vector{{Value: v.Value}}
	default:
		return nil, fmt.Errorf("read rates by %q: the answer is a %s: want a vector or a scalar", query, v.Type())
	}
	names, err := s.names(len(vec), func(i int) model.Metric { return vec[i].Metric })
	if err != nil {
		return nil, fmt.Errorf("read rates by %q: %w", query, err)
	}
	rates := make(map[forecast.Workload]float64, len(vec))
	for i, w := range names {
		if r := float64(vec[i].Value); isRate(r) && vec[i].Histogram == nil {
			rates[w] = r
		}
	}
	return rates, nil
}

// History gives the rate of every workload for the steps stamped from, from +
// Step and so on before to, sorted by workload, all of one length, NaN where a
// rate is not known. The value stamped T is the rate over the window that ends
// at T + Step; so that all steps are over, to must lie a Step in the past. A
// workload that has no rate in all that time is left out. It asks page by page,
// each page for all workloads.
func (s *Source) History(ctx context.Context, from, to time.Time) ([]forecast.History, error) {
	n := int((to.Sub(from) + forecast.Step - 1) / forecast.Step)
	if n <= 0 {
		return nil, nil
	}
	query, err := s.client.expand(ctx, s.query, to)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	values := map[forecast.Workload][]float64{}
	grid := forecast.Series{Start: from}
	for i, page := 0, s.client.page; i < n; {
		k := min(page, n-i)
		r := v1.Range{Start: grid.Time(i + 1), End: grid.Time(i + k), Step: forecast.Step}
		v, warnings, _, err := s.client.api.QueryRange(ctx, query, r)
		if tooLarge(err) && k > minPageSteps {
			page = max(k/2, minPageSteps)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read history from %v to %v by %q: %w", r.Start, r.End, query, explain(err))
		}
		s.client.warn(query, warnings)
		matrix, ok := v.(model.Matrix)
		if !ok {
			return nil, fmt.Errorf("read history by %q: the answer is a %s: want a matrix", query, v.Type())
		}
		names, err := s.names(len(matrix), func(i int) model.Metric { return matrix[i].Metric })
		if err != nil {
			return nil, fmt.Errorf("read history by %q: %w", query, err)
		}
		for j, w := range names {
			place(values, w, n, grid.Time(1), matrix[j].Values)
		}
		i += k
	}
	all := make([]forecast.History, 0, len(values))
	for w, v := range values {
		all = append(all, forecast.History{Workload: w, Series: forecast.Series{Start: from, Values: v}})
	}
	slices.SortFunc(all, func(a, b forecast.History) int { return a.Workload.Compare(b.Workload) })
	return all, nil
}

// place writes a workload's samples into its n values, of which the first was
// evaluated at the instant first.
func place(values map[forecast.Workload][]float64, w forecast.Workload, n int, first time.Time, samples []model.SamplePair) {
	for _, p := range samples {
		i := int(math.Round(float64(p.Timestamp.Time().Sub(first)) / float64(forecast.Step)))
		r := float64(p.Value)
		if i < 0 || i >= n || !isRate(r) {
			continue
		}
		if values[w] == nil {
			values[w] = slices.Repeat([]float64{math.NaN()}, n)
		}
		values[w][i] = r
	}
}

// names gives the workload of each of n series that belongs to one, by the
// series' index. It refuses an answer with two series of one workload, and one
// whose series all lack the label: that is a wrong label, not silence.
func (s *Source) names(n int, metric func(int) model.Metric) (map[int]forecast.Workload, error) {
	names := make(map[int]forecast.Workload, n)
	first := make(map[forecast.Workload]int, n)
	for i := range n {
		w, ok := s.workload(metric(i))
		if !ok {
			continue
		}
		if j, twice := first[w]; twice {
			return nil, fmt.Errorf("workload %q has the series %v and %v: want one, so aggregate them, as by sum", w, metric(j), metric(i))
		}
		first[w], names[i] = i, w
	}
	if n > 0 && len(names) == 0 {
		return nil, fmt.Errorf("none of %d series has the label %q, the first is %v: want it on each", n, s.label, metric(0))
	}
	return names, nil
}

// isRate tells a rate from what division and counters without data leave.
func isRate(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }

// tooLarge tells whether a store understood a query and could not finish it,
// as happens where it touches more samples than it may. Half of the time range
// may pass. A query that fails for another reason while it runs is halved in
// vain, a few times.
func tooLarge(err error) bool {
	var e *v1.Error
	return errors.As(err, &e) && (e.Type == v1.ErrExec || e.Type == v1.ErrTimeout)
}
