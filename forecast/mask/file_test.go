package mask_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/mask"
)

func TestRead(t *testing.T) {
	f := func(name, text string, want ...mask.Named) {
		t.Helper()
		got, err := mask.Read(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	cart, search := forecast.Workload{Namespace: "shop", Name: "cart"}, forecast.Workload{Name: "search"}
	nine := forecast.Interval{From: monday.Add(9 * time.Hour), To: monday.Add(10 * time.Hour)}

	f("none", "workload,from,to\n")
	f("one", "workload,from,to\nshop/cart,2026-03-02T09:00:00Z,2026-03-02T10:00:00Z\n", mask.Named{Line: 2, Workload: cart, Interval: nine})
	f("unix", "workload,from,to\nshop/cart,1772442000,1772445600", mask.Named{Line: 2, Workload: cart, Interval: nine})
	f("zone", "workload,from,to\nsearch,2026-03-02T10:00:00+01:00,1772445600\n", mask.Named{Line: 2, Workload: search, Interval: nine})
	f("why", "workload,from,to,why\nsearch,1772442000,1772445600,\"a test, of load\"\nshop/cart,1772442000,1772445600\n",
		mask.Named{Line: 2, Workload: search, Interval: nine}, mask.Named{Line: 3, Workload: cart, Interval: nine})
	f("as spreadsheets write it", "\ufeffworkload,from,to\r\n\r\n# a note\r\n shop/cart , 1772442000, 1772445600 \r\n", mask.Named{Line: 4, Workload: cart, Interval: nine})
}

func TestReadErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, err := mask.Read(strings.NewReader(text))
		if err == nil || got != nil {
			t.Errorf("Read(%q) = %v, %v; want nothing but an error", text, got, err)
			return
		}
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Errorf("Read(%q) (-want +got):\n%s", text, d)
		}
	}
	f("", "file is empty: want the header workload,from,to or workload,from,to,why")
	f("timestamp,value\n0,1\n", `header "timestamp,value": want workload,from,to or workload,from,to,why`)
	f("workload,from,to\nshop/cart,1772442000,1772445600\n"+
		"shop/,1,2\n"+
		"cart,1\n"+
		"cart,1,2,3\n"+
		"cart,today,-5\n"+
		"cart,10,10\n"+
		"cart,1772442000000,1772445600000\n"+
		"a\"b,1,2\n",
		`line 3: parse workload "shop/": want NAMESPACE/NAME or NAME
line 4: 2 fields: want workload,from,to
line 5: 4 fields: want workload,from,to
line 6: from "today": want a time such as 2026-03-09T08:30:00Z, or Unix seconds; to "-5": want a time such as 2026-03-09T08:30:00Z, or Unix seconds
line 7: from 10 to 10: want it to end later than it begins
line 8: from "1772442000000": want a time such as 2026-03-09T08:30:00Z, or Unix seconds; to "1772445600000": want a time such as 2026-03-09T08:30:00Z, or Unix seconds
line 9: bare " in non-quoted-field`)
}

func TestLabel(t *testing.T) {
	cart, search := history(hour, 0, daily), history(hour, 0, daily)
	search.Workload.Name = "search"
	at := cart.Time
	cart.Labelled = []forecast.Interval{{From: at(20), To: at(30)}}
	name := func(line int, workload string, from, to int) mask.Named {
		return mask.Named{Line: line, Workload: forecast.Workload{Namespace: "shop", Name: workload}, Interval: forecast.Interval{From: at(from), To: at(to)}}
	}
	got, unmatched := mask.Label([]forecast.History{cart, search}, []mask.Named{
		name(2, "cart", 40, 50), name(3, "cart", 5, 10), name(4, "cart", 30, 35), name(5, "cart", 22, 24),
		name(6, "search", -100, 900), name(7, "search", 60, 70), name(8, "search", -9, 0), name(9, "other", 1, 2),
	})
	want := [][]forecast.Interval{
		{{From: at(5), To: at(10)}, {From: at(20), To: at(35)}, {From: at(40), To: at(50)}},
		{{From: at(-100), To: at(900)}},
	}
	if d := cmp.Diff(want, [][]forecast.Interval{got[0].Labelled, got[1].Labelled}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]mask.Named{name(7, "search", 60, 70), name(8, "search", -9, 0), name(9, "other", 1, 2)}, unmatched); d != "" {
		t.Errorf("unmatched (-want +got):\n%s", d)
	}
	if len(cart.Labelled) != 1 {
		t.Errorf("the history that was given now has %v", cart.Labelled)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("workload,from,to\nshop/cart,1772442000,1772445600")
	f.Add("workload,from,to,why\nsearch,2026-03-02T10:00:00+01:00,1772445600,\"a\n\"\n#\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		named, err := mask.Read(strings.NewReader(text))
		if err != nil && named != nil {
			t.Fatal("spans and an error")
		}
		for i, n := range named {
			if !n.From.Before(n.To) || n.Workload.Name == "" || n.Line < 2 || i > 0 && n.Line <= named[i-1].Line {
				t.Fatalf("span %+v", n)
			}
		}
	})
}
