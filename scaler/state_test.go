package scaler

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretide/foretide/forecast"
)

// saved is one calibration of a state.
type saved struct {
	ID     identity
	Last   time.Time
	Online string
}

var exported = cmp.AllowUnexported(identity{})

// some are calibrations of every kind of identity. The encoder does not look
// into them.
func some() []saved {
	return []saved{
		{identity{LoadSpec{Preset: "istio"}, shop("cart")}, noon, strings.Repeat("x", 300)},
		{identity{LoadSpec{Query: "sum(rate(x[1m]))", Workload: shop("pay")}, shop("pay")}, noon.Add(-time.Hour), "y"},
		{identity{LoadSpec{}, forecast.Workload{Name: "grüße"}}, time.Unix(0, 0).UTC(), ""},
	}
}

func encode(t testing.TB, at time.Time, records []saved) []byte {
	t.Helper()
	b := appendHeader(nil, at)
	for _, r := range records {
		var ok bool
		if b, ok = appendRecord(b, r.ID, learned{r.Last, []byte(r.Online)}); !ok {
			t.Fatalf("%v is left out", r.ID)
		}
	}
	return appendEnd(b, len(records))
}

func decode(r io.Reader, most int) (at time.Time, records []saved, err error) {
	at, err = readState(r, most, func(id identity, c learned) {
		records = append(records, saved{id, c.last, string(c.online)})
	})
	return at, records, err
}

func TestStateIsReadAsItWasWritten(t *testing.T) {
	data := encode(t, noon, some())
	// Whatever the pieces it comes in.
	at, records, err := decode(iotest.OneByteReader(bytes.NewReader(data)), 3)
	if diff := cmp.Diff(some(), records, exported); err != nil || !at.Equal(noon) || diff != "" {
		t.Errorf("saved at %v, %v (-want +got):\n%s", at, err, diff)
	}
	if at, records, err := decode(bytes.NewReader(encode(t, noon, nil)), 3); err != nil || !at.Equal(noon) || records != nil {
		t.Errorf("an empty state: %v, %v, %v", at, records, err)
	}
	id := some()[0].ID
	id.workload.Name = strings.Repeat("n", 1<<16)
	if b, ok := appendRecord([]byte("before"), id, learned{}); ok || string(b) != "before" {
		t.Errorf("a name of 64 kB is written: %v, %d bytes", ok, len(b))
	}
}

// TestDamagedStateIsReadAsFarAsItIsWhole: cut at every byte, with every byte
// changed, and with what this program does not read.
func TestDamagedStateIsReadAsFarAsItIsWhole(t *testing.T) {
	want, data := some(), encode(t, noon, some())
	// ends are where calibrations do.
	ends := []int{len(encode(t, noon, want[:1])) - 12, len(encode(t, noon, want[:2])) - 12, len(data) - 12}
	whole := func(upTo int) (n int) {
		for n < len(ends) && ends[n] <= upTo {
			n++
		}
		return n
	}
	check := func(what string, data []byte, most, n int) {
		t.Helper()
		_, records, err := decode(bytes.NewReader(data), most)
		if err == nil || len(records) != n {
			t.Fatalf("%s: %d calibrations, error %v; want %d and an error", what, len(records), err, n)
		}
		if diff := cmp.Diff(want[:n], records[:n], exported); n > 0 && diff != "" {
			t.Fatalf("%s (-want +got):\n%s", what, diff)
		}
	}
	for i := range data {
		check(fmt.Sprintf("cut at %d", i), data[:i], 9, whole(i))
		bad := bytes.Clone(data)
		bad[i] ^= 1
		check(fmt.Sprintf("byte %d changed", i), bad, 9, whole(i))
	}
	check("more after the end", append(bytes.Clone(data), 0), 9, 3)
	check("more than are wanted", data, 2, 2)
	newer := bytes.Clone(data)
	newer[len(stateMagic)] = stateFormat + 1
	check("a newer format", newer, 9, 0)
	check("a foreign file", []byte("PK\x03\x04 and so on"), 9, 0)
	_, _, err := decode(bytes.NewReader(newer), 9)
	if err == nil || !strings.Contains(err.Error(), "format 2, want 1") {
		t.Errorf("a newer format: %v", err)
	}
}

// Whatever is read can be written again and is then the same; nothing else is
// taken, nor memory for what is not there.
func FuzzReadState(f *testing.F) {
	f.Add(encode(f, noon, some()), true)
	f.Add(encode(f, noon, nil), false)
	f.Add(append(appendHeader(nil, noon), 0, 0x80, 0, 0), false)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal {
			data = sealed(data)
		}
		at, records, err := decode(bytes.NewReader(data), 50)
		if err != nil {
			return
		}
		if again := encode(t, at, records); !bytes.Equal(again, data) {
			t.Errorf("read %d bytes and wrote %d others", len(data), len(again))
		}
	})
}

// sealed is data with the sums that fit, as far as it is a state.
func sealed(data []byte) []byte {
	data = bytes.Clone(data)
	for from, n := 0, len(stateMagic)+9; from+n+4 <= len(data); {
		binary.LittleEndian.PutUint32(data[from+n:], crc32.ChecksumIEEE(data[from:from+n]))
		if from += n + 4; from+4 > len(data) {
			break
		}
		n = 4 + int(binary.LittleEndian.Uint32(data[from:])%largestRecord)
		if n == 4 {
			n = 8
		}
	}
	return data
}

// TestReplaceIsAllOrNothing: a write that fails at any byte leaves the file
// that was there, and nothing else.
func TestReplaceIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		files, _ := os.ReadDir(dir)
		if err != nil || string(got) != want || len(files) != 1 {
			t.Fatalf("the file has %q, %v, and there are %d; want %q and it alone", got, err, len(files), want)
		}
	}
	if err := replace(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }); err != nil {
		t.Fatal(err)
	}
	check("old")
	full := errors.New("no space")
	for n := range 20 {
		err := replace(path, func(w io.Writer) error {
			_, _ = w.Write(bytes.Repeat([]byte("new"), n<<14))
			return full
		})
		if !errors.Is(err, full) {
			t.Errorf("error %v, want %v", err, full)
		}
		check("old")
	}
	if err := replace(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	check("new")
	// What cannot be replaced is not, and leaves nothing either.
	if err := replace(dir, func(io.Writer) error { return nil }); err == nil {
		t.Error("a directory was replaced")
	}
	check("new")
}
