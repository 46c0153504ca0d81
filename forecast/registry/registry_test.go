package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/forecast/registry/s3test"
)

// at is some day's minute m.
func at(m int) time.Time { return time.Date(2026, 3, 2, 10, m, 0, 0, time.UTC) }

func manifest(m int) registry.Manifest {
	return registry.Manifest{
		Created: at(m), Binary: "v0.1.0",
		Data:     registry.Data{From: at(m).AddDate(0, 0, -14), To: at(m), Workloads: 12, KnownMinutes: 12 * 14 * 1440, HeldBack: 0.15},
		Training: registry.Training{Seed: 1<<64 - 1, Steps: 900, Epochs: 3, Windows: 4000, Loss: 0.21, Validation: 0.23, Stopped: "no better for 5 epochs", Reproducible: true, Seconds: 61.5},
		Scores:   []registry.Score{{Forecaster: "lstm", From: 1, To: 5, MASE: 0.5, CRPS: 0.4, Coverage: 0.95}},
	}
}

func put(t *testing.T, r *registry.Registry, m int, weights string) registry.Manifest {
	t.Helper()
	got, err := r.Put(t.Context(), manifest(m), []byte(weights))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

// stores runs f on every kind of store.
func stores(t *testing.T, f func(t *testing.T, r *registry.Registry)) {
	t.Run("mem", func(t *testing.T) { f(t, open(t, "mem://")) })
	t.Run("file", func(t *testing.T) { f(t, open(t, "file://"+t.TempDir()+"/not/there/yet")) })
	t.Run("s3", func(t *testing.T) { f(t, open(t, s3test.Start(t).URL)) })
}

// proxy gives the URL of the bucket of s as seen through serve.
func proxy(t *testing.T, s *s3test.Server, serve func(w http.ResponseWriter, r *http.Request, pass http.Handler)) string {
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is part of what is signed
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, pass) }))
	t.Cleanup(front.Close)
	return s3test.BucketURL(front.URL)
}

