package lstm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/foretide/foretide/forecast/feature"
)

// Errors of Decode that a caller may want to tell apart.
var (
	// ErrFormat says that the weights are of another format or other features
	// than this program reads.
	ErrFormat = errors.New("unknown format")
	// ErrCorrupt says that the weights are damaged.
	ErrCorrupt = errors.New("corrupt")
)

const (
	magic  = "foretide"
	format = 1
	// maxUnits bounds what a header may ask for, and so what is allocated for
	// it.
	maxUnits = 4096
)

// header begins encoded weights; see README.md for the whole format.
type header struct {
	Magic                                             [len(magic)]byte
	Format, Features, Hidden, Dense, Outputs, Reserve uint32
}

func (z size) header() header {
	h := header{Format: format, Features: feature.Version, Hidden: uint32(z.hidden), Dense: uint32(z.dense), Outputs: outputs}
	copy(h.Magic[:], magic)
	return h
}

// Encode writes the model in the format that README.md describes.
func (m *Model) Encode(w io.Writer) error {
	b := bufio.NewWriter(w)
	sum := crc32.NewIEEE()
	to := io.MultiWriter(b, sum)
	if err := binary.Write(to, binary.LittleEndian, m.size.header()); err != nil {
		return fmt.Errorf("encode weights: %w", err)
	}
	for _, p := range m.weights {
		if err := binary.Write(to, binary.LittleEndian, p); err != nil {
			return fmt.Errorf("encode weights: %w", err)
		}
	}
	if err := binary.Write(b, binary.LittleEndian, sum.Sum32()); err != nil {
		return fmt.Errorf("encode weights: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("encode weights: %w", err)
	}
	return nil
}

// Decode reads what Encode wrote, to the end of r. Its errors wrap ErrFormat or
// ErrCorrupt, or are r's own.
func Decode(r io.Reader) (*Model, error) {
	b := bufio.NewReader(r)
	sum := crc32.NewIEEE()
	from := io.TeeReader(b, sum)
	var h header
	if err := read(from, &h); err != nil {
		return nil, fmt.Errorf("decode weights: read the header: %w", err)
	}
	z := size{hidden: int(h.Hidden), dense: int(h.Dense)}
	want := z.header()
	switch {
	case h.Magic != want.Magic:
		return nil, fmt.Errorf("decode weights: they begin with %q, want %q: %w", h.Magic, magic, ErrFormat)
	case h.Format != want.Format || h.Features != want.Features || h.Outputs != want.Outputs:
		return nil, fmt.Errorf("decode weights: format %d, features %d, %d outputs, want %d, %d and %d: train again with this version: %w",
			h.Format, h.Features, h.Outputs, want.Format, want.Features, want.Outputs, ErrFormat)
	case z.hidden < 1 || z.hidden > maxUnits || z.dense < 1 || z.dense > maxUnits:
		return nil, fmt.Errorf("decode weights: %d hidden and %d dense units, want 1 to %d: %w", z.hidden, z.dense, maxUnits, ErrCorrupt)
	}
	weights, err := z.read(from)
	if err != nil {
		return nil, err
	}
	got := sum.Sum32()
	var stored uint32
	if err := read(b, &stored); err != nil {
		return nil, fmt.Errorf("decode weights: read the checksum: %w", err)
	}
	if got != stored {
		return nil, fmt.Errorf("decode weights: checksum %08x, want %08x: %w", got, stored, ErrCorrupt)
	}
	if _, err := b.ReadByte(); err != io.EOF {
		return nil, fmt.Errorf("decode weights: something follows the checksum: %w", ErrCorrupt)
	}
	return newModel(z, weights), nil
}

// read takes the weights in pieces, so that a header that lies about its size
// costs no more memory than what follows it.
func (z size) read(r io.Reader) (parameters, error) {
	const piece = 1 << 16
	var p parameters
	for i, s := range z.shapes() {
		for n := s.TotalSize(); n > 0; n -= piece {
			v := make([]float32, min(n, piece))
			if err := read(r, v); err != nil {
				return p, fmt.Errorf("decode weights: read matrix %d: %w", i, err)
			}
			for _, x := range v {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					return p, fmt.Errorf("decode weights: matrix %d holds %v, want finite numbers: %w", i, x, ErrCorrupt)
				}
			}
			p[i] = append(p[i], v...)
		}
	}
	return p, nil
}

func read(r io.Reader, v any) error {
	err := binary.Read(r, binary.LittleEndian, v)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("too short: %w", ErrCorrupt)
	}
	return err
}
