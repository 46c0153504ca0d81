package registry

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Format is the version of the manifest's and the promotion's JSON that this
// package writes, and the newest it reads.
const Format = 1

// Manifest tells where a version's weights come from and what they are worth.
type Manifest struct {
	// Format and ID are set by [Registry.Put].
	Format int    `json:"format"`
	ID     string `json:"id"`
	// Created is when training ended, kept to the second in UTC.
	Created time.Time `json:"created"`
	// Binary is the version of the program that trained.
	Binary string `json:"binary,omitempty"`
	// Parent is the version that training started from, "prior-" and eight digits
	// for a network that the program brought, empty for a fit from scratch.
	Parent string `json:"parent,omitempty"`

	Data     Data     `json:"data"`
	Training Training `json:"training"`
	// Scores are those of the version, of the baselines and, where there was
	// one, of the champion it was held against, all on the same held-back time.
	Scores []Score `json:"scores,omitempty"`
	// Weights is set by [Registry.Put].
	Weights Weights `json:"weights"`
}

// Data says what was trained on.
type Data struct {
	// From and To bound all histories: the first step's stamp and the end of
	// the last step.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Workloads is the number of histories.
	Workloads int `json:"workloads"`
	// KnownMinutes is the number of steps with a known rate, over all histories.
	KnownMinutes int `json:"knownMinutes"`
	// HeldBack is the share of each history's time, at its end, that was
	// scored and not fitted: 0 to 1.
	HeldBack float64 `json:"heldBack"`
	// Masked is what of the histories was not learnt from.
	Masked Masked `json:"masked,omitzero"`
}

// Masked sums up the outages, gaps and the like that were left out.
type Masked struct {
	// Workloads is how many histories had any.
	Workloads int `json:"workloads"`
	// KnownMinutes is how many of Data.KnownMinutes lay in them.
	KnownMinutes int `json:"knownMinutes"`
	// Spans is how many there were of each kind, such as "outage".
	Spans map[string]int `json:"spans,omitempty"`
}

// Training says how the weights were found.
type Training struct {
	Seed   uint64 `json:"seed"`
	Steps  int    `json:"steps"`
	Epochs int    `json:"epochs"`
	// Windows is how many training windows the histories gave.
	Windows int `json:"windows"`
	// Loss and Validation are the last figures of the fit.
	Loss       float64 `json:"loss"`
	Validation float64 `json:"validation"`
	// Stopped says in words why training ended.
	Stopped string `json:"stopped"`
	// Reproducible says whether the same seed, data and kind of machine give
	// the same weights again, which is not so where a time budget ran out.
	Reproducible bool `json:"reproducible"`
	// Seconds is how long the fit took.
	Seconds float64 `json:"seconds"`
}

// Score is what a forecaster achieved on the held-back time at the horizons
// From to To, in steps.
type Score struct {
	Forecaster string `json:"forecaster"`
	From       int    `json:"from"`
	To         int    `json:"to"`
	// MASE and CRPS are ratios to one-day seasonal naive on the same series,
	// as geometric means over the series: below 1 is better than it.
	MASE float64 `json:"mase"`
	CRPS float64 `json:"crps"`
	// Coverage is the share of values at or below the 0.95 quantile.
	Coverage float64 `json:"coverage"`
}

// Weights identifies the weights to the byte.
type Weights struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Promotion is one entry of the log: from At on, Version is the champion.
type Promotion struct {
	// Format is set by [Registry.Promote].
	Format int `json:"format"`
	// Seq numbers the entries from 1 without a gap.
	Seq int `json:"seq"`
	// Version is the manifest's ID.
	Version string `json:"version"`
	// Previous is the champion before, empty for the first or where it cannot
	// be read. It is set by [Registry.Promote].
	Previous string `json:"previous,omitempty"`
	// Reason says in words why, such as the scores of both.
	Reason string `json:"reason"`
	// At is when it was decided.
	At time.Time `json:"at"`
}

const stampLayout = "20060102T150405Z"

