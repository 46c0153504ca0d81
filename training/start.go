package training

import "github.com/foretide/foretide/forecast/lstm"

// From is what a fit starts from.
type From string

const (
	// FromPrior goes on from the prior; without one it starts anew.
	FromPrior From = "prior"
	// FromChampion goes on from the champion, or from the prior where there is
	// none that can be used.
	FromChampion From = "champion"
	// FromScratch starts anew.
	FromScratch From = "scratch"
)

// Prior is a network that was not trained on anybody's own traffic.
type Prior struct {
	// Version is its name, for the manifest.
	Version string
	Model   *lstm.Model
}

// start is what a fit goes on from, and its version; nil to start anew.
func (o Options) start(champion holder) (*lstm.Model, string) {
	switch {
	case o.From == FromScratch:
		return nil, ""
	case o.From == FromChampion && champion.model != nil:
		return champion.model, champion.entry.Version
	case o.Prior.Model != nil:
		return o.Prior.Model, o.Prior.Version
	}
	return nil, ""
}
