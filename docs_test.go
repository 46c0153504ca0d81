package foretide_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, broken := range brokenLinks(t, os.DirFS(".")) {
		t.Error(broken)
	}
}

// TestLinksAreWatched plants links of every kind, whole and broken.
func TestLinksAreWatched(t *testing.T) {
	got := brokenLinks(t, fstest.MapFS{
		"README.md": {Data: []byte(`# Foretide, a thing
[web](https://example.com/x) [mail](mailto:a@example.com) [self](#foretide-a-thing) [nowhere](#nowhere)
![picture](docs/a.png) ![gone](docs/b.png "with a title") <img src="docs/c.png"> <a href="docs">folder</a>
[heading](docs/x.md#two-words-twice-1) [no heading](docs/x.md#three)
` + "`[code](gone.md)`\n```\n[code](gone.md)\n# No heading\n```\n" + `[after code](#no-heading)
[reference]: gone.md
`)},
		"docs/x.md":  {Data: []byte("## Two `words`, twice\n## Two words twice\n[up](../README.md) [root](/README.md) [out](../../x.md)\n")},
		"docs/a.png": {},
	})
	want := []string{
		"README.md: docs/b.png is not there",
		"README.md: docs/c.png is not there",
		"README.md: docs/x.md#three: docs/x.md has no such heading",
		"README.md: gone.md is not there",
		"README.md: #no-heading: README.md has no such heading",
		"README.md: #nowhere: README.md has no such heading",
		"docs/x.md: ../../x.md is not there",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("broken links (-want +got):\n%s", diff)
	}
}

// brokenLinks are the links of fsys's Markdown files to files or headings of
// fsys that are not there, sorted.
func brokenLinks(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	link := regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)|(?:src|href)="([^"]+)"|(?m:^\[[^\]]+\]:\s*(\S+))`)
	var found []string
	walk(t, fsys, ".md", func(name string, text []byte) {
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			target := m[1] + m[2] + m[3]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if why := broken(fsys, name, target); why != "" {
				found = append(found, fmt.Sprintf("%s: %s", name, why))
			}
		}
	})
	slices.Sort(found)
	return found
}

// broken says why target, a link in the file name, leads nowhere; empty if it
// does not.
func broken(fsys fs.FS, name, target string) string {
	file, heading, _ := strings.Cut(target, "#")
	switch {
	case file == "":
		file = name
	case strings.HasPrefix(file, "/"):
		file = path.Clean(file[1:])
	default:
		file = path.Join(path.Dir(name), file)
	}
	if _, err := fs.Stat(fsys, file); err != nil {
		return target + " is not there"
	}
	if heading == "" || path.Ext(file) != ".md" {
		return ""
	}
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return fmt.Sprintf("%s: %v", target, err)
	}
	if !slices.Contains(headings(string(text)), heading) {
		return fmt.Sprintf("%s: %s has no such heading", target, file)
	}
	return ""
}

// headings are the anchors that code hosts give a Markdown text's headings.
func headings(text string) []string {
	var anchors []string
	seen := make(map[string]int)
	for line := range strings.Lines(regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(text, "")) {
		title := strings.TrimLeft(line, "#")
		if len(title) == len(line) || !strings.HasPrefix(title, " ") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(title))
		seen[anchor]++
		if n := seen[anchor]; n > 1 {
			anchor = fmt.Sprintf("%s-%d", anchor, n-1)
		}
		anchors = append(anchors, anchor)
	}
	return anchors
}

// withoutCode is text without its code blocks and spans.
func withoutCode(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]+`").ReplaceAllString(text, "")
}
