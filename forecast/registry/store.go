package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	// The stores that a URL can name.
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob"
)

// What is read of an object at most: a store may hold what others wrote.
const (
	maxWeights   = 256 << 20
	maxManifest  = 1 << 20
	maxPromotion = 64 << 10
)

// checksums is the S3 URL's parameter for checking what is read.
const checksums = "response_checksum_validation"

// open gives the bucket that raw names and what keeps two writers apart where
// the bucket itself does not.
func open(ctx context.Context, raw string) (*blob.Bucket, func() (func(), error), error) {
	none := func() (func(), error) { return func() {}, nil }
	if !strings.Contains(raw, "://") {
		hint := "file:///var/lib/foretide"
		if path, err := filepath.Abs(raw); err == nil && raw != "" {
			hint = (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
		}
		return nil, nil, fmt.Errorf("open store %q: want a URL; for a folder write %s, for a bucket s3://BUCKET?region=REGION", raw, hint)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	lock := none
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "." && u.Host != "localhost" {
			return nil, nil, fmt.Errorf("open store %q: %q stands where a host does; write file:///%s%s for an absolute path or file://./%s%s for a relative one",
				raw, u.Host, u.Host, u.Path, u.Host, u.Path)
		}
		dir := u.Path
		if u.Host == "." {
			dir = strings.TrimPrefix(dir, "/")
		}
		// Two of fileblob's conditional writes at once may both succeed, so a
		// lock file stands in; the system lets it go when its holder dies.
		lock = lockedfile.MutexAt(filepath.Join(filepath.FromSlash(dir), ".lock")).Lock
		q := u.Query()
		q.Set("create_dir", "true")
		// The default temporary folder may be another file system, which a
		// rename cannot leave.
		q.Set("no_tmp_dir", "true")
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	case "mem":
	case "s3":
		if u.Host == "" {
			return nil, nil, fmt.Errorf("open store %q: no bucket; want s3://BUCKET?region=REGION", raw)
		}
		// Weights have a checksum of their own, and the client would warn at
		// each object of a server that sends none.
		if q := u.Query(); !q.Has(checksums) {
			q.Set(checksums, "when_required")
			u.RawQuery = q.Encode()
		}
	default:
		return nil, nil, fmt.Errorf("open store %q: scheme %q is not known; want file, s3 or mem", raw, u.Scheme)
	}
	bucket, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, nil, fmt.Errorf("open store %q: %w", raw, err)
	}
	return bucket, lock, nil
}

// create writes an object that must not exist yet, else it gives ErrConflict.
// An object with the very same bytes counts as written: a client that lost the
// answer to its first attempt repeats it, and finds its own.
func (r *Registry) create(ctx context.Context, key, contentType string, data []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var file *os.File // of the file store
	w, err := r.bucket.NewWriter(ctx, key, &blob.WriterOptions{
		IfNotExist: true, ContentType: contentType, DisableContentTypeDetection: true,
		BeforeWrite: func(as func(any) bool) error {
			as(&file)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	_, err = w.Write(data)
	if err == nil && file != nil {
		// Renamed before it is on disk, a file may be empty after a power cut.
		err = file.Sync()
	}
	if err != nil {
		cancel() // keeps Close from committing the part that was written
	}
	if err = errors.Join(err, w.Close()); err == nil {
		return nil
	}
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		there, readErr := r.read(ctx, key, int64(len(data)))
		if readErr == nil && bytes.Equal(there, data) {
			return nil
		}
		return fmt.Errorf("write %s: %w", key, ErrConflict)
	}
	return fmt.Errorf("write %s: %w", key, err)
}

// read gives an object of at most limit bytes.
func (r *Registry) read(ctx context.Context, key string, limit int64) (data []byte, err error) {
	rd, err := r.bucket.NewReader(ctx, key, nil)
	if err != nil {
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil, fmt.Errorf("read %s: %w", key, ErrNotFound)
		}
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	if data, err = io.ReadAll(io.LimitReader(rd, limit+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: %w: more than %d bytes", key, ErrCorrupt, limit)
	}
	return data, nil
}

// list gives the names right under prefix, sorted: folders with their slash.
func (r *Registry) list(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for it := r.bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		names = append(names, strings.TrimPrefix(o.Key, prefix))
	}
}
