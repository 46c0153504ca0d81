package calibrate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/foretide/foretide/forecast"
)

// learned is a calibrator that has seen some hours.
func learned(t testing.TB) *Calibrator {
	t.Helper()
	o := NewOnline("trained")
	h := walk(1, 3*day)
	for n := 2 * day; n < h.Len(); n += 5 {
		if _, err := o.Forecast(upTo(h, n), forecast.Forecast{}); err != nil {
			t.Fatal(err)
		}
	}
	return o.Calibrator()
}

func encoded(t testing.TB, c *Calibrator) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEncodeDecode(t *testing.T) {
	c := learned(t)
	data := encoded(t, c)
	if len(data) > 2500 {
		t.Errorf("the state takes %d bytes, want at most 2500", len(data))
	}
	back, err := Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, back), data) {
		t.Error("a state that was read and written again differs")
	}
	if !back.Last().Equal(c.Last()) || back.Report().Coverage(5) != c.Report().Coverage(5) {
		t.Errorf("read back: last %v and coverage %g, want %v and %g", back.Last(), back.Report().Coverage(5), c.Last(), c.Report().Coverage(5))
	}
	empty := New("one")
	if back, err := Decode(bytes.NewReader(encoded(t, empty))); err != nil || !back.Last().Equal(time.Time{}) {
		t.Errorf("read back an empty one: %v, %v", back, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	data := encoded(t, learned(t))
	f := func(data []byte, want error) {
		t.Helper()
		if _, err := Decode(bytes.NewReader(data)); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	f(nil, ErrFormat)
	f([]byte("something else"), ErrFormat)
	f(append([]byte(magic), 2), ErrFormat)
	for _, n := range []int{10, len(data) / 2, len(data) - 1} {
		f(data[:n], ErrCorrupt)
	}
	f(append(bytes.Clone(data), 0), ErrCorrupt)
	for _, i := range []int{9, 20, 200, len(data) - 1} {
		bad := bytes.Clone(data)
		bad[i] ^= 0x40
		f(bad, ErrCorrupt)
	}
	// A state that nobody could have learned, with a sum that fits.
	for _, spoil := range []func(c *Calibrator){
		func(c *Calibrator) { c.groups[0].weights[0] += 0.1 },
		func(c *Calibrator) { c.groups[1].weights = []float64{1, 0, 0, 0} },
		func(c *Calibrator) { c.groups[2].gap = 0 },
		func(c *Calibrator) { c.groups[3].theta[1] = 6 },
		func(c *Calibrator) { c.groups[4].mixed = -1 },
		func(c *Calibrator) { c.groups[5].covered[0] = 2*c.groups[5].n + 1 },
		func(c *Calibrator) { c.groups[0].at = c.last + step },
		func(c *Calibrator) { c.groups[1].at = never + 1 },
		func(c *Calibrator) { c.last = farthest },
	} {
		c := learned(t)
		spoil(c)
		f(encoded(t, c), ErrCorrupt)
	}
	broken := errors.New("broken")
	if _, err := Decode(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if err := New(strings.Repeat("x", 300)).Encode(&bytes.Buffer{}); err == nil {
		t.Error("a name of 300 bytes was written")
	}
}

// Whatever is read is refused or can be worked with, also where the sum fits.
func FuzzDecode(f *testing.F) {
	c := New("a", "b")
	for i := range 20 {
		at := start().Add(time.Duration(i) * time.Minute)
		c.Observe(at, float64(i))
		if _, err := c.Combine([]forecast.Forecast{fan(at, 9, 1), fan(at, 5, 2)}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(encoded(f, c), true)
	f.Add(encoded(f, New("one")), false)
	f.Add([]byte(magic), false)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal && len(data) > 4 {
			body := data[:len(data)-4]
			data = binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.ChecksumIEEE(body))
		}
		c, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		said := make([]forecast.Forecast, len(c.experts))
		for k := range said {
			said[k] = fan(c.Last().Add(time.Minute), 5, 1)
		}
		out, err := c.Combine(said)
		if err == nil {
			err = out.Check()
		}
		if err != nil {
			t.Errorf("combine after reading %d bytes: %v", len(data), err)
		}
	})
}
