package calibrate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

const (
	onlineMagic  = "foretonl"
	onlineFormat = 1
)

// Encode writes what was learned, in the format that README.md describes: about
// 4 kB. Forecasts whose time has not come are left out.
func (o *Online) Encode(w io.Writer) error {
	b := append(make([]byte, 0, 4096), onlineMagic...)
	b = append(b, onlineFormat)
	for i := range o.courses {
		b = o.courses[i].append(b)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("encode calibration: %w", err)
	}
	return o.calibrator.Encode(w)
}

// Resume reads what Encode wrote and goes on with it: given a history, it says
// what the Online that was written would have said, and observes the steps that
// have come since. The forecasts that were waiting for their truth are lost, so
// corrections and weights of a lead rest for as long as the lead is. network is
// as in [NewOnline]. The error is one of r, or wraps ErrFormat or ErrCorrupt;
// ErrFormat also where the experts are others.
func Resume(network string, r io.Reader) (*Online, error) {
	data, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err != nil {
		return nil, fmt.Errorf("resume calibration: %w", err)
	}
	if len(data) > largest {
		return nil, fmt.Errorf("resume calibration: %w: want at most %d bytes", ErrCorrupt, largest)
	}
	o := NewOnline(network)
	rest, err := o.decode(data)
	if err != nil {
		return nil, fmt.Errorf("resume calibration: %w", err)
	}
	c, err := Decode(bytes.NewReader(rest))
	if err != nil {
		return nil, err
	}
	if want := o.calibrator.experts; !slices.Equal(c.experts, want) {
		return nil, fmt.Errorf("resume calibration: %w: of the experts %q, want %q", ErrFormat, c.experts, want)
	}
	o.calibrator = c
	return o, nil
}

// decode reads what was learned of the courses and gives what follows it.
func (o *Online) decode(data []byte) (rest []byte, err error) {
	rest, ok := bytes.CutPrefix(data, []byte(onlineMagic))
	if !ok || len(rest) == 0 {
		return nil, fmt.Errorf("%w: want it to begin with %q", ErrFormat, onlineMagic)
	}
	if v := rest[0]; v != onlineFormat {
		return nil, fmt.Errorf("%w %d, want %d", ErrFormat, v, onlineFormat)
	}
	rest = rest[1:]
	for i := range o.courses {
		c := &o.courses[i]
		if rest, err = c.decode(rest); err != nil {
			return nil, fmt.Errorf("%w: expert %s: %w", ErrCorrupt, c.name, err)
		}
	}
	body := len(data) - len(rest)
	if len(rest) < 4 || crc32.ChecksumIEEE(data[:body]) != binary.LittleEndian.Uint32(rest) {
		return nil, fmt.Errorf("%w: the sum of the experts is wrong", ErrCorrupt)
	}
	return rest[4:], nil
}

// append writes what is known of a course's errors.
func (c *course) append(b []byte) []byte {
	learned := int64(never)
	if !c.learned.IsZero() {
		learned = c.learned.Unix()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(learned))
	if !c.known {
		return append(b, 0)
	}
	b = append(b, 1)
	for _, errors := range [][knots]forecast.Quantiles{c.steps, c.peaks} {
		for _, q := range errors {
			for _, v := range q {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
			}
		}
	}
	return b
}

// decode reads it and gives what follows.
func (c *course) decode(b []byte) (rest []byte, err error) {
	if len(b) < 9 {
		return nil, io.ErrUnexpectedEOF
	}
	learned, known := int64(binary.LittleEndian.Uint64(b)), b[8]
	if !possible(learned) || known > 1 {
		return nil, fmt.Errorf("learned at %d, known %d", learned, known)
	}
	if learned != never {
		c.learned = time.Unix(learned, 0).UTC()
	}
	b = b[9:]
	if c.known = known == 1; !c.known {
		return b, nil
	}
	if len(b) < 2*knots*forecast.NumLevels*4 {
		return nil, io.ErrUnexpectedEOF
	}
	for _, errors := range []*[knots]forecast.Quantiles{&c.steps, &c.peaks} {
		for k := range errors {
			for j := range errors[k] {
				v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return nil, fmt.Errorf("an error of %g, want finite ones", v)
				}
				errors[k][j] = v
				b = b[4:]
			}
		}
	}
	return b, nil
}
