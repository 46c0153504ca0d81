package foretide_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestHouse(t *testing.T) {
	for _, fault := range faults(tree(t)) {
		t.Error(fault)
	}
}

// TestHouseIsWatched plants each fault once.
func TestHouseIsWatched(t *testing.T) {
	source := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got := faults(parse(t, fstest.MapFS{
		"none/a.go":            source("package none\n"),
		"twice/a.go":           source("// Package twice is.\npackage twice\n"),
		"twice/b.go":           source("// Package twice is.\npackage twice\n"),
		"other/a.go":           source("// Something else.\npackage other\n"),
		"tagged/a.go":          source("//go:build linux\n\n// Package tagged is.\npackage tagged\n"),
		"tagged/a_test.go":     source("package tagged\n\nfunc init() {}\n"),
		"tagged/b.go":          source("package tagged\n\nimport \"os\"\n\nfunc init() {}\n\nfunc f() { os.Exit(1) }\n"),
		"clock/a.go":           source("// Package clock is.\npackage clock\n\nimport \"time\"\n\nfunc f() { time.Now() }\n"),
		"forecast/x/util/a.go": source("// Package util is.\npackage util\n\nimport t \"time\"\n\nfunc f() { t.Since(t.Time{}) }\n"),
		"cmd/foretide/main.go": source("// Command foretide is.\npackage main\n\nimport \"os\"\n\nfunc main() { os.Exit(0) }\n"),
		"cmd/foretide/b.go":    source("package main\n\nimport \"os\"\n\nfunc f() { os.Exit(0) }\n"),
	}))
	want := []string{
		"./forecast/x/util: the name util does not say what is in it",
		"./none: no package comment",
		"./other: the package comment begins with \"Something else.\", want \"Package other \"",
		"./twice: 2 package comments, in twice/a.go and twice/b.go, want one",
		"cmd/foretide/b.go:5: os.Exit: only a command's main.go ends the process",
		"forecast/x/util/a.go:6: time.Since: in forecast an instant is an argument, so that the past can be replayed",
		"tagged/a_test.go:3: init: state that nobody asked for; make it where it is used",
		"tagged/b.go:5: init: state that nobody asked for; make it where it is used",
		"tagged/b.go:7: os.Exit: only a command's main.go ends the process",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// faults are where sources break the rules of the house, sorted.
func faults(sources []source) []string {
	var found []string
	comments := make(map[string][]source) // by package
	for _, s := range sources {
		if !s.test() {
			files := comments[s.pkg()]
			if s.Doc != nil {
				files = append(files, s)
			}
			comments[s.pkg()] = files
		}
		found = append(found, faultsIn(s)...)
	}
	for pkg, files := range comments {
		switch name := path.Base(pkg); name {
		case "util", "utils", "common", "types", "helper", "helpers", "misc", "shared", "pkg", "lib", "base":
			found = append(found, fmt.Sprintf("%s: the name %s does not say what is in it", pkg, name))
		}
		found = append(found, commentFaults(pkg, files)...)
	}
	slices.Sort(found)
	return found
}

// commentFaults is what is wrong with a package's comments, which stand in
// files.
func commentFaults(pkg string, files []source) []string {
	switch len(files) {
	case 0:
		return []string{pkg + ": no package comment"}
	case 1:
		want := "Package " + files[0].Name.Name + " "
		if files[0].Name.Name == "main" {
			want = "Command " + path.Base(pkg) + " "
		}
		if text := files[0].Doc.Text(); !strings.HasPrefix(strings.ReplaceAll(text, "\n", " "), want) {
			first, _, _ := strings.Cut(text, "\n")
			return []string{fmt.Sprintf("%s: the package comment begins with %q, want %q", pkg, first, want)}
		}
		return nil
	}
	var names []string
	for _, f := range files {
		names = append(names, f.path)
	}
	slices.Sort(names)
	return []string{fmt.Sprintf("%s: %d package comments, in %s, want one", pkg, len(files), strings.Join(names, " and "))}
}

// faultsIn is what is wrong in one file.
func faultsIn(s source) []string {
	var found []string
	ast.Inspect(s.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				found = append(found, s.at(n)+": init: state that nobody asked for; make it where it is used")
			}
		case *ast.CallExpr:
			if s.test() {
				return true
			}
			called := s.called(n)
			switch {
			case (called == "os.Exit" || strings.HasPrefix(called, "log.Fatal")) && !(match("./cmd/*", s.pkg()) && path.Base(s.path) == "main.go"):
				found = append(found, fmt.Sprintf("%s: %s: only a command's main.go ends the process", s.at(n), called))
			case slices.Contains(clockReads(), called) && pure(s.pkg()):
				found = append(found, fmt.Sprintf("%s: %s: in forecast an instant is an argument, so that the past can be replayed", s.at(n), called))
			}
		}
		return true
	})
	return found
}

// clockReads are the calls that ask the machine for the time. A clock that is
// passed on as a default, uncalled, is none.
func clockReads() []string { return []string{"time.Now", "time.Since", "time.Until"} }

// pure says whether nothing in pkg may read a clock.
func pure(pkg string) bool {
	return match("./forecast/...", pkg) && !matchAny([]string{"./forecast/prom/...", "./forecast/registry/..."}, pkg)
}

// called is the import path and name of what call calls, empty if that is not
// another package's.
func (s source) called(call *ast.CallExpr) string {
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := fn.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range s.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == from.Name {
			return imported + "." + fn.Sel.Name
		}
	}
	return ""
}
