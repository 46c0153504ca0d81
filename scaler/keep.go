package scaler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
)

const (
	// stateFile is the name of the state in its directory.
	stateFile = "foretide-calibrations"
	// saveEvery is the distance of two saves, and saveAtOnce how many
	// calibrations are encoded at a time, so that a forecast waits for
	// milliseconds at most.
	saveEvery  = 5 * time.Minute
	saveAtOnce = 256
)

// keeper keeps the calibrations of a loop in a file.
type keeper struct {
	path string

	saving sync.Mutex // one at a time; guards failed
	failed error      // what the last save failed with

	// The loop's mutex guards what follows.

	// saved is when what the file has was saved, zero if there is none, and
	// tried when that was last set about.
	saved, tried time.Time
	// unclaimed are those of the file whose workload was not seen since the
	// start; they are kept until then, as the metrics store may be slow, and KEDA
	// slow to ask.
	unclaimed map[identity]learned
	until     time.Time
}

// newKeeper makes sure that files can be written to dir, and reads what is
// there, at most so many calibrations. What cannot be read is logged and no
// error.
func newKeeper(dir string, most int, o Options) (*keeper, error) {
	k := &keeper{path: filepath.Join(dir, stateFile), unclaimed: map[identity]learned{}}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = writable(k.path)
	}
	if err != nil {
		return nil, fmt.Errorf("keep state in %q: %w; want a directory that can be written to", dir, err)
	}
	log := o.Log.With("file", k.path)
	f, err := os.Open(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		log.Info("no calibrations are saved yet; they are learned from history")
		return k, nil
	}
	if err == nil {
		k.saved, err = readState(f, most, func(id identity, c learned) { k.unclaimed[id] = c })
		_ = f.Close() // it was only read
	}
	if err != nil {
		log.Warn("saved calibrations cannot be read; those that are missing are learned again from history", "read", len(k.unclaimed), "err", err)
		return k, nil
	}
	log.Info("saved calibrations read", "calibrations", len(k.unclaimed), "saved", k.saved)
	return k, nil
}

