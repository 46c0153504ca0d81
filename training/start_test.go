package training_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/training"
)

// brought is a prior of other traffic than is trained on.
func brought(t *testing.T) training.Prior {
	t.Helper()
	m, _, err := lstm.Fit(context.Background(), shop(4, 5)[2:], lstm.FitOptions{Seed: 3, Budget: 2 * time.Second, Clock: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	return training.Prior{Version: "prior-1a2b3c4d", Model: m}
}

// TestFrom trains from each start there is, with and without a champion.
func TestFrom(t *testing.T) {
	prior := brought(t)
	r := open(t, "mem://")
	hours := 0
	train := func(from training.From, p training.Prior, parent string) training.Report {
		t.Helper()
		o := options(r, shop(3, 2))
		o.From, o.Prior = from, p
		hours++
		o.Now = func() time.Time { return start.AddDate(0, 1, 0).Add(time.Duration(hours) * time.Hour) }
		report := run(t, o)
		if report.Version.Parent != parent {
			t.Errorf("from %q: parent is %q, want %q", from, report.Version.Parent, parent)
		}
		return report
	}
	scratch := train(training.FromScratch, prior, "")
	if alone := train("", training.Prior{}, ""); alone.Version.Weights != scratch.Version.Weights {
		t.Error("without a prior the fit does not start anew")
	}
	if gone := train("", prior, prior.Version); gone.Version.Weights == scratch.Version.Weights {
		t.Error("the prior changes nothing")
	}
	train(training.FromPrior, prior, prior.Version)
	// There may be a champion by now.
	champion, _ := r.Champion(t.Context())
	if champion.Version == "" {
		train(training.FromChampion, prior, prior.Version)
		promote(t, r, 1, scratch.Version.ID)
		champion.Version = scratch.Version.ID
	}
	train(training.FromChampion, prior, champion.Version)
}

// TestPriorIsScored beside the challenger, and has to be beaten as long as it
// serves.
func TestPriorIsScored(t *testing.T) {
	o := options(open(t, "mem://"), noise())
	o.Prior, o.From = brought(t), training.FromScratch
	var scored []string
	o.OnScore = func(name string, _, total int) {
		if total != 7 {
			t.Errorf("%d are scored, want 7", total)
		}
		scored = append(scored, name)
	}
	report := run(t, o)
	if d := cmp.Diff([]string{"lstm", "prior"}, scored[:2]); d != "" {
		t.Errorf("scored (-want +got):\n%s", d)
	}
	all := map[string]float64{}
	for _, s := range report.Version.Scores {
		if s.From == 1 && s.To == 60 {
			all[s.Forecaster] = s.CRPS
		}
	}
	best := slices.Min([]float64{all["prior"], all["last-value"], all["ewma"], all["seasonal-naive-day"], all["seasonal-naive-week"], all["holt-winters"]})
	if all["prior"] == 0 || report.Promoted != (all["lstm"] < best) || strings.Contains(report.Reason, "the prior's") != (best == all["prior"]) {
		t.Errorf("scores %v, best of the others %v: %s", all, best, report.Reason)
	}
}
