package foretide_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A pattern names packages: "./x" is one of ours, "x/..." is x and all beneath
// it, and * stands for any part of one element.

// arrow forbids the packages that match from, but for those that match except,
// to depend on what matches never, whether they import it or another package
// of ours does it for them. Tests may import what they like.
type arrow struct {
	from, except, never []string
	why                 string
}

// owner lets only the packages that match by import what matches what.
type owner struct {
	what string
	by   []string
	why  string
}

// outside matches every package that is not in the standard library.
const outside = "*.*/..."

func arrows() []arrow {
	network := []string{
		"net", "net/...", "os/exec", "google.golang.org/grpc/...", "gocloud.dev/...",
		"github.com/prometheus/client_golang/api/...", "github.com/aws/...",
	}
	return []arrow{
		{
			from: []string{"./forecast"}, never: []string{outside},
			why: "the vocabulary is what everybody imports: what it needs, everybody needs",
		}, {
			from: []string{"./forecast/..."}, except: []string{"./forecast/prom/...", "./forecast/registry/..."},
			never: network,
			why:   "a forecast depends on what it is given; only prom and registry reach outside, so all else replays",
		}, {
			from: []string{"./forecast/..."}, except: []string{"./forecast/prom/...", "./forecast/registry/...", "./forecast/trace"},
			never: []string{"os", "flag", "syscall"},
			why:   "what computes reads no files and no environment",
		}, {
			from: []string{"./forecast/mask"}, never: []string{"./forecast/*"},
			why: "what to leave out is told by the history alone, whoever forecasts from it",
		}, {
			from: []string{"./forecast/..."}, never: []string{"./scaler/...", "./training/..."},
			why: "forecast is a library; the applications stand above it",
		}, {
			from: []string{"./scaler/..."}, never: []string{"./training/..."},
			why: "the server must not grow a trainer: the two get different credentials and meet in the store",
		}, {
			from: []string{"./training/..."}, never: []string{"./scaler/..."},
			why: "training needs no server: the two meet in the store",
		}, {
			from: []string{"./scaler/..."}, never: []string{"./forecast/lstm", "./forecast/registry", "./forecast/prom"},
			why: "the server knows a source, a forecaster and a loader by what they do; cmd hands it the real ones",
		}, {
			from: []string{"./..."}, never: []string{"./cmd/..."},
			why: "cmd only wires; what others want from it belongs below",
		}, {
			from: []string{"./e2e/..."}, never: []string{"./cmd/...", "./forecast/...", "./scaler/...", "./training/..."},
			why: "end to end means from the outside, as a user's cluster sees it",
		},
	}
}

func owners() []owner {
	return []owner{
		{"gorgonia.org/...", []string{"./forecast/lstm"}, "the engine can be replaced in one place"},
		{"github.com/prometheus/client_golang/api/...", []string{"./forecast/prom"}, "questions to Prometheus are asked in one place"},
		{"gocloud.dev/...", []string{"./forecast/registry"}, "what an object store is, is known in one place"},
		{"github.com/kedacore/...", []string{"./scaler", "./cmd/foretide"}, "KEDA's rules are kept in scaler; cmd puts it on the network, and the demo plays KEDA"},
		{"github.com/spf13/...", []string{"./cmd/..."}, "flags end where the libraries begin"},
		{"github.com/vbauerster/mpb/...", []string{"./cmd/..."}, "a library reports progress, it does not draw it"},
		{"golang.org/x/term", []string{"./cmd/..."}, "a library does not ask who is watching"},
	}
}

func TestArrows(t *testing.T) {
	for _, v := range violations(importsOf(tree(t)), arrows(), owners()) {
		t.Error(v)
	}
}

// TestAllowancesAreNeeded keeps an exception from outliving its package.
func TestAllowancesAreNeeded(t *testing.T) {
	graph := importsOf(tree(t))
	var allowed []string
	for _, a := range arrows() {
		allowed = append(allowed, a.except...)
	}
	for _, o := range owners() {
		allowed = append(allowed, o.by...)
	}
	for _, p := range allowed {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(graph)), func(pkg string) bool { return match(p, pkg) }) {
			t.Errorf("the arrows make an exception for %s, which does not exist", p)
		}
	}
}

