package training_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/forecast/registry/s3test"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/training"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// shop is a few of the shop's services over so many days.
func shop(days, services int) []forecast.History {
	return synthetic.Shop(1, start).History(start, start.AddDate(0, 0, days))[:services]
}

func open(t testing.TB, url string) *registry.Registry {
	t.Helper()
	r, err := registry.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// options train for a moment by a clock that stands still, so that no machine
// is too slow.
func options(r *registry.Registry, histories []forecast.History) training.Options {
	return training.Options{
		Histories: histories, Registry: r, Seed: 7, Budget: 4 * time.Second, Binary: "test",
		Now: func() time.Time { return start.AddDate(0, 1, 0) },
	}
}

func run(t *testing.T, o training.Options) training.Report {
	t.Helper()
	report, err := training.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRun(t *testing.T) {
	histories := shop(3, 2)
	f := func(name, url string) {
		t.Run(name, func(t *testing.T) {
			r := open(t, url)
			o := options(r, histories)
			var fits int
			var scored []string
			o.OnFit = func(p lstm.Progress) { fits++ }
			o.OnScore = func(name string, done, total int) {
				if done != len(scored) || total != 6 {
					t.Errorf("%s is %d of %d", name, done, total)
				}
				scored = append(scored, name)
			}
			report := run(t, o)

			if want := []string{"lstm", "last-value", "ewma", "seasonal-naive-day", "seasonal-naive-week", "holt-winters"}; !cmp.Equal(scored, want) {
				t.Errorf("scored %v, want %v", scored, want)
			}
			if fits == 0 {
				t.Error("no progress")
			}
			m, weights, err := r.Get(t.Context(), report.Version.ID)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(report.Version, m); d != "" {
				t.Error(d)
			}
			if _, err := lstm.Decode(strings.NewReader(string(weights))); err != nil {
				t.Error(err)
			}
			if m.Data.Workloads != 2 || m.Data.KnownMinutes < 2*training.Enough || !m.Data.From.Equal(start) || !m.Data.To.Equal(start.AddDate(0, 0, 3)) {
				t.Errorf("data is %+v", m.Data)
			}
			if len(m.Scores) != 6*4 || m.Scores[0].Forecaster != "lstm" || m.Scores[3].To != forecast.Horizon {
				t.Errorf("scores are %+v", m.Scores)
			}
			if !m.Training.Reproducible || m.Training.Seed != 7 || m.Training.Steps == 0 {
				t.Errorf("training is %+v", m.Training)
			}

			// Promoted if and only if it beats the baselines, as the scores say.
			mine, best := math.NaN(), math.Inf(1)
			for _, s := range m.Scores {
				if s.From == 1 && s.To == forecast.Horizon {
					if s.Forecaster == "lstm" {
						mine = s.CRPS
					} else {
						best = min(best, s.CRPS)
					}
				}
			}
			champion, err := r.Champion(t.Context())
			if mine < best != report.Promoted || report.Promoted != (champion.Version == m.ID) || report.Promoted == errors.Is(err, registry.ErrNoChampion) {
				t.Errorf("promoted is %v (%s) and champion %+v, %v, with CRPS %v against %v", report.Promoted, report.Reason, champion, err, mine, best)
			}
		})
	}
	f("mem", "mem://")
	f("s3", s3test.Start(t).URL)
}

func TestSameSeedSameWeights(t *testing.T) {
	histories := shop(3, 2)
	weights := func(seed uint64) string {
		o := options(open(t, "mem://"), histories)
		o.Seed = seed
		return run(t, o).Version.Weights.SHA256
	}
	one, again, other := weights(1), weights(1), weights(2)
	if one != again {
		t.Errorf("the same seed gives %s and %s", one, again)
	}
	if one == other {
		t.Error("another seed gives the same weights")
	}
}

// A champion stays until it is beaten, by weights in the store that anybody
// can check.
func TestChampionAgainstChallenger(t *testing.T) {
	r := open(t, "mem://")
	o := options(r, shop(3, 2))
	first := run(t, o)
	if !first.Promoted {
		promote(t, r, 1, first.Version.ID)
	}
	// The same again does not beat itself.
	now := o.Now
	o.Now = func() time.Time { return now().Add(time.Hour) }
	second := run(t, o)
	if second.Promoted || second.Champion != first.Version.ID || !strings.Contains(second.Reason, "not below the champion's") {
		t.Errorf("second is %+v", second)
	}
	if second.Version.Weights != first.Version.Weights {
		t.Error("second has other weights")
	}
	var mine, champions []registry.Score
	for _, s := range second.Version.Scores {
		switch s.Forecaster {
		case "lstm":
			mine = append(mine, s)
		case "champion":
			s.Forecaster = "lstm"
			champions = append(champions, s)
		}
	}
	if d := cmp.Diff(mine, champions); d != "" || len(mine) != 4 {
		t.Errorf("the same weights score differently:\n%s", d)
	}
	// Going on from the champion.
	o.Now = func() time.Time { return now().Add(2 * time.Hour) }
	o.From = training.FromChampion
	third := run(t, o)
	if third.Version.Parent != first.Version.ID || third.Version.Weights == first.Version.Weights {
		t.Errorf("parent is %q, want %q and other weights", third.Version.Parent, first.Version.ID)
	}
}

// noise is what nothing can be learnt from but bad habits.
func noise() []forecast.History {
	r := rand.New(rand.NewPCG(1, 2))
	h := forecast.History{Workload: forecast.Workload{Name: "noise"}, Series: forecast.Series{Start: start}}
	for range 3 * 1440 {
		h.Values = append(h.Values, math.Exp(3*r.NormFloat64()))
	}
	return []forecast.History{h}
}

func promote(t *testing.T, r *registry.Registry, seq int, id string) {
	t.Helper()
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: seq, Version: id, Reason: "test", At: start}); err != nil {
		t.Fatal(err)
	}
}

