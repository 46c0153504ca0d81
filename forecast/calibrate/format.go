package calibrate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/foretide/foretide/forecast"
)

// ErrFormat says that a state is of another format than this program reads,
// and ErrCorrupt that it is damaged.
var (
	ErrFormat  = errors.New("unknown format")
	ErrCorrupt = errors.New("corrupt")
)

const (
	magic  = "foretcal"
	format = 1
	// largest bounds what Decode reads.
	largest = 1 << 16
	// longest is the longest name of an expert, in bytes.
	longest = 255
	// farthest is how far from 1970 times can be, in seconds: some 35,000 years.
	farthest = 1 << 40
)

// Encode writes what was learned, in the format that README.md describes: about
// 2 kB. Forecasts whose time has not come are left out; they are made anew
// within the hour.
func (c *Calibrator) Encode(w io.Writer) error {
	b := append(make([]byte, 0, 4096), magic...)
	b = append(b, format, byte(len(c.experts)))
	for _, name := range c.experts {
		if len(name) > longest {
			return fmt.Errorf("encode calibration: expert %q: want a name of at most %d bytes", name, longest)
		}
		b = append(append(b, byte(len(name))), name...)
	}
	var err error
	b = binary.LittleEndian.AppendUint64(b, uint64(c.last))
	for i := range c.groups {
		for _, field := range c.groups[i].fields() {
			if b, err = binary.Append(b, binary.LittleEndian, field); err != nil {
				return fmt.Errorf("encode calibration: %w", err)
			}
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("encode calibration: %w", err)
	}
	return nil
}

// fields are what is written of a group, in order, to write or to read into.
func (g *group) fields() []any {
	return []any{&g.at, g.weights, &g.gap, g.theta[:], &g.n, &g.mixed, g.lost, g.heard, g.covered[:], g.pinball[:]}
}

// Decode reads what Encode wrote. The error is one of r, or wraps ErrFormat or
// ErrCorrupt.
func Decode(r io.Reader) (*Calibrator, error) {
	data, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err != nil {
		return nil, fmt.Errorf("decode calibration: %w", err)
	}
	c, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode calibration: %w", err)
	}
	return c, nil
}

func decode(data []byte) (*Calibrator, error) {
	if len(data) < len(magic)+1 || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: want it to begin with %q", ErrFormat, magic)
	}
	if v := data[len(magic)]; v != format {
		return nil, fmt.Errorf("%w %d, want %d", ErrFormat, v, format)
	}
	body := len(data) - 4
	if body < len(magic)+2 || len(data) > largest || crc32.ChecksumIEEE(data[:body]) != binary.LittleEndian.Uint32(data[body:]) {
		return nil, fmt.Errorf("%w: its sum is wrong", ErrCorrupt)
	}
	b := bytes.NewReader(data[len(magic)+1 : body])
	n, _ := b.ReadByte() // there is one
	if n < 1 || n > MaxExperts {
		return nil, fmt.Errorf("%w: %d experts, want 1 to %d", ErrCorrupt, n, MaxExperts)
	}
	var experts []string
	for range n {
		length, err := b.ReadByte()
		name := make([]byte, length)
		if err == nil {
			_, err = io.ReadFull(b, name)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: it ends within the names", ErrCorrupt)
		}
		experts = append(experts, string(name))
	}
	c := New(experts...)
	if err := binary.Read(b, binary.LittleEndian, &c.last); err != nil {
		return nil, fmt.Errorf("%w: it ends before the buckets", ErrCorrupt)
	}
	if !possible(c.last) {
		return nil, fmt.Errorf("%w: the last step is at %d", ErrCorrupt, c.last)
	}
	for i := range c.groups {
		g := &c.groups[i]
		for _, field := range g.fields() {
			if err := binary.Read(b, binary.LittleEndian, field); err != nil {
				return nil, fmt.Errorf("%w: it ends within bucket %d", ErrCorrupt, i)
			}
		}
		if err := g.check(c.last); err != nil {
			return nil, fmt.Errorf("%w: bucket %d: %w", ErrCorrupt, i, err)
		}
	}
	if b.Len() > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrCorrupt, b.Len())
	}
	return c, nil
}

// possible tells whether t, in Unix seconds, is a time that reckoning can be
// done with, or never.
func possible(t int64) bool { return t == never || -farthest < t && t < farthest }

// check tells whether a group is one that could have been learned by the time
// of the last step.
func (g *group) check(last int64) error {
	if !possible(g.at) || g.at > last {
		return fmt.Errorf("last round at %d, want it no later than the last step at %d", g.at, last)
	}
	sum := 0.0
	for _, w := range g.weights {
		if !(w > 0) {
			return fmt.Errorf("weight %g, want more than 0", w)
		}
		sum += w
	}
	if !(math.Abs(sum-1) < 1e-6) {
		return fmt.Errorf("weights sum up to %g, want 1", sum)
	}
	if !(g.gap >= leastGap(len(g.weights))) || math.IsInf(g.gap, 0) {
		return fmt.Errorf("gap %g, want %g or more", g.gap, leastGap(len(g.weights)))
	}
	for _, t := range g.theta {
		if !(math.Abs(t) <= bound) {
			return fmt.Errorf("correction %g, want -%d to %d", t, bound, bound)
		}
	}
	sums := append([]float64{g.n, g.mixed}, g.lost...)
	sums = append(append(append(sums, g.heard...), g.covered[:]...), g.pinball[:]...)
	for _, s := range sums {
		if !(s >= 0) || math.IsInf(s, 0) {
			return fmt.Errorf("sum %g, want a finite one, 0 or more", s)
		}
	}
	for j := range forecast.NumLevels {
		if g.covered[j] > g.n*(1+1e-9) {
			return fmt.Errorf("%g covered of %g", g.covered[j], g.n)
		}
	}
	return nil
}
