package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/scaler"
)

const noSnapshot = "there is no snapshot yet: the first step waits for the metrics store to answer; ask again in some seconds"

// Bounds of the query parameters: hours of history of one workload, and
// minutes of history in the small charts of the overview.
const (
	defaultHours = 6
	maxHours     = 14 * 24
	maxSpark     = 24 * 60
)

func (h *handler) workloads(w http.ResponseWriter, r *http.Request) {
	minutes, err := number(r, "spark", 0, 0, maxSpark)
	if err != nil {
		h.fail(w, r, http.StatusBadRequest, "%v", err)
		return
	}
	snap, now := h.Source.Snapshot(), h.Clock()
	if snap == nil {
		h.fail(w, r, http.StatusServiceUnavailable, "%s", noSnapshot)
		return
	}
	v := overview{moment: h.moment(snap, now), Workloads: make([]glance, 0, len(snap.Workloads))}
	from := snap.At.Add(-time.Duration(minutes) * time.Minute)
	for _, s := range workloadsOf(snap) {
		g := glanceOf(s, now)
		if minutes > 0 {
			g.Spark = sparkOf(s, from)
		}
		v.Workloads = append(v.Workloads, g)
	}
	h.answer(w, r, http.StatusOK, v)
}

// workloadPath is where single workloads lie: a namespace and a name, or a
// name alone, each escaped by itself.
const workloadPath = "/api/v1/workloads/"

// named is the workload that a path under workloadPath names. The mux's own
// wildcards are not used, as they never match a lone escaped slash.
func named(r *http.Request) (w forecast.Workload, ok bool) {
	namespace, name, found := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), workloadPath), "/")
	if !found {
		namespace, name = "", namespace
	}
	var errs [2]error
	w.Namespace, errs[0] = url.PathUnescape(namespace)
	w.Name, errs[1] = url.PathUnescape(name)
	return w, name != "" && !strings.Contains(name, "/") && errors.Join(errs[:]...) == nil
}

func (h *handler) workload(w http.ResponseWriter, r *http.Request) {
	want, ok := named(r)
	if !ok {
		h.notFound(w, r)
		return
	}
	hours, err := number(r, "hours", defaultHours, 1, maxHours)
	if err != nil {
		h.fail(w, r, http.StatusBadRequest, "%v", err)
		return
	}
	snap, now := h.Source.Snapshot(), h.Clock()
	if snap == nil {
		h.fail(w, r, http.StatusServiceUnavailable, "%s", noSnapshot)
		return
	}
	all := workloadsOf(snap)
	i := slices.IndexFunc(all, func(s *scaler.WorkloadState) bool { return s.Workload == want })
	if i < 0 {
		h.fail(w, r, http.StatusNotFound, "workload %q: want one of the %d that /api/v1/workloads lists", want, len(all))
		return
	}
	from := snap.At.Add(-time.Duration(hours) * time.Hour)
	h.answer(w, r, http.StatusOK, detailOf(h.moment(snap, now), all[i], from))
}

// workloadsOf is a snapshot's workloads, each once. Triggers that read one
// workload's load from several sources have a state for each, one after the
// other: the first, which knows most, stands for it with the decisions of all.
func workloadsOf(snap *scaler.Snapshot) []*scaler.WorkloadState {
	var out []*scaler.WorkloadState
	for _, s := range snap.Workloads {
		last := len(out) - 1
		if last < 0 || out[last].Workload != s.Workload {
			out = append(out, s)
			continue
		}
		both := *out[last]
		both.Decisions = slices.Concat(both.Decisions, s.Decisions)
		both.Err = cmp.Or(both.Err, s.Err)
		out[last] = &both
	}
	return out
}

func (h *handler) model(w http.ResponseWriter, r *http.Request) {
	if _, err := number(r, "", 0, 0, 0); err != nil {
		h.fail(w, r, http.StatusBadRequest, "%v", err)
		return
	}
	snap := h.Source.Snapshot()
	if snap == nil {
		h.fail(w, r, http.StatusServiceUnavailable, "%s", noSnapshot)
		return
	}
	h.answer(w, r, http.StatusOK, h.moment(snap, h.Clock()))
}

type ledgerView struct {
	Total     ledgerRow   `json:"total"`
	Workloads []ledgerRow `json:"workloads"`
}

type ledgerRow struct {
	*forecast.Workload
	Minutes  int        `json:"minutes"`
	Ours     ledgerSide `json:"foretide"`
	Reactive ledgerSide `json:"reactive"`
}

type ledgerSide struct {
	ShortMinutes int     `json:"shortMinutes"`
	PodHours     float64 `json:"podHours"`
}

func (h *handler) ledger(w http.ResponseWriter, r *http.Request) {
	if _, err := number(r, "", 0, 0, 0); err != nil {
		h.fail(w, r, http.StatusBadRequest, "%v", err)
		return
	}
	v := ledgerView{Workloads: []ledgerRow{}}
	for _, row := range h.Ledger() {
		v.Workloads = append(v.Workloads, ledgerRow{
			Workload: &row.Workload,
			Minutes:  row.Minutes,
			Ours:     ledgerSide{row.ShortMinutes, row.PodHours},
			Reactive: ledgerSide{row.ReactiveShortMinutes, row.ReactivePodHours},
		})
		t := &v.Total
		t.Minutes += row.Minutes
		t.Ours.ShortMinutes += row.ShortMinutes
		t.Ours.PodHours += row.PodHours
		t.Reactive.ShortMinutes += row.ReactiveShortMinutes
		t.Reactive.PodHours += row.ReactivePodHours
	}
	slices.SortFunc(v.Workloads, func(a, b ledgerRow) int { return a.Compare(*b.Workload) })
	h.answer(w, r, http.StatusOK, v)
}

// number reads the one query parameter that a path takes, a whole number from
// low to high; an empty name says that it takes none. Any other parameter is
// an error, as a misspelt one would silently answer another question.
func number(r *http.Request, name string, fallback, low, high int) (int, error) {
	takes := "none"
	if name != "" {
		takes = fmt.Sprintf("%q, a whole number from %d to %d", name, low, high)
	}
	query := r.URL.Query()
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if key != name {
			return 0, fmt.Errorf("query parameter %q: this path takes %s", key, takes)
		}
	}
	if !query.Has(name) {
		return fallback, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < low || n > high || len(query[name]) > 1 {
		return 0, fmt.Errorf("query parameter %s %q: want %s", name, strings.Join(query[name], ","), takes)
	}
	return n, nil
}
