package trace_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/trace"
)

func TestReadDir(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	good := "timestamp,value\n0,1\n60,2\n"
	write("shop/eu/cart.csv", good)
	write("shop/api.v1.csv.gz", string(zip(t, good)))
	write("plain.csv.gz", good) // the ending lies, the content counts
	write("series.csv", "ds,series,n\na,b,3\n")
	write("README.md", "timestamp,value\n")
	write(".hidden/x.csv", good)
	write(".x.csv", good)

	names := func(hs []forecast.History) (names []string) {
		for _, h := range hs {
			names = append(names, h.Workload.String())
		}
		return names
	}
	want := []string{"plain", "shop/api.v1", "shop/eu/cart"}
	hs, err := trace.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, names(hs)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if w := (forecast.Workload{Namespace: "shop/eu", Name: "cart"}); hs[2].Workload != w {
		t.Errorf("workload is %#v, want %#v", hs[2].Workload, w)
	}

	write("bad/empty.csv", "")
	write("bad/negative.csv", "timestamp,value\n0,1\n60,-1\n")
	write("shop/eu/cart.csv.gz", good)
	hs, err = trace.ReadDir(root)
	if d := cmp.Diff(want, names(hs)); d != "" {
		t.Errorf("beside bad files (-want +got):\n%s", d)
	}
	var skipped *trace.SkippedError
	if !errors.As(err, &skipped) {
		t.Fatalf("error is %v, want a SkippedError", err)
	}
	var got []string
	for _, f := range skipped.Files {
		rel, err := filepath.Rel(root, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rel)
	}
	if d := cmp.Diff([]string{"bad/empty.csv", "bad/negative.csv", "shop/eu/cart.csv.gz"}, got); d != "" {
		t.Errorf("skipped (-want +got):\n%s", d)
	}
	if skipped.Files[1].Line != 3 || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("line is %d, want 3, and it belongs into %q", skipped.Files[1].Line, err)
	}
}

func TestReadDirWithoutSeries(t *testing.T) {
	for _, root := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		hs, err := trace.ReadDir(root)
		var skipped *trace.SkippedError
		if err == nil || hs != nil || errors.As(err, &skipped) {
			t.Errorf("ReadDir(%q) = %v, %v; want nothing and an error of the folder", root, hs, err)
		}
	}
}

// The real traces: every series on their list is read or refused for its
// negative values, and each minute holds the count that its row has.
func TestRealTraces(t *testing.T) {
	root := os.Getenv("FORETIDE_TRACES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "traces")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the real traces are not here, name their folder in FORETIDE_TRACES: %v", err)
	}
	list := readCSV(t, filepath.Join(root, "series.csv"))
	hs, err := trace.ReadDir(root)
	var skipped *trace.SkippedError
	if err != nil && !errors.As(err, &skipped) {
		t.Fatal(err)
	}
	read := map[string]forecast.History{}
	for _, h := range hs {
		read[h.Workload.String()] = h
	}
	refused := map[string]bool{}
	if skipped != nil {
		for _, f := range skipped.Files {
			if !strings.Contains(f.Error(), `value "-`) {
				t.Error(f)
			}
			rel, err := filepath.Rel(root, strings.TrimSuffix(f.Path, ".csv.gz"))
			if err != nil {
				t.Fatal(err)
			}
			refused[filepath.ToSlash(rel)] = true
		}
	}
	for _, l := range list {
		name, step := l[0]+"/"+l[1], l[3]
		h, ok := read[name]
		if !ok && !refused[name] {
			t.Errorf("%s was neither read nor refused", name)
		}
		if !ok || step != "60.0" {
			continue
		}
		for _, row := range readCSV(t, filepath.Join(root, name+".csv.gz")) {
			unix, err1 := strconv.ParseFloat(row[0], 64)
			want, err2 := strconv.ParseFloat(row[1], 64)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// Some stamps are a second off; half a minute on lies in the nearest minute.
			if got := 60 * h.At(time.Unix(int64(unix)+30, 0)); !(math.Abs(got-want) <= 1e-12*want) {
				t.Errorf("%s at %v: count %v, want %v", name, unix, got, want)
				break
			}
		}
	}
	t.Logf("%d series read, %d refused", len(read), len(refused))
}

// readCSV reads the rows below the header.
func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}
