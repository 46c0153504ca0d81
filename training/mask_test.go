package training_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/mask"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/training"
)

// TestMaskedIsNotLearnt: whatever stands in a masked span, the weights are the
// same, and the report and the manifest name it.
func TestMaskedIsNotLearnt(t *testing.T) {
	from, to := start.Add(30*time.Hour), start.Add(32*time.Hour)
	masked := func(value float64, kind mask.Kind) training.Report {
		histories := shop(3, 2)
		histories[1].Values = slices.Clone(histories[1].Values)
		part := histories[1].Between(from, to)
		for i := range part.Values {
			part.Values[i] = value
		}
		o := options(open(t, "mem://"), histories)
		o.Budget = time.Second
		var told []training.Masked
		o.OnMask = func(m []training.Masked) { told = m }
		o.Mask = func(h forecast.History) []mask.Span {
			if h.Workload == histories[1].Workload {
				return []mask.Span{{Kind: kind, From: from, To: to}}
			}
			return nil
		}
		report := run(t, o)
		if d := cmp.Diff(report.Masked, told); d != "" {
			t.Errorf("told otherwise than reported:\n%s", d)
		}
		return report
	}
	zero, huge := masked(0, mask.Outage), masked(1e4, mask.Outage)
	if zero.Version.Weights != huge.Version.Weights {
		t.Error("what is in an outage changes the weights")
	}
	want := []training.Masked{{Workload: shop(3, 2)[1].Workload.String(), Span: mask.Span{Kind: mask.Outage, From: from, To: to}, Known: 120}}
	if d := cmp.Diff(want, zero.Masked); d != "" {
		t.Errorf("masked (-want +got):\n%s", d)
	}
	if d := cmp.Diff(registry.Masked{Workloads: 1, KnownMinutes: 120, Spans: map[string]int{"outage": 1}}, zero.Version.Data.Masked); d != "" {
		t.Errorf("the manifest's (-want +got):\n%s", d)
	}
	// What comes after a gap is to be forecast from within it, and what comes
	// after an outage is not.
	missing := masked(math.NaN(), mask.Gap)
	if missing.Masked[0].Known != 0 {
		t.Errorf("of missing minutes %+v is masked", missing.Masked)
	}
	if missing.Version.Weights == zero.Version.Weights {
		t.Error("the hour after an outage is learnt")
	}

	// What a step changed is looked back on, and not learnt; a surge is load.
	if masked(0, mask.Step).Version.Weights == masked(1e3, mask.Step).Version.Weights {
		t.Error("what is in a step is not looked back on")
	}
	surge := masked(50, mask.Surge)
	if surge.Masked != nil || surge.Version.Data.Masked.Spans != nil {
		t.Errorf("a surge is masked: %+v", surge.Masked)
	}
	plain := shop(3, 2)
	plain[1].Values = slices.Clone(plain[1].Values)
	part := plain[1].Between(from, to)
	for i := range part.Values {
		part.Values[i] = 50
	}
	o := options(open(t, "mem://"), plain)
	o.Budget = time.Second
	if run(t, o).Version.Weights != surge.Version.Weights {
		t.Error("what is in a surge is not learnt")
	}
}
