package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

var (
	// ErrNotFound says that there is no such version.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt says that an object is not what was written.
	ErrCorrupt = errors.New("corrupt")
	// ErrFormat says that a newer program wrote the object.
	ErrFormat = errors.New("newer format")
	// ErrNoChampion says that nothing was ever promoted.
	ErrNoChampion = errors.New("no champion yet")
	// ErrConflict says that another writer was first.
	ErrConflict = errors.New("another writer was first")
)

// Registry is a store of models. Its methods may be called concurrently, by
// any number of processes on the same store.
type Registry struct {
	bucket *blob.Bucket
	lock   func() (unlock func(), err error)
}

// Open opens the store that a URL names: file:///DIR (created if it is not
// there), s3://BUCKET?region=REGION, with use_path_style=true and
// endpoint=http://HOST:PORT for a server that is not Amazon's, or mem:// (a
// new, empty one at each call). It does not reach out to the store yet.
// Credentials for S3 come from where the AWS command line takes them.
func Open(ctx context.Context, url string) (*Registry, error) {
	bucket, lock, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Registry{bucket: bucket, lock: lock}, nil
}

// Close lets the store go.
func (r *Registry) Close() error { return r.bucket.Close() }

// Put keeps weights as a new version and gives m as it was written, with its
// ID. The version is not the champion by that, see [Registry.Promote]. Where
// it fails or ctx ends, there is no new version. Writing the same again gives
// the same version; the same weights in the same second with another manifest
// are an [ErrConflict].
func (r *Registry) Put(ctx context.Context, m Manifest, weights []byte) (Manifest, error) {
	sum := sha256.Sum256(weights)
	m.Format = Format
	m.Created = m.Created.UTC().Truncate(time.Second)
	m.Weights = Weights{Size: int64(len(weights)), SHA256: hex.EncodeToString(sum[:])}
	m.ID = versionID(m.Created, m.Weights.SHA256)
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("put model: %w", err)
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, fmt.Errorf("put model %q: %w", m.ID, err)
	}
	unlock, err := r.lock()
	if err != nil {
		return Manifest{}, fmt.Errorf("put model %q: %w", m.ID, err)
	}
	defer unlock()
	// The manifest comes last, for it is what makes the version exist.
	if err := r.create(ctx, weightsKey(m.ID), "application/octet-stream", weights); err != nil {
		return Manifest{}, fmt.Errorf("put model %q: %w", m.ID, err)
	}
	if err := r.create(ctx, manifestKey(m.ID), "application/json", data); err != nil {
		return Manifest{}, fmt.Errorf("put model %q: %w", m.ID, err)
	}
	return m, nil
}

// Manifest reads a version's manifest alone. Errors are as for [Registry.Get].
func (r *Registry) Manifest(ctx context.Context, id string) (Manifest, error) {
	m, err := r.manifest(ctx, id)
	if err != nil {
		return Manifest{}, fmt.Errorf("get model %q: %w", id, err)
	}
	return m, nil
}

// Get reads a version and verifies its weights to the byte. Errors tell apart
// [ErrNotFound], [ErrCorrupt] and [ErrFormat]; any other is the store's and
// may pass.
func (r *Registry) Get(ctx context.Context, id string) (Manifest, []byte, error) {
	m, err := r.manifest(ctx, id)
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("get model %q: %w", id, err)
	}
	weights, err := r.read(ctx, weightsKey(id), m.Weights.Size)
	switch {
	case errors.Is(err, ErrNotFound):
		return Manifest{}, nil, fmt.Errorf("get model %q: %w: its weights are gone", id, ErrCorrupt)
	case err != nil:
		return Manifest{}, nil, fmt.Errorf("get model %q: %w", id, err)
	}
	if sum := sha256.Sum256(weights); hex.EncodeToString(sum[:]) != m.Weights.SHA256 {
		return Manifest{}, nil, fmt.Errorf("get model %q: %w: its %d bytes of weights have SHA-256 %x, want %d and %s",
			id, ErrCorrupt, len(weights), sum, m.Weights.Size, m.Weights.SHA256)
	}
	return m, weights, nil
}

// Versions lists all versions, oldest first. One that cannot be read is left
// out and named in the error, which then comes with the others; a list that is
// nil beside an error means that the store did not answer.
func (r *Registry) Versions(ctx context.Context) ([]Manifest, error) {
	names, err := r.list(ctx, "models/")
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	read := make([]Manifest, len(names))
	errs := make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, name := range names {
		g.Go(func() error {
			// Whatever is not a version's folder is someone else's.
			if id := strings.TrimSuffix(name, "/"); id != name && validID(id) {
				read[i], errs[i] = r.Manifest(ctx, id)
			}
			return nil
		})
	}
	_ = g.Wait() // each has an error of its own
	versions := make([]Manifest, 0, len(names))
	for i, m := range read {
		if m.ID != "" {
			versions = append(versions, m)
		}
		if errors.Is(errs[i], ErrNotFound) {
			errs[i] = nil // weights without a manifest: being written, or never finished
		}
	}
	return versions, errors.Join(errs...)
}