// What cannot be read is no rival, and can be replaced.
func TestUnreadableChampion(t *testing.T) {
	r := open(t, "mem://")
	m, err := r.Put(t.Context(), registry.Manifest{Created: start}, []byte("these are no weights"))
	if err != nil {
		t.Fatal(err)
	}
	promote(t, r, 1, m.ID)
	report := run(t, options(r, shop(3, 2)))
	if report.Champion != m.ID || !strings.Contains(report.Reason, "the champion cannot be used") || !strings.Contains(report.Reason, "best baseline") {
		t.Errorf("report is %+v", report)
	}
}

// Somebody else promotes while the challenger is scored: it is then held
// against that one.
func TestChampionChangesMeanwhile(t *testing.T) {
	r := open(t, "mem://")
	o := options(r, noise())
	o.Now = func() time.Time { return start.AddDate(0, 0, 9) }
	first := run(t, o)
	if !first.Promoted {
		promote(t, r, 1, first.Version.ID)
	}
	_, weights, err := r.Get(t.Context(), first.Version.ID)
	if err != nil {
		t.Fatal(err)
	}
	between := first.Version
	between.Created = between.Created.Add(time.Minute)
	if between, err = r.Put(t.Context(), between, weights); err != nil {
		t.Fatal(err)
	}

	o = options(r, shop(3, 2))
	o.OnScore = func(name string, _, _ int) {
		if name == "champion" {
			promote(t, r, 2, between.ID)
		}
	}
	report := run(t, o)
	champion, err := r.Champion(t.Context())
	if err != nil || !report.Promoted || report.Champion != between.ID || champion.Seq != 3 || champion.Version != report.Version.ID || champion.Previous != between.ID {
		t.Errorf("report is %+v\nchampion is %+v, %v", report, champion, err)
	}
}

func TestCancelled(t *testing.T) {
	r := open(t, "mem://")
	f := func(when string, prepare func(*training.Options, context.CancelFunc)) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := options(r, shop(3, 2))
		prepare(&o, cancel)
		_, err := training.Run(ctx, o)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: error is %v", when, err)
		}
		if versions, err := r.Versions(t.Context()); err != nil || len(versions) != 0 {
			t.Errorf("cancelled %s: left %v, %v", when, versions, err)
		}
		if _, err := r.Champion(t.Context()); !errors.Is(err, registry.ErrNoChampion) {
			t.Errorf("cancelled %s: champion error is %v", when, err)
		}
	}
	f("before", func(_ *training.Options, cancel context.CancelFunc) { cancel() })
	f("while fitting", func(o *training.Options, cancel context.CancelFunc) { o.OnFit = func(lstm.Progress) { cancel() } })
	f("while scoring", func(o *training.Options, cancel context.CancelFunc) {
		o.OnScore = func(_ string, done, _ int) {
			if done == 2 {
				cancel()
			}
		}
	})
	f("when about to write", func(o *training.Options, cancel context.CancelFunc) {
		o.OnScore = func(_ string, done, total int) {
			if done == total-1 {
				cancel()
			}
		}
	})
}

func TestTooLittle(t *testing.T) {
	f := func(histories []forecast.History, want string) {
		t.Helper()
		_, err := training.Run(t.Context(), options(open(t, "mem://"), histories))
		if !errors.Is(err, training.ErrTooLittle) || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
	f(nil, "no workload at all, want one with 2880 known minutes")
	f(shop(1, 3), `of 3 workloads "shop/`)
	gappy := shop(3, 1)
	for i := range gappy[0].Values {
		if i%2 == 0 {
			gappy[0].Values[i] = math.NaN()
		}
	}
	f(gappy, "has the most known minutes, 2160; want 2880")
}

// A series that never changes cannot be scored, and is named.
func TestUnscored(t *testing.T) {
	histories := shop(3, 2)
	flat := forecast.History{Workload: forecast.Workload{Namespace: "shop", Name: "flat"}, Series: forecast.Series{Start: start, Values: make([]float64, 3*1440)}}
	for i := range flat.Values {
		flat.Values[i] = 5
	}
	young := shop(1, 1)[0]
	young.Workload.Name = "young"
	report := run(t, options(open(t, "mem://"), append(histories, flat, young)))
	if len(report.Unscored) != 2 || report.Unscored[0].Workload != "shop/flat" || report.Unscored[1].Workload != "shop/young" {
		t.Errorf("unscored are %+v", report.Unscored)
	}
}

func TestStoreAway(t *testing.T) {
	server := s3test.Start(t)
	r := open(t, server.URL)
	server.Kill()
	o := options(r, shop(3, 2))
	o.OnFit = func(lstm.Progress) { t.Error("it fits before it finds that the store is away") }
	if _, err := training.Run(t.Context(), o); err == nil {
		t.Error("no error")
	}
}
