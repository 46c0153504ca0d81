package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentsNameWhatThereIs: every command, flag and make target that the
// documents tell a reader to type exists.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	documents, err := filepath.Glob("../../*.md")
	if err != nil || len(documents) == 0 {
		t.Fatalf("find documents: %d, %v", len(documents), err)
	}
	targets := makeTargets(t)
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, unknown := range unknownCalls(string(text), targets) {
			t.Errorf("%s: %s", filepath.Base(name), unknown)
		}
	}
}

// TestUnknownCalls plants calls, right and wrong.
func TestUnknownCalls(t *testing.T) {
	got := unknownCalls("Words: foretide nothing. Inline: `foretide version --output json`, `make all`, `foretide trian --x`.\n"+
		"Names: `foretide`, `foretide:8080`, `foretide.io/x`, `foretide COMMAND`, `make`, `kubectl -n foretide get pods`.\n"+
		"```sh\n"+
		"$ make build FOR=60s && bin/foretide version \\\n    --nope --output=json | jq '--no flag of ours'\n"+
		"A=1 foretide help --log-level info # --not-a-flag\n"+
		"make build sweep; cd x\n"+
		"```\n", []string{"build"})
	want := []string{
		"`make all`: there is no target all",
		"`foretide trian --x`: there is no command trian",
		"`bin/foretide version --nope --output=json`: there is no flag --nope",
		"`make build sweep`: there is no target sweep",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unknown calls (-want +got):\n%s", diff)
	}
}

func makeTargets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// unknownCalls are the calls in the Markdown text's code that name what
// foretide or make do not have, in their order.
func unknownCalls(text string, targets []string) []string {
	var found []string
	for _, call := range calls(text) {
		words := strings.Fields(call)
		for len(words) > 1 && strings.Contains(words[0], "=") {
			words = words[1:]
		}
		var unknown string
		switch filepath.Base(words[0]) {
		case "make":
			unknown = unknownTarget(words[1:], targets)
		case "foretide":
			unknown = unknownCommand(words[1:])
		}
		if unknown != "" {
			found = append(found, fmt.Sprintf("`%s`: there is no %s", strings.Join(words, " "), unknown))
		}
	}
	return found
}

// calls are the command lines in a Markdown text's code, without prompts,
// comments and quoted words.
func calls(text string) []string {
	var code []string
	for _, m := range regexp.MustCompile("(?ms)^```[^\n]*\n(.*?)^```|`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		code = append(code, strings.ReplaceAll(m[1]+m[2], "\\\n", " "))
	}
	shell := strings.Join(code, "\n")
	shell = regexp.MustCompile(`(?m)^\$ |\s#.*$|'[^']*'|"[^"]*"`).ReplaceAllString(shell, "")
	var found []string
	for _, call := range regexp.MustCompile(`[\n;|&]+`).Split(shell, -1) {
		if strings.TrimSpace(call) != "" {
			found = append(found, call)
		}
	}
	return found
}

func unknownTarget(words, targets []string) string {
	for _, w := range words {
		if !strings.ContainsAny(w, "=-<") && !slices.Contains(targets, w) {
			return "target " + w
		}
	}
	return ""
}

func unknownCommand(words []string) string {
	root := newRoot(&app{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if len(words) == 0 || !regexp.MustCompile(`^[a-z-]+$`).MatchString(words[0]) {
		return ""
	}
	c, _, err := root.Find(words)
	if err != nil || c == root && !strings.HasPrefix(words[0], "-") {
		return "command " + words[0]
	}
	c.InitDefaultHelpFlag()
	for _, w := range words {
		if name, isFlag := strings.CutPrefix(w, "--"); isFlag {
			name, _, _ = strings.Cut(name, "=")
			if c.Flag(name) == nil && c.InheritedFlags().Lookup(name) == nil {
				return "flag --" + name
			}
		}
	}
	return ""
}