// Champion is the newest entry of the promotion log. With none there it is
// zero and the error [ErrNoChampion]. Where the newest cannot be read, the
// error is as for [Registry.Get] and the entry has its Seq alone, enough to
// promote another on top.
func (r *Registry) Champion(ctx context.Context) (Promotion, error) {
	seqs, err := r.sequence(ctx)
	if err != nil {
		return Promotion{}, fmt.Errorf("find champion: %w", err)
	}
	if len(seqs) == 0 {
		return Promotion{}, fmt.Errorf("find champion: %w", ErrNoChampion)
	}
	p, err := r.promotion(ctx, seqs[len(seqs)-1])
	if err != nil {
		return p, fmt.Errorf("find champion: %w", err)
	}
	return p, nil
}

// Promotions is the promotion log, oldest first. Entries that cannot be read
// are treated as [Registry.Versions] does.
func (r *Registry) Promotions(ctx context.Context) ([]Promotion, error) {
	seqs, err := r.sequence(ctx)
	if err != nil {
		return nil, fmt.Errorf("list promotions: %w", err)
	}
	read := make([]Promotion, len(seqs))
	errs := make([]error, len(seqs))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, seq := range seqs {
		g.Go(func() error {
			read[i], errs[i] = r.promotion(ctx, seq)
			return nil
		})
	}
	_ = g.Wait()
	log := make([]Promotion, 0, len(seqs))
	for i, p := range read {
		if errs[i] == nil {
			log = append(log, p)
		}
	}
	return log, errors.Join(errs...)
}

// Promote makes p.Version the champion from p.At on, by a new entry at the end
// of the log. p.Seq says on which champion that was decided: one more than
// the Seq of what [Registry.Champion] gave, hence 1 where there was none. If
// the log has moved on since, or does so meanwhile, nothing is written and the
// error is [ErrConflict]: look at the new champion and decide again. A version
// that cannot be read is not promoted.
func (r *Registry) Promote(ctx context.Context, p Promotion) (Promotion, error) {
	fail := func(err error) (Promotion, error) {
		return Promotion{}, fmt.Errorf("promote model %q: %w", p.Version, err)
	}
	if _, err := r.manifest(ctx, p.Version); err != nil {
		return fail(err)
	}
	unlock, err := r.lock()
	if err != nil {
		return fail(err)
	}
	defer unlock()
	champion, err := r.Champion(ctx)
	if err != nil && champion.Seq == 0 && !errors.Is(err, ErrNoChampion) {
		return fail(err)
	}
	if p.Seq != champion.Seq+1 {
		return fail(fmt.Errorf("%w: the next entry of the log is %d, not %d; its champion is %q", ErrConflict, champion.Seq+1, p.Seq, champion.Version))
	}
	p.Format = Format
	p.Previous = champion.Version
	p.At = p.At.UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fail(err)
	}
	if err := r.create(ctx, promotionKey(p.Seq), "application/json", data); err != nil {
		return fail(err)
	}
	return p, nil
}

// parallel is how many objects are asked for at once.
const parallel = 8

func weightsKey(id string) string  { return "models/" + id + "/weights" }
func manifestKey(id string) string { return "models/" + id + "/manifest.json" }
func promotionKey(seq int) string  { return fmt.Sprintf("promotions/%08d.json", seq) }

func (r *Registry) manifest(ctx context.Context, id string) (Manifest, error) {
	if !validID(id) {
		return Manifest{}, fmt.Errorf("%w: an id looks like 20261122T141300Z-1a2b3c4d", ErrNotFound)
	}
	data, err := r.read(ctx, manifestKey(id), maxManifest)
	if err != nil {
		return Manifest{}, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("read %s: %w", manifestKey(id), err)
	}
	if m.ID != id {
		return Manifest{}, fmt.Errorf("read %s: %w: it is the manifest of %q", manifestKey(id), ErrCorrupt, m.ID)
	}
	return m, nil
}

func (r *Registry) promotion(ctx context.Context, seq int) (Promotion, error) {
	data, err := r.read(ctx, promotionKey(seq), maxPromotion)
	if err != nil {
		return Promotion{Seq: seq}, err
	}
	p, err := parsePromotion(data, seq)
	if err != nil {
		return Promotion{Seq: seq}, fmt.Errorf("read %s: %w", promotionKey(seq), err)
	}
	return p, nil
}

// sequence gives the numbers of the log's entries, ascending.
func (r *Registry) sequence(ctx context.Context) ([]int, error) {
	names, err := r.list(ctx, "promotions/")
	if err != nil {
		return nil, err
	}
	var seqs []int
	for _, name := range names {
		digits, found := strings.CutSuffix(name, ".json")
		if n, err := strconv.Atoi(digits); err == nil && found && n > 0 && "promotions/"+name == promotionKey(n) {
			seqs = append(seqs, n)
		}
	}
	slices.Sort(seqs)
	return seqs, nil
}