func open(t *testing.T, url string) *registry.Registry {
	t.Helper()
	r, err := registry.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestStores(t *testing.T) {
	stores(t, func(t *testing.T, r *registry.Registry) {
		ctx := t.Context()

		// An empty store is readable.
		_, err := r.Champion(ctx)
		wantErr(t, err, registry.ErrNoChampion)
		versions, err := r.Versions(ctx)
		if err != nil || len(versions) != 0 {
			t.Fatalf("empty store has %v, %v", versions, err)
		}
		log, err := r.Promotions(ctx)
		if err != nil || len(log) != 0 {
			t.Fatalf("empty store has promotions %v, %v", log, err)
		}
		for _, id := range []string{"", "x", "../../etc", "20260302T100000Z-00000000", "20260302T100000Z-0000000G", "20260302T100000.5Z-00000000"} {
			_, _, err = r.Get(ctx, id)
			wantErr(t, err, registry.ErrNotFound)
		}

		// What is put comes back, listed oldest first, and promotes nothing.
		second := put(t, r, 2, "second weights")
		// More than S3 takes in one part.
		first := put(t, r, 1, strings.Repeat("weights ", 1<<20))
		if got, want := first.ID[:17], "20260302T100100Z-"; got != want {
			t.Errorf("id starts %q, want %q", got, want)
		}
		got, weights, err := r.Get(ctx, first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, got); d != "" {
			t.Error(d)
		}
		if !bytes.Equal(weights, bytes.Repeat([]byte("weights "), 1<<20)) {
			t.Errorf("%d bytes of other weights came back", len(weights))
		}
		versions, err = r.Versions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]registry.Manifest{first, second}, versions); d != "" {
			t.Error(d)
		}
		_, err = r.Champion(ctx)
		wantErr(t, err, registry.ErrNoChampion)

		// The same again is the same; another manifest for it is not.
		if again := put(t, r, 2, "second weights"); again.ID != second.ID {
			t.Errorf("put again gives %s, want %s", again.ID, second.ID)
		}
		other := manifest(2)
		other.Binary = "other"
		_, err = r.Put(ctx, other, []byte("second weights"))
		wantErr(t, err, registry.ErrConflict)

		// Promotion, rollback, and a decision made on an older champion.
		promote := func(seq int, id, previous string) {
			t.Helper()
			p := registry.Promotion{Seq: seq, Version: id, Reason: "because", At: at(seq)}
			wrote, err := r.Promote(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			p.Format, p.Previous = registry.Format, previous
			if d := cmp.Diff(p, wrote); d != "" {
				t.Error(d)
			}
			champion, err := r.Champion(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(p, champion); d != "" {
				t.Error(d)
			}
		}
		promote(1, first.ID, "")
		promote(2, second.ID, first.ID)
		promote(3, first.ID, second.ID)
		for _, seq := range []int{-1, 0, 3, 5} {
			_, err = r.Promote(ctx, registry.Promotion{Seq: seq, Version: second.ID, At: at(9)})
			wantErr(t, err, registry.ErrConflict)
		}
		_, err = r.Promote(ctx, registry.Promotion{Seq: 4, Version: "20260302T100000Z-00000000", At: at(9)})
		wantErr(t, err, registry.ErrNotFound)
		if log, err = r.Promotions(ctx); err != nil || len(log) != 3 || log[1].Version != second.ID {
			t.Errorf("log is %v, %v, want three entries", log, err)
		}
	})
}

// Of many who decide on the same champion one wins, and nothing is written
// over.
func TestPromoteRace(t *testing.T) {
	stores(t, func(t *testing.T, r *registry.Registry) {
		const racers, rounds = 8, 5
		ids := make([]string, racers)
		for i := range ids {
			ids[i] = put(t, r, i, fmt.Sprint("weights ", i)).ID
		}
		for round := 1; round <= rounds; round++ {
			errs := make([]error, racers)
			var wg sync.WaitGroup
			for i, id := range ids {
				wg.Go(func() {
					_, errs[i] = r.Promote(t.Context(), registry.Promotion{Seq: round, Version: id, At: at(round)})
				})
			}
			wg.Wait()
			champion, err := r.Champion(t.Context())
			if err != nil || champion.Seq != round {
				t.Fatalf("champion is %+v, %v, want seq %d", champion, err, round)
			}
			for i, err := range errs {
				if (err == nil) != (ids[i] == champion.Version) {
					t.Errorf("round %d: racer %d got %v, and %s is champion", round, i, err, champion.Version)
				}
				if err != nil {
					wantErr(t, err, registry.ErrConflict)
				}
			}
		}
	})
}

// TestParents are a version, a prior or none; the mistake is named otherwise.
func TestParents(t *testing.T) {
	r := open(t, "mem://")
	f := func(parent string, ok bool) {
		t.Helper()
		m := manifest(1)
		m.Parent = parent
		if _, err := r.Put(t.Context(), m, []byte("parent "+parent)); (err == nil) != ok {
			t.Errorf("parent %q: error %v, want none to be %v", parent, err, ok)
		}
	}
	f("", true)
	f("20261122T141300Z-1a2b3c4d", true)
	f("prior-1a2b3c4d", true)
	f("prior-1a2b3c4", false)
	f("prior-1a2b3c4g", false)
	f("prior-", false)
	f("1a2b3c4d", false)
}

func TestPutRefuses(t *testing.T) {
	r := open(t, "mem://")
	m := manifest(1)
	m.Parent = "../x"
	m.Data.Workloads = -1
	m.Scores[0].CRPS = -1
	_, err := r.Put(t.Context(), m, nil)
	if err == nil {
		t.Fatal("a manifest full of nonsense was taken")
	}
	for _, part := range []string{"parent", "data.workloads", "scores[0]", "weights.size"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %s", err, part)
		}
	}
	if versions, err := r.Versions(t.Context()); err != nil || len(versions) != 0 {
		t.Errorf("it left %v, %v", versions, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	f := func(store, want string) {
		t.Helper()
		_, err := registry.Open(t.Context(), store)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: error is %v, want it to say %q", store, err, want)
		}
	}
	f("", "want a URL")
	f("/srv/models", "write file:///srv/models")
	f("models", "/forecast/registry/models")
	f("file://models/x", "file:///models/x for an absolute path or file://./models/x for a relative one")
	f("gs://models", `scheme "gs" is not known; want file, s3 or mem`)
	f("s3://?region=x", "no bucket")
	f("s3://models?regoin=x", "regoin")
	f("mem://?x=y", `"x"`)
	f("file:///%zz", "%zz")
}

func TestRelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	want := put(t, open(t, "file://./models"), 1, "weights")
	if _, _, err := open(t, "file://./models").Get(t.Context(), want.ID); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	stores(t, func(t *testing.T, r *registry.Registry) {
		first := put(t, r, 1, "weights")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.Put(ctx, manifest(2), []byte("other weights"))
		wantErr(t, err, context.Canceled)
		_, err = r.Promote(ctx, registry.Promotion{Seq: 1, Version: first.ID, At: at(1)})
		wantErr(t, err, context.Canceled)
		if versions, err := r.Versions(t.Context()); err != nil || len(versions) != 1 {
			t.Errorf("left %v, %v", versions, err)
		}
		_, err = r.Champion(t.Context())
		wantErr(t, err, registry.ErrNoChampion)
	})
}

