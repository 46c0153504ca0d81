package registry

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whatever stands in an object, it is refused by a named error or it is a
// manifest that can be written again.
func FuzzParseManifest(f *testing.F) {
	sum := strings.Repeat("0123456789abcdef", 4)
	good, err := json.Marshal(Manifest{
		Format: 1, ID: "20260302T100000Z-01234567", Created: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
		Scores: []Score{{Forecaster: "lstm", From: 1, To: 5, MASE: 1, CRPS: 1, Coverage: 0.9}}, Weights: Weights{Size: 3, SHA256: sum},
	})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseManifest(good); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(good), "", "{}", `{"format":2}`, `{"format":1,"created":"x"}`, `{"format":1,"weights":{"size":-1}}`, "[1]", "null"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is neither of the two", err)
			}
			return
		}
		if !validID(m.ID) || strings.ContainsAny(m.ID, "/.\\") {
			t.Fatalf("id %q", m.ID)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseManifest(again)
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzParsePromotion(f *testing.F) {
	f.Add([]byte(`{"format":1,"seq":3,"version":"20260302T100000Z-01234567","reason":"x","at":"2026-03-02T10:00:00Z"}`))
	f.Add([]byte(`{"format":9,"seq":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePromotion(data, 3)
		if err == nil && (p.Seq != 3 || !validID(p.Version)) || err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}
