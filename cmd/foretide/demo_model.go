package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/training"
)

// train fits a network to records and says what came of it.
func (d *demo) train(ctx context.Context, store *registry.Registry, records []forecast.History) error {
	begin := d.now()
	progress := d.trainProgress()
	fit, score := progress.fit, progress.score
	if !d.interactive() {
		fit = func(f lstm.Progress) {
			if f.Epoch%5 == 0 {
				d.say("   epoch %d of %d, loss %s, %v left", f.Epoch, f.Epochs, figures(f.Validation), f.Left.Round(time.Second))
			}
		}
		score = func(_ string, done, total int) {
			if done == 0 {
				d.say("   scoring it and %d others on time that was held back", total-1)
			}
		}
	}
	report, err := training.Run(ctx, training.Options{
		Histories: records, Registry: store, Seed: d.seed, Budget: d.budget, Prior: d.trainPrior(), Binary: programVersion(),
		// In the shop's own time, an hour before the play, so that the ages on
		// the page are true there.
		Now:     func() time.Time { return d.first.Add(d.now().Sub(begin) - time.Hour) },
		OnFit:   fit,
		OnScore: score,
	})
	progress.end(err == nil)
	if err != nil {
		return err
	}
	d.say("   %s after %.0f s: %s.", report.Version.ID, d.now().Sub(begin).Seconds(), report.Reason)
	return nil
}

// demoStore is the registry that the demo trains into and serves from.
type demoStore struct {
	*registry.Registry
	temporary string // folder to remove afterwards, if any
}

// openStore opens what --store names, a folder or a URL, or a folder of its own.
func (d *demo) openStore(ctx context.Context) (demoStore, error) {
	var s demoStore
	url := d.store
	if url == "" {
		folder, err := os.MkdirTemp("", "foretide-demo-")
		if err != nil {
			return s, fmt.Errorf("make a folder for the model: %w", err)
		}
		s.temporary, url = folder, folder
	}
	if !strings.Contains(url, "://") {
		folder, err := filepath.Abs(url)
		if err != nil {
			return s, fmt.Errorf("--store %q: %w", d.store, err)
		}
		url = "file://" + filepath.ToSlash(folder)
	}
	r, err := registry.Open(ctx, url)
	if err != nil {
		s.remove()
		return s, usage(fmt.Errorf("--store %q: %w", d.store, err))
	}
	s.Registry = r
	return s, nil
}

// Close lets go of the store, and removes it if it was made for the demo only.
func (s demoStore) Close() {
	_ = s.Registry.Close() // all was written before
	s.remove()
}

func (s demoStore) remove() {
	if s.temporary != "" {
		_ = os.RemoveAll(s.temporary) // in the system's folder for what may go
	}
}