// Whatever is done to the objects of one version, it is named as bad and the
// others stay readable.
func TestCorruption(t *testing.T) {
	f := func(name string, spoil func(b *blob.Bucket, id string) error, wantGet, wantVersions error) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			store := (&url.URL{Scheme: "file", Path: t.TempDir()}).String()
			r := open(t, store)
			good, bad := put(t, r, 1, "good weights"), put(t, r, 2, "bad weights")
			b, err := blob.OpenBucket(t.Context(), store+"?metadata=skip&no_tmp_dir=1")
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := spoil(b, bad.ID); err != nil {
				t.Fatal(err)
			}
			_, _, err = r.Get(t.Context(), bad.ID)
			wantErr(t, err, wantGet)
			if !strings.Contains(err.Error(), bad.ID) {
				t.Errorf("error %q does not name the version", err)
			}
			versions, err := r.Versions(t.Context())
			if !errors.Is(err, wantVersions) {
				t.Errorf("versions: error is %v, want %v", err, wantVersions)
			}
			if len(versions) == 0 || versions[0].ID != good.ID {
				t.Errorf("versions are %v, want the good one among them", versions)
			}
			if _, _, err := r.Get(t.Context(), good.ID); err != nil {
				t.Error(err)
			}
		})
	}
	ctx := t.Context()
	edit := func(old, replacement string) func(*blob.Bucket, string) error {
		return func(b *blob.Bucket, id string) error {
			data, err := b.ReadAll(ctx, "models/"+id+"/manifest.json")
			if err != nil {
				return err
			}
			if !bytes.Contains(data, []byte(old)) {
				return fmt.Errorf("no %q in %s", old, data)
			}
			return b.WriteAll(ctx, "models/"+id+"/manifest.json", bytes.Replace(data, []byte(old), []byte(replacement), 1), nil)
		}
	}
	write := func(name, data string) func(*blob.Bucket, string) error {
		return func(b *blob.Bucket, id string) error {
			return b.WriteAll(ctx, "models/"+id+"/"+name, []byte(data), nil)
		}
	}
	remove := func(name string) func(*blob.Bucket, string) error {
		return func(b *blob.Bucket, id string) error { return b.Delete(ctx, "models/"+id+"/"+name) }
	}
	f("weights changed", write("weights", "bad weightz"), registry.ErrCorrupt, nil)
	f("weights cut", write("weights", "bad"), registry.ErrCorrupt, nil)
	f("weights longer", write("weights", "bad weights and more"), registry.ErrCorrupt, nil)
	f("weights gone", remove("weights"), registry.ErrCorrupt, nil)
	f("manifest gone", remove("manifest.json"), registry.ErrNotFound, nil)
	f("manifest empty", write("manifest.json", ""), registry.ErrCorrupt, registry.ErrCorrupt)
	f("manifest cut", write("manifest.json", `{"format": 1, "id": "2026`), registry.ErrCorrupt, registry.ErrCorrupt)
	f("manifest without format", write("manifest.json", `{}`), registry.ErrCorrupt, registry.ErrCorrupt)
	f("manifest huge", write("manifest.json", `{"format": 1, "binary": "`+strings.Repeat("x", 2<<20)+`"}`), registry.ErrCorrupt, registry.ErrCorrupt)
	f("newer format", edit(`"format": 1`, `"format": 2`), registry.ErrFormat, registry.ErrFormat)
	f("other id", edit(`"id": "2026`, `"id": "2027`), registry.ErrCorrupt, registry.ErrCorrupt)
	f("other sum", edit(`"sha256": "`, `"sha256": "00`), registry.ErrCorrupt, registry.ErrCorrupt)
	f("vast size", edit(`"size": 11`, `"size": 99999999999999`), registry.ErrCorrupt, registry.ErrCorrupt)
}

// A spoilt log entry is an error, not another champion, and can be promoted
// over.
func TestCorruptPromotion(t *testing.T) {
	store := (&url.URL{Scheme: "file", Path: t.TempDir()}).String()
	r := open(t, store)
	v := put(t, r, 1, "weights")
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: 1, Version: v.ID, At: at(1)}); err != nil {
		t.Fatal(err)
	}
	b, err := blob.OpenBucket(t.Context(), store+"?metadata=skip&no_tmp_dir=1")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, data := range map[string]string{
		"promotions/00000002.json": `{"format": 1, "seq": 1, "version": "` + v.ID + `"}`,
		// What is no entry by its name counts for nothing.
		"promotions/3.json": "{}", "promotions/00000004.json.17.tmp": "{", "promotions/00000000.json": "{}", "promotions/000000-5.json": "{}",
		"models/notes.txt": "hello", "models/20260302T100000Z-0000000G/manifest.json": "{",
	} {
		if err := b.WriteAll(t.Context(), name, []byte(data), nil); err != nil {
			t.Fatal(err)
		}
	}
	champion, err := r.Champion(t.Context())
	wantErr(t, err, registry.ErrCorrupt)
	if d := cmp.Diff(registry.Promotion{Seq: 2}, champion); d != "" {
		t.Error(d)
	}
	log, err := r.Promotions(t.Context())
	wantErr(t, err, registry.ErrCorrupt)
	if len(log) != 1 {
		t.Errorf("log is %v, want the one good entry", log)
	}
	if versions, err := r.Versions(t.Context()); err != nil || len(versions) != 1 {
		t.Errorf("versions are %v, %v", versions, err)
	}
	if _, err := r.Promote(t.Context(), registry.Promotion{Seq: 3, Version: v.ID, At: at(3)}); err != nil {
		t.Error(err)
	}
	if champion, err = r.Champion(t.Context()); err != nil || champion.Version != v.ID {
		t.Errorf("champion is %v, %v", champion, err)
	}
}