// validID tells whether id can be a version's name: when it was trained, in
// UTC, and how its weights' SHA-256 starts. No other name ever becomes part of
// an object's key.
func validID(id string) bool {
	stamp, sum, _ := strings.Cut(id, "-")
	_, err := time.Parse(stampLayout, stamp)
	return err == nil && len(stamp) == len(stampLayout) && validSum(sum)
}

// validPrior tells whether name is that of a network which a program brings,
// which is in no registry.
func validPrior(name string) bool {
	sum, ok := strings.CutPrefix(name, "prior-")
	return ok && validSum(sum)
}

// validSum tells whether sum can be the beginning of a digest.
func validSum(sum string) bool {
	return len(sum) == 8 && strings.Trim(sum, "0123456789abcdef") == ""
}

func versionID(created time.Time, sum string) string {
	return created.UTC().Format(stampLayout) + "-" + sum[:8]
}

// check names everything in m that no honest writer would have written.
func (m Manifest) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if sum, err := hex.DecodeString(m.Weights.SHA256); err != nil || len(sum) != 32 {
		bad("weights.sha256 is %q, want 64 hexadecimal digits", m.Weights.SHA256)
	} else if want := versionID(m.Created, m.Weights.SHA256); !validID(m.ID) || m.ID != want {
		bad("id is %q, want %q after its time and weights", m.ID, want)
	}
	if m.Weights.Size < 1 || m.Weights.Size > maxWeights {
		bad("weights.size is %d, want 1 to %d", m.Weights.Size, int64(maxWeights))
	}
	if m.Parent != "" && !validID(m.Parent) && !validPrior(m.Parent) {
		bad("parent is %q, want a version's id or a prior, such as prior-1a2b3c4d", m.Parent)
	}
	for _, f := range []struct {
		name string
		v    int
	}{
		{"data.workloads", m.Data.Workloads}, {"data.knownMinutes", m.Data.KnownMinutes},
		{"data.masked.workloads", m.Data.Masked.Workloads}, {"data.masked.knownMinutes", m.Data.Masked.KnownMinutes},
		{"training.steps", m.Training.Steps}, {"training.epochs", m.Training.Epochs}, {"training.windows", m.Training.Windows},
	} {
		if f.v < 0 {
			bad("%s is %d, want 0 or more", f.name, f.v)
		}
	}
	if m.Data.To.Before(m.Data.From) {
		bad("data.to is %s, want it at or after data.from %s", m.Data.To.Format(time.RFC3339), m.Data.From.Format(time.RFC3339))
	}
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"data.heldBack", m.Data.HeldBack}, {"training.loss", m.Training.Loss},
		{"training.validation", m.Training.Validation}, {"training.seconds", m.Training.Seconds},
	} {
		if math.IsNaN(f.v) || math.IsInf(f.v, 0) {
			bad("%s is %v, want a finite number", f.name, f.v)
		}
	}
	for i, s := range m.Scores {
		if s.From < 1 || s.To < s.From {
			bad("scores[%d] spans horizons %d to %d, want 1 or more, ascending", i, s.From, s.To)
		}
		for _, v := range []float64{s.MASE, s.CRPS, s.Coverage} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				bad("scores[%d] has %v, want finite numbers, not negative", i, v)
			}
		}
	}
	return errors.Join(errs...)
}

// parse reads one JSON object into v. Fields that v lacks are passed over, so
// that a field can be added without a new format.
func parse(data []byte, v any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if head.Format > Format {
		return fmt.Errorf("%w: it is %d and this program reads up to %d; use a newer one", ErrFormat, head.Format, Format)
	}
	if head.Format < 1 {
		return fmt.Errorf("%w: no format number", ErrCorrupt)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

func parseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := parse(data, &m); err != nil {
		return Manifest{}, err
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return m, nil
}

func parsePromotion(data []byte, seq int) (Promotion, error) {
	var p Promotion
	if err := parse(data, &p); err != nil {
		return Promotion{}, err
	}
	if p.Seq != seq || !validID(p.Version) {
		return Promotion{}, fmt.Errorf("%w: it has seq %d and version %q, want seq %d and a version's id", ErrCorrupt, p.Seq, p.Version, seq)
	}
	return p, nil
}
