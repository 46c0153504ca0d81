package scaler

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/foretide/foretide/forecast"
)

const (
	stateMagic  = "foretsta"
	stateFormat = 1
	// largestRecord bounds what is read for one calibration, in bytes. One has
	// about 4,000, and its query at most maxQueryLength.
	largestRecord = 1 << 15
)

// identity is what a calibration belongs to.
type identity struct {
	// load is where the load is read from, with the name of the default preset.
	load     LoadSpec
	workload forecast.Workload
}

// learned is a calibration as it is kept.
type learned struct {
	// last is the newest step that it has seen, in full seconds.
	last time.Time
	// online is what calibrate.Online.Encode wrote.
	online []byte
}

// names are the parts of an identity in the order in which they are written.
func (id *identity) names() []*string {
	return []*string{&id.load.Preset, &id.load.Query, &id.load.Workload.Namespace, &id.load.Workload.Name, &id.workload.Namespace, &id.workload.Name}
}

// appendHeader appends what a state begins with, in the format that README.md
// describes, and appendEnd what it ends with.
func appendHeader(b []byte, now time.Time) []byte {
	from := len(b)
	b = append(append(b, stateMagic...), stateFormat)
	b = binary.LittleEndian.AppendUint64(b, uint64(now.Unix()))
	return appendSum(b, from)
}

func appendEnd(b []byte, records int) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(records))
	return appendSum(b, from)
}

// appendRecord appends one calibration, if it is not too large: labels of
// metrics can be of any length.
func appendRecord(b []byte, id identity, c learned) (_ []byte, ok bool) {
	length := 8 + len(c.online)
	for _, s := range id.names() {
		length += 2 + len(*s)
	}
	if length > largestRecord {
		return b, false
	}
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.last.Unix()))
	for _, s := range id.names() {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(*s))), *s...)
	}
	return appendSum(append(b, c.online...), from), true
}

// appendSum appends the sum of what b has from there on.
func appendSum(b []byte, from int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}

// readState gives the calibrations of r to take, and when they were saved. The
// error says where r ends to be a state, or that it has more than so many
// calibrations; those that were taken before are whole.
func readState(r io.Reader, most int, take func(identity, learned)) (saved time.Time, err error) {
	in := bufio.NewReader(r)
	header, err := summed(in, len(stateMagic)+1+8)
	if len(header) <= len(stateMagic) || string(header[:len(stateMagic)]) != stateMagic {
		return saved, fmt.Errorf("want it to begin with %q", stateMagic)
	}
	if v := header[len(stateMagic)]; v != stateFormat {
		return saved, fmt.Errorf("format %d, want %d", v, stateFormat)
	}
	if err != nil {
		return saved, fmt.Errorf("read header: %w", err)
	}
	saved = time.Unix(int64(binary.LittleEndian.Uint64(header[len(stateMagic)+1:])), 0).UTC()
	for n := 0; ; n++ {
		start, err := in.Peek(4)
		if err != nil {
			return saved, fmt.Errorf("read calibration %d: %w", n+1, unexpected(err))
		}
		length := binary.LittleEndian.Uint32(start)
		if length == 0 {
			return saved, readEnd(in, n)
		}
		if length > largestRecord {
			return saved, fmt.Errorf("read calibration %d: %d bytes, want at most %d", n+1, length, largestRecord)
		}
		if n == most {
			return saved, fmt.Errorf("want at most %d calibrations", most)
		}
		record, err := summed(in, 4+int(length))
		if err != nil {
			return saved, fmt.Errorf("read calibration %d: %w", n+1, err)
		}
		id, c, err := parseRecord(record[4:])
		if err != nil {
			return saved, fmt.Errorf("read calibration %d: %w", n+1, err)
		}
		take(id, c)
	}
}

// readEnd reads what follows n calibrations.
func readEnd(in *bufio.Reader, n int) error {
	end, err := summed(in, 8)
	if err != nil {
		return fmt.Errorf("read end: %w", err)
	}
	if want := binary.LittleEndian.Uint32(end[4:]); int64(n) != int64(want) {
		return fmt.Errorf("it has %d calibrations, want %d", n, want)
	}
	if _, err := in.Peek(1); err != io.EOF {
		return errors.New("there is more after its end")
	}
	return nil
}

func parseRecord(b []byte) (id identity, c learned, err error) {
	if len(b) < 8 {
		return id, c, io.ErrUnexpectedEOF
	}
	c.last = time.Unix(int64(binary.LittleEndian.Uint64(b)), 0).UTC()
	b = b[8:]
	for _, s := range id.names() {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return id, c, errors.New("it ends within the names")
		}
		n := 2 + int(binary.LittleEndian.Uint16(b))
		*s, b = string(b[2:n]), b[n:]
	}
	c.online = b
	return id, c, nil
}

// summed reads n bytes and their sum. It gives what it could read beside an
// error.
func summed(in io.Reader, n int) ([]byte, error) {
	b := make([]byte, n+4)
	got, err := io.ReadFull(in, b)
	switch {
	case err != nil:
		return b[:min(got, n)], unexpected(err)
	case crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]):
		return b[:n], errors.New("its sum is wrong")
	}
	return b[:n], nil
}

// unexpected is err where more was to come.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// temporary is the pattern of the files that become the state at path.
func temporary(path string) string { return filepath.Base(path) + ".*.tmp" }

// replace writes the file at path anew: there is all of the old one or all of
// the new one, whenever the machine stops.
func replace(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary(path))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // at worst the second time
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Where a directory cannot be synced, the name is as safe as it gets.
	_ = d.Sync()
	return d.Close()
}