// TestArrowsAreWatched plants what the rules forbid, and what they allow.
func TestArrowsAreWatched(t *testing.T) {
	graph := importsOf(parse(t, fstest.MapFS{
		"forecast/f.go":        file("package forecast", "time", "golang.org/x/exp/slices"),
		"forecast/plan/p.go":   file("package plan", ours+"/forecast/helper"),
		"forecast/helper/h.go": file("package helper", "net/http", "os"),
		"forecast/prom/p.go":   file("package prom", "net/http", "github.com/prometheus/client_golang/api/prometheus/v1"),
		"scaler/s.go":          file("package scaler", "gorgonia.org/tensor", ours+"/scaler/inspect"),
		"scaler/s_test.go":     file("package scaler", ours+"/forecast/lstm"),
		"scaler/inspect/i.go":  file("package inspect", ours+"/training"),
		"training/t.go":        file("package training", ours+"/forecast/lstm"),
		"forecast/lstm/l.go":   file("package lstm", "gorgonia.org/gorgonia"),
		"e2e/x/x_test.go":      file("package x", ours+"/forecast"),
		"cmd/foretide/main.go": file("package main", ours+"/scaler", "gorgonia.org/gorgonia"),
	}))
	var got []string
	for _, v := range violations(graph, arrows(), owners()) {
		got = append(got, strings.SplitN(v, ": ", 2)[0])
	}
	want := []string{
		"./cmd/foretide imports gorgonia.org/gorgonia",
		"./e2e/x imports ./forecast",
		"./forecast imports golang.org/x/exp/slices",
		"./forecast/helper imports net/http",
		"./forecast/helper imports os",
		"./forecast/plan -> ./forecast/helper imports net/http",
		"./forecast/plan -> ./forecast/helper imports os",
		"./scaler -> ./scaler/inspect imports ./training",
		"./scaler imports gorgonia.org/tensor",
		// Through training.
		"./scaler -> ./scaler/inspect -> ./training imports ./forecast/lstm",
		"./scaler/inspect -> ./training imports ./forecast/lstm",
		"./scaler/inspect imports ./training",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// violations are the broken rules, sorted: who, through whom, imports what,
// and why that is wrong.
func violations(graph map[string][]string, arrows []arrow, owners []owner) []string {
	found := make(map[string]bool)
	for from := range graph {
		for _, imported := range graph[from] {
			for _, o := range owners {
				if match(o.what, imported) && !matchAny(o.by, from) {
					found[fmt.Sprintf("%s imports %s: only %s may: %s", from, imported, strings.Join(o.by, " and "), o.why)] = true
				}
			}
		}
		for _, a := range arrows {
			if matchAny(a.from, from) && !matchAny(a.except, from) {
				for _, offence := range reached(graph, from, a.never) {
					found[offence+": "+a.why] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// reached is what from depends on that matches never, each with the way to it.
func reached(graph map[string][]string, from string, never []string) []string {
	var found []string
	seen := make(map[string]bool)
	var visit func(pkg, way string)
	visit = func(pkg, way string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for _, imported := range graph[pkg] {
			if matchAny(never, imported) {
				found = append(found, way+" imports "+imported)
			}
			visit(imported, way+" -> "+imported)
		}
	}
	visit(from, from)
	return found
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, pkg) })
}

// match says whether pkg matches pattern, element by element.
func match(pattern, pkg string) bool {
	base, deep := strings.CutSuffix(pattern, "/...")
	want, got := strings.Split(base, "/"), strings.Split(pkg, "/")
	if len(got) < len(want) || !deep && len(got) > len(want) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], got[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// file is a source file that imports paths.
func file(clause string, paths ...string) *fstest.MapFile {
	var b strings.Builder
	fmt.Fprintln(&b, clause)
	for _, p := range paths {
		fmt.Fprintf(&b, "import _ %q\n", p)
	}
	return &fstest.MapFile{Data: []byte(b.String())}
}
