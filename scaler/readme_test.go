package scaler

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/foretide/foretide/forecast"
)

// TestReadmeTrigger: what a new user copies from the README must be accepted.
func TestReadmeTrigger(t *testing.T) {
	f, err := os.Open("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	metadata := map[string]string{}
	lines, within := bufio.NewScanner(f), false
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "- type: external":
			within = true
		case strings.HasPrefix(line, "```"):
			within = false
		case within:
			line, _, _ = strings.Cut(line, " #")
			if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				metadata[key] = strings.Trim(value, `"`)
			}
		}
	}
	if len(metadata) < 4 {
		t.Fatalf("found %v in the README, want the metadata of a trigger", metadata)
	}
	if _, err := ParseTrigger(forecast.Workload{Namespace: "shop", Name: "cart"}, metadata, []string{"istio"}); err != nil {
		t.Errorf("the README's trigger: %v", err)
	}
}
