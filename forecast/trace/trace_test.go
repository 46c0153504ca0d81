package trace_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/trace"
)

var nan = math.NaN()

func TestRead(t *testing.T) {
	// counts are what the file counts a minute, so rates times 60.
	f := func(name, text string, start int64, counts ...float64) {
		t.Helper()
		h, err := trace.Read("set/"+name, strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		want := forecast.History{
			Workload: forecast.Workload{Namespace: "set", Name: name},
			Series:   forecast.Series{Start: time.Unix(start, 0).UTC(), Values: make([]float64, len(counts))},
		}
		for i, c := range counts {
			want.Values[i] = c / 60
		}
		if d := cmp.Diff(want, h, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	const head = "timestamp,value\n"
	f("minutes", head+"60,6\n120,12\n180,0\n", 60, 6, 12, 0)
	f("third column", "timestamp,value,label\n60,6,0\n120,12,\n180,3\n", 60, 6, 12, 3)
	f("one", head+"61,6", 61, 6)
	f("windows", "\ufefftimestamp,value\r\n60,6\r\n120,12\r\n\r\n", 60, 6, 12)
	f("spaces", "timestamp, value\n 60 , 6\n120 ,12 \n", 60, 6, 12)
	f("fraction", head+"60.0,6.5\n1.2e2,1.25e1\n", 60, 6.5, 12.5)
	f("gap", head+"0,1\n60,2\n240,5\n300,6", 0, 1, 2, nan, nan, 5, 6)
	f("empty value", head+"0,1\n60,\n120,NaN\n180,nan\n240,5", 0, 1, nan, nan, nan, 5)
	f("missing at both ends", head+"0,\n60,2\n120,", 0, nan, 2, nan)
	f("repeated", head+"0,1\n60,2\n60,7\n120,3\n0,9", 0, 9, 7, 3)
	f("repeated by missing", head+"0,1\n60,2\n60,\n120,3", 0, 1, nan, 3)
	f("unsorted", head+"120,3\n0,1\n60,2\n180,4", 0, 1, 2, 3, 4)
	f("late stamps", head+"7,1\n68,2\n126,3\n186,4\n246,5\n", 7, 1, 2, 3, 4, 5)
	f("five minutes", head+"0,10\n300,20\n900,5", 0, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, nan, nan, nan, nan, nan, 1, 1, 1, 1, 1)
	f("two minutes, overlap", head+"0,10\n120,20\n180,4\n300,6", 0, 5, 5, 10, 2, 2, 3, 3)
	f("twenty seconds", head+"0,1\n20,2\n40,3\n60,4\n80,5\n100,6\n120,7\n", 0, 6, 15, nan)
	f("twenty seconds with gaps", head+"0,1\n40,3\n60,4\n80,5\n100,\n120,9\n140,\n160,\n180,1\n200,2", 0, 6, 13.5, nan, 4.5)
}

func TestReadLabels(t *testing.T) {
	// labelled are the beginning and the end of each interval.
	f := func(name, rows string, labelled ...int64) {
		t.Helper()
		h, err := trace.Read("set/"+name, strings.NewReader("timestamp,value,label\n"+rows))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got []int64
		for _, l := range h.Labelled {
			got = append(got, l.From.Unix(), l.To.Unix())
		}
		if d := cmp.Diff(labelled, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if h.Known() != h.Len() {
			t.Errorf("%s: what is labelled has no value: %v", name, h.Values)
		}
	}
	f("none", "0,1,0\n60,2,\n120,3\n")
	f("one", "0,1,0\n60,2,1\n120,3,0\n", 60, 120)
	f("in a row", "0,1,1\n60,2,1.0\n120,3,0\n180,4, 1 \n", 0, 120, 180, 240)
	f("to the end", "0,1,0\n60,2,1", 60, 120)
	f("unsorted", "120,3,1\n0,1,0\n60,2,1\n", 60, 180)
	f("repeated", "0,1,1\n60,2,1\n60,2,0\n", 0, 60)
	f("late stamps", "7,1,0\n68,2,0\n126,3,1\n186,4,0\n246,5,0\n", 127, 187)
	f("five minutes", "0,10,0\n300,20,1\n600,5,1\n900,5,0\n", 300, 900)
	f("twenty seconds", "0,1,0\n20,2,0\n40,3,1\n60,4,0\n80,5,0\n100,6,0\n120,7,1\n140,7,0\n160,7,0\n", 0, 60, 120, 180)
}

// A minute's count comes back from its rate, whatever its size.
func TestCountsSurvive(t *testing.T) {
	for _, count := range []float64{0.01, 1, 7, 61.0098, 1e5 + 0.25, 1e7, 123456789.123} {
		text := "timestamp,value\n0," + strconv.FormatFloat(count, 'g', -1, 64)
		h, err := trace.Read("x", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Values[0] * 60; math.Abs(got-count) > 1e-12*count {
			t.Errorf("count %v came back as %v", count, got)
		}
	}
}

func TestReadErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := trace.Read("set/x", strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"set/x"`) {
			t.Errorf("Read(%.60q) = %v, want an error on set/x with %q", text, err, want)
		}
	}
	const head = "timestamp,value\n"
	f("", "file is empty")
	f(head, "header and nothing else")
	f("0,1\n60,2\n", "line 1: the first line is not a header")
	f("time,value\n0,1\n", "line 1: the first line is not a header")
	f(head+"0,1\n60,-2\n", `line 3: value "-2"`)
	f(head+"0,1\n60,Inf\n", `line 3: value "Inf"`)
	f(head+"0,1\n60,1e400\n", `line 3: value "1e400"`)
	f(head+"0,1e16\n", `line 2: value "1e16"`)
	f(head+"0,many\n", `line 2: value "many"`)
	f(head+"now,1\n", `line 2: timestamp "now": want Unix seconds`)
	f(head+"NaN,1\n", `line 2: timestamp "NaN": want Unix seconds`)
	f(head+"-60,1\n", `line 2: timestamp "-60": want Unix seconds`)
	f(head+"1633651200000,1\n", "not milliseconds")
	f(head+"0\n", "want timestamp,value[,label]")
	f(head+"0,1,0,7\n", "more than 3 fields")
	f(head+"0,1,0\n60,1,yes\n", `line 3: label "yes": want 1`)
	f(head+"0,1,2\n", `line 2: label "2": want 1`)
	f(head+"0,1,NaN\n", `line 2: label "NaN": want 1`)
	f(head+"0,\n60,\n", "no value is known")
	f(head+"0,1\n90,2\n", "90 s apart")
	f(head+"0,1\n7,2\n", "7 s apart")
	f(head+"0,1\n60,2\n99999999999,3\n", "want at most 10540800 minutes")
	f(head+"0,1\n99999999999,3\n", "s apart")
	f(head+"0,1\n60,"+strings.Repeat("1", trace.MaxLine)+"\n", "line 3: line is too long: want at most 65536 bytes")
	f("\x1f\x8bxxx", "open gzip")
	f(string(zip(t, head+"0,1\n60,2\n")[:30]), "unexpected EOF")

	if _, err := trace.Read("set/", strings.NewReader(head+"0,1\n")); err == nil {
		t.Error("a series without a name was read")
	}
}

func TestReadGzip(t *testing.T) {
	const text = "timestamp,value\n0,1\n60,2\n"
	plain, err := trace.Read("x", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := trace.Read("x", bytes.NewReader(zip(t, text)))
	if d := cmp.Diff(plain, zipped); err != nil || d != "" {
		t.Errorf("gzipped reads otherwise than plain: %v\n%s", err, d)
	}
}

func TestWrite(t *testing.T) {
	h := forecast.History{
		Workload: forecast.Workload{Namespace: "shop", Name: "cart"},
		Series:   forecast.Series{Start: time.Unix(1700000003, 0).UTC(), Values: []float64{nan, 0, 1.0 / 3, 1e5, nan, 0.1, nan}},
	}
	var b bytes.Buffer
	if err := trace.Write(&b, h); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String()[:39], "timestamp,value\n1700000003,\n1700000063,"; got != want {
		t.Errorf("begins with %q, want %q", got, want)
	}
	got, err := trace.Read("shop/cart", &b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); d != "" {
		t.Errorf("(-written +read):\n%s", d)
	}

	// Labels, by whole minutes: what lies outside or between is not kept.
	at := func(seconds int) time.Time { return h.Start.Add(time.Duration(seconds) * time.Second) }
	h.Labelled = []forecast.Interval{{From: at(-60), To: at(0)}, {From: at(60), To: at(180)}, {From: at(250), To: at(260)}, {From: at(360), To: at(900)}}
	b.Reset()
	if err := trace.Write(&b, h); err != nil {
		t.Fatal(err)
	}
	if got, err = trace.Read("shop/cart", &b); err != nil {
		t.Fatal(err)
	}
	h.Labelled = []forecast.Interval{{From: at(60), To: at(180)}, {From: at(240), To: at(300)}, {From: at(360), To: at(420)}}
	if d := cmp.Diff(h, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); d != "" {
		t.Errorf("labelled (-written +read):\n%s", d)
	}
}

func TestWriteRefuses(t *testing.T) {
	f := func(what string, start time.Time, values ...float64) {
		t.Helper()
		if err := trace.Write(new(bytes.Buffer), forecast.History{Series: forecast.Series{Start: start, Values: values}}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	f("nothing", time.Unix(0, 0))
	f("part of a second", time.Unix(0, 1), 1)
	f("before 1970", time.Unix(-1, 0), 1)
	f("infinite", time.Unix(0, 0), math.Inf(1))
	f("negative", time.Unix(0, 0), -1)
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"timestamp,value\n60,6\n120,12\n180,0\n",
		"timestamp,value,label\n0,1,0\n300,,1\n900,5,\n",
		"timestamp,value\n0,1\n20,2\n40,3\n60,nan\n80,5\n",
		"timestamp,value\n120,3\n0,1\n60,2\n60,9\n",
		"timestamp,value\n0,1\n99999999999,3\n",
		string(zip(f, "timestamp,value\n0,1\n60,2\n")),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := trace.Read("fuzz/x", bytes.NewReader(data))
		if err != nil {
			return
		}
		if h.Len() > trace.MaxSteps || h.Known() == 0 {
			t.Fatalf("%d steps, %d known", h.Len(), h.Known())
		}
		for i, v := range h.Values {
			if v < 0 || math.IsInf(v, 0) {
				t.Fatalf("step %d is %v", i, v)
			}
			if v*60 > trace.MaxCount {
				return // several rows made this minute; as one row it is too much
			}
		}
		if h.Len() > 1e5 {
			return // too slow to write a million times
		}
		var b bytes.Buffer
		if err := trace.Write(&b, h); err != nil {
			t.Fatal(err)
		}
		again, err := trace.Read("fuzz/x", &b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(h, again, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 1e-300)); d != "" {
			t.Errorf("(-read +read again):\n%s", d)
		}
	})
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
