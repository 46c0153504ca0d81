package calibrate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretide/foretide/forecast"
)

// kept is o as written.
func kept(t testing.TB, o *Online) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// trained is what a network that is off by a bit says after n steps of h.
func trained(h forecast.History, n int) forecast.Forecast {
	f := fan(h.Time(n-1), 1.1*h.Values[n-1], 0.5)
	f.Workload = h.Workload
	return f
}

// online has seen h to the minute n, from two days before.
func online(t testing.TB, h forecast.History, n, every int) *Online {
	t.Helper()
	o := NewOnline("trained")
	for i := n - 2*day; i <= n; i += every {
		if _, err := o.Forecast(upTo(h, i), trained(h, i)); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// What was resumed says, to the last digit, what the one says that was never
// stopped, although experts learn their errors at other times; and as long as
// it lacks the forecasts that were waiting, nearly that.
func TestResume(t *testing.T) {
	h := walk(1, 12*day)
	n := 11*day - 300
	one := online(t, h, n, 1)
	data := kept(t, one)
	if len(data) > 4500 {
		t.Errorf("the state takes %d bytes, want at most 4500", len(data))
	}
	two, err := Resume("trained", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept(t, two), data) {
		t.Error("a state that was read and written again differs")
	}
	if diff := cmp.Diff(one.Calibrator().Report(), two.Calibrator().Report(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("another report (-never stopped +resumed):\n%s", diff)
	}
	// The same origin again, then the hours after it.
	for i := n; i < n+6*60; i++ {
		a, err := one.Forecast(upTo(h, i), trained(h, i))
		if err != nil {
			t.Fatal(err)
		}
		b, err := two.Forecast(upTo(h, i), trained(h, i))
		if err != nil {
			t.Fatal(err)
		}
		off := 0.0
		for k := range a.Steps {
			for j, v := range a.Steps[k] {
				off = max(off, math.Abs(v-b.Steps[k][j]), math.Abs(a.Peaks[k][j]-b.Peaks[k][j]))
			}
		}
		// Of 10 requests a second with a deviation of 1.
		if most := 0.25; i == n && off != 0 || off > most {
			t.Fatalf("%d minutes after: quantiles differ by %g, want 0 at once and then at most %g", i-n, off, most)
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	h := walk(1, 10*day)
	data := kept(t, online(t, h, h.Len()-1, 30))
	f := func(network string, data []byte, want error, text string) {
		t.Helper()
		if _, err := Resume(network, bytes.NewReader(data)); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %v that says %q", err, want, text)
		}
	}
	f("trained", nil, ErrFormat, onlineMagic)
	f("trained", []byte("something else"), ErrFormat, onlineMagic)
	f("trained", append([]byte(onlineMagic), 2), ErrFormat, "want 1")
	f("another", data, ErrFormat, `experts ["trained"`)
	f("trained", append(bytes.Clone(data), 0), ErrCorrupt, "")
	f("trained", bytes.Repeat(data, 20), ErrCorrupt, "at most")
	for n := range len(data) {
		if _, err := Resume("trained", bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(data))
		}
		bad := bytes.Clone(data)
		bad[n] ^= 0x10
		if _, err := Resume("trained", bytes.NewReader(bad)); err == nil {
			t.Fatalf("a wrong byte %d is taken", n)
		}
	}
	broken := errors.New("broken")
	if _, err := Resume("trained", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if err := NewOnline("trained").Encode(failing{}); err == nil {
		t.Error("written to what cannot be written to")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space") }

// Whatever is read is refused or can be worked with, also where the sums fit.
func FuzzResume(f *testing.F) {
	h := walk(1, 10*day)
	n := h.Len() - 90
	f.Add(kept(f, online(f, h, n, 30)), true)
	f.Add(kept(f, NewOnline("trained")), true)
	f.Add([]byte(onlineMagic), false)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		at := bytes.LastIndex(data, []byte(magic))
		if seal && at >= 4 && len(data) >= at+len(magic)+4 {
			data = bytes.Clone(data)
			binary.LittleEndian.PutUint32(data[at-4:], crc32.ChecksumIEEE(data[:at-4]))
			end := len(data) - 4
			binary.LittleEndian.PutUint32(data[end:], crc32.ChecksumIEEE(data[at:end]))
		}
		o, err := Resume("trained", bytes.NewReader(data))
		if err != nil {
			return
		}
		for i := n; i < n+80; i += 20 {
			out, err := o.Forecast(upTo(h, i), trained(h, i))
			if err == nil {
				err = out.Check()
			}
			if err != nil {
				t.Fatalf("forecast after reading %d bytes: %v", len(data), err)
			}
		}
		if _, err := Resume("trained", bytes.NewReader(kept(t, o))); err != nil {
			t.Errorf("what was read and went on cannot be read: %v", err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	h := walk(1, 10*day)
	o := online(b, h, h.Len()-1, 30)
	b.ReportAllocs()
	for b.Loop() {
		var to bytes.Buffer
		if err := o.Encode(&to); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResume(b *testing.B) {
	h := walk(1, 10*day)
	data := kept(b, online(b, h, h.Len()-1, 30))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Resume("trained", bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
