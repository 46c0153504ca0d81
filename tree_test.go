// Package foretide_test holds the rules of the house that no compiler checks,
// each as a test over the source: which package may import which, and why
// (arrows_test.go), how code is written (house_test.go), and that the
// documents speak of what is there (docs_test.go).
package foretide_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ours is the module's path. What lies beneath is written "./..." here.
const ours = "github.com/foretide/foretide"

// source is a Go file of the repository, whatever its build tags.
type source struct {
	path string // from the root, with slashes
	*ast.File
	fset *token.FileSet
}

// pkg is the package the file belongs to, such as "./forecast/lstm".
func (s source) pkg() string { return "./" + path.Dir(s.path) }

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// at is where n stands, for messages.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// tree is the repository's own source. It reads through the os package, so
// that go test knows when a cached result still holds.
func tree(t *testing.T) []source { return parse(t, os.DirFS(".")) }

// parse reads all Go files of fsys that the go command would.
func parse(t *testing.T, fsys fs.FS) []source {
	t.Helper()
	var sources []source
	walk(t, fsys, ".go", func(name string, text []byte) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source{name, f, fset})
	})
	return sources
}

// walk calls each for every file with that ending, but for those in folders
// that the go command passes over.
func walk(t *testing.T, fsys fs.FS, ending string, each func(name string, text []byte)) {
	t.Helper()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ending) {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		each(name, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// importsOf is what each package imports, sorted. Tests count only beneath
// e2e, which is nothing else.
func importsOf(sources []source) map[string][]string {
	graph := make(map[string][]string)
	for _, s := range sources {
		if s.test() && !match("./e2e/...", s.pkg()) {
			continue
		}
		imports := graph[s.pkg()]
		for _, spec := range s.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the parser has refused it
			}
			if imported == ours || strings.HasPrefix(imported, ours+"/") {
				imported = "." + imported[len(ours):]
			}
			imports = append(imports, imported)
		}
		graph[s.pkg()] = imports
	}
	for pkg, imports := range graph {
		slices.Sort(imports)
		graph[pkg] = slices.Compact(imports)
	}
	return graph
}