// writable tries whether a file can be put at path, and removes what earlier
// tries that were cut short have left.
func writable(path string) error {
	dir := filepath.Dir(path)
	left, err := fs.Glob(os.DirFS(dir), temporary(path))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(dir, temporary(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// identity is what the calibration of w belongs to, read from a feed of spec.
func (l *Loop) identity(spec LoadSpec, w forecast.Workload) identity {
	if spec == (LoadSpec{}) {
		spec.Preset = l.o.Preset
	}
	return identity{spec, w}
}

// restore gives the tracks that have a history and no calibration the one that
// was saved. The caller holds forecasting.
func (l *Loop) restore() {
	if l.keeper == nil {
		return
	}
	type claim struct {
		*track
		identity
		learned
		origin time.Time
	}
	var claims []claim
	l.mu.Lock()
	if len(l.keeper.unclaimed) > 0 {
		for spec, f := range l.feeds {
			for w, t := range f.tracks {
				id := l.identity(spec, w)
				if c, ok := l.keeper.unclaimed[id]; ok && t.series.Len() > 0 {
					claims = append(claims, claim{t, id, c, t.series.Origin()})
				}
			}
		}
	}
	l.mu.Unlock()
	if len(claims) == 0 {
		return
	}
	refused, why := 0, error(nil)
	for _, c := range claims {
		online, err := c.resume(c.origin)
		if err != nil {
			refused, why = refused+1, fmt.Errorf("%s: %w", c.track.workload, err)
			continue
		}
		c.calibration.online, c.calibration.live, c.calibration.restored = online, true, true
	}
	if n := len(claims) - refused; n > 0 {
		l.o.Log.Info("saved calibrations are in use", "calibrations", n)
	}
	if refused > 0 {
		l.o.Log.Warn("saved calibrations cannot be used and are learned again from history", "calibrations", refused, "err", why)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range claims {
		delete(l.keeper.unclaimed, c.identity)
	}
}

// resume goes on with a calibration at origin. The error is one that is of
// another format, or of too long ago to know anything of now, or of the future:
// it would learn nothing until then.
func (c learned) resume(origin time.Time) (*calibrate.Online, error) {
	online, err := calibrate.Resume(networkExpert, bytes.NewReader(c.online))
	if err != nil {
		return nil, err
	}
	last := online.Calibrator().Last()
	if age := origin.Sub(last); age > relearnSpan || age < -forecast.Horizon*forecast.Step {
		return nil, fmt.Errorf("its last step is %s, want one of the day before %s", last.Format(time.RFC3339), origin.Format(time.RFC3339))
	}
	return online, nil
}

// keep saves the calibrations if that is due at now.
func (l *Loop) keep(now time.Time) {
	k := l.keeper
	if k == nil {
		return
	}
	l.mu.Lock()
	if k.tried.IsZero() {
		k.tried, k.until = now, now.Add(forgetTrigger)
	}
	since := now.Sub(k.tried)
	l.mu.Unlock()
	if since < 0 || since >= saveEvery { // the clock may have been set back
		l.save(now)
	}
}

// save writes the calibrations that are in use, and those that nobody has
// claimed yet.
func (l *Loop) save(now time.Time) {
	k := l.keeper
	if k == nil {
		return
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	defer l.metrics.time("save")()
	var tracks []kept
	l.mu.Lock()
	k.tried = now
	maps.DeleteFunc(k.unclaimed, func(_ identity, c learned) bool {
		return now.Sub(c.last) > relearnSpan || !k.until.IsZero() && now.After(k.until)
	})
	unclaimed := maps.Clone(k.unclaimed)
	for spec, f := range l.feeds {
		for w, t := range f.tracks {
			tracks = append(tracks, kept{l.identity(spec, w), t})
		}
	}
	l.mu.Unlock()

	err := replace(k.path, func(w io.Writer) error { return l.writeState(w, now, tracks, unclaimed) })
	switch {
	case err != nil && k.failed == nil:
		l.o.Log.Warn("calibrations cannot be saved; what was saved before stays", "file", k.path, "err", err)
	case err == nil && k.failed != nil:
		l.o.Log.Info("calibrations are saved again", "file", k.path)
	}
	k.failed = err
	if err != nil {
		l.metrics.errors.WithLabelValues("save").Inc()
		return
	}
	l.mu.Lock()
	k.saved = now
	l.mu.Unlock()
}

// kept is a track and what its calibration belongs to.
type kept struct {
	identity
	*track
}

// writeState writes a state. Nothing is locked while w is written to.
func (l *Loop) writeState(w io.Writer, now time.Time, tracks []kept, unclaimed map[identity]learned) error {
	records, b := 0, appendHeader(nil, now)
	for some := range slices.Chunk(tracks, saveAtOnce) {
		if _, err := w.Write(b); err != nil {
			return err
		}
		var n int
		var err error
		if b, n, err = l.appendLive(b[:0], some); err != nil {
			return err
		}
		records += n
	}
	for id, c := range unclaimed {
		if _, err := w.Write(b); err != nil {
			return err
		}
		var ok bool
		if b, ok = appendRecord(b[:0], id, c); ok {
			records++
		}
	}
	_, err := w.Write(appendEnd(b, records))
	return err
}

// appendLive appends the calibrations that are in use, and says how many.
func (l *Loop) appendLive(b []byte, tracks []kept) (_ []byte, n int, err error) {
	l.forecasting.Lock()
	defer l.forecasting.Unlock()
	var online bytes.Buffer
	for _, t := range tracks {
		c := &t.calibration
		if !c.live || c.online.Calibrator().Last().IsZero() {
			continue
		}
		online.Reset()
		if err := c.online.Encode(&online); err != nil {
			return b, n, err
		}
		var ok bool
		if b, ok = appendRecord(b, t.identity, learned{c.online.Calibrator().Last(), online.Bytes()}); ok {
			n++
		}
	}
	return b, n, nil
}
