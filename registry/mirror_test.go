package registry

import (
	"bytes"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// mirrored puts a mirror, mirror.test, before registry.test, or before an address at which nobody is.
func (w *world) mirrored(registry string) (mirror *fakeregistry.Registry) {
	w.client.Endpoints = func(Reference) ([]Endpoint, error) {
		return []Endpoint{
			{URL: url.URL{Scheme: "http", Host: "mirror.test", Path: "/v2/"}, Mirror: true, Tags: true, Digests: true},
			{URL: url.URL{Scheme: "http", Host: registry, Path: "/v2/"}, Tags: true, Digests: true, Push: true},
		}, nil
	}
	return w.other("mirror.test:80")
}

// ramFile is a file in memory.
type ramFile struct {
	mu sync.Mutex
	p  []byte
}

func (m *ramFile) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.p).ReadAt(p, off)
}

func (m *ramFile) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if grown := off + int64(len(p)) - int64(len(m.p)); grown > 0 {
		m.p = append(m.p, make([]byte, grown)...)
	}
	return copy(m.p[off:], p), nil
}

// Behind a gap there may be nothing but a mirror: whatever it can do, and however often a blob is read, it
// is enough.
func TestMirrorAlone(t *testing.T) {
	content := noise(9 << 20) // large enough for ranges
	for name, fault := range map[string]fakeregistry.Fault{
		"ranges": nil, "no ranges": fakeregistry.IgnoreRange(),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				mirror := w.mirrored("nowhere.test")
				d := mirror.PutBlob("app", content)
				if fault != nil {
					mirror.On(blobs, fault)
				}
				repo := w.repo("app")
				for range 2 {
					var f ramFile
					if _, err := transfer.Fill(w.Context(), repo, d, marks.NewPart(&f, 0, d.Size, nil), nil); err != nil ||
						!bytes.Equal(f.p, content) {
						w.Fatalf("%d bytes, %v", len(f.p), err)
					}
				}
			})
		})
	}
}

// A connection that breaks before the first byte is no reason to give the mirror up for a registry that is
// out of reach.
func TestMirrorBreaks(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		mirror := w.mirrored("nowhere.test")
		d := mirror.PutBlob("app", content)
		mirror.On(nth(1, 1), fakeregistry.Cut(0))
		if p, err := image.ReadAll(w.Context(), w.repo("app"), d, 1<<20); err != nil || !bytes.Equal(p, content) {
			w.Errorf("%d bytes, %v", len(p), err)
		}
	})
}

// What a mirror gives out wrong is asked of the registry itself, and only that.
func TestMirrorLies(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		mirror := w.mirrored("registry.test")
		mirror.PutBlob("app", content)
		mirror.On(blobs, fakeregistry.FlipByte(7))
		d := w.reg.PutBlob("app", content)
		if p, err := image.ReadAll(w.Context(), w.repo("app"), d, 1<<20); err != nil || !bytes.Equal(p, content) {
			w.Errorf("%d bytes, %v", len(p), err)
		}
		if diff := cmp.Diff([]int{1, 1}, []int{len(mirror.Requests("GET", "/blobs/")),
			len(w.reg.Requests("GET", "/blobs/"))}); diff != "" {
			w.Errorf("requests to the mirror and to the registry (-want +got):\n%s", diff)
		}
	})
}

// A mirror without ranges is not passed over for the registry behind it.
func TestMirrorWithoutRanges(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(9 << 20)
		mirror := w.mirrored("registry.test")
		mirror.PutBlob("app", content)
		mirror.On(blobs, fakeregistry.IgnoreRange())
		d := w.reg.PutBlob("app", content)
		var f ramFile
		if _, err := transfer.Fill(w.Context(), w.repo("app"), d, marks.NewPart(&f, 0, d.Size, nil),
			nil); err != nil || !bytes.Equal(f.p, content) {
			w.Errorf("%d bytes, %v", len(f.p), err)
		}
		if asked := w.reg.Requests("GET", "/blobs/"); len(asked) > 0 {
			w.Errorf("the registry was asked %d times", len(asked))
		}
		if told := w.told(); len(told) > 0 {
			w.Errorf("the user was told %q", told)
		}
	})
}

// One that has no ranges and lies besides is not taken at its word twice.
func TestMirrorWithoutRangesLies(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(9 << 20)
		mirror := w.mirrored("registry.test")
		mirror.PutBlob("app", content)
		mirror.On(blobs, fakeregistry.IgnoreRange())
		mirror.On(blobs, fakeregistry.FlipByte(8<<20))
		d := w.reg.PutBlob("app", content)
		var f ramFile
		if _, err := transfer.Fill(w.Context(), w.repo("app"), d, marks.NewPart(&f, 0, d.Size, nil),
			nil); err != nil || !bytes.Equal(f.p, content) {
			w.Errorf("%d bytes, %v", len(f.p), err)
		}
	})
}

// A mirror that is dead is tried once for the whole run, without waiting, and used again when nothing else
// is there.
func TestWild50MirrorDown(t *testing.T) {
	inBubble(t, func(w *world) {
		mirror := w.mirrored("registry.test")
		mirror.On(fakeregistry.Match{}, fakeregistry.Status(503))
		repo := w.repo("app")
		read := func(content []byte) {
			d := w.reg.PutBlob("app", content)
			if p, err := image.ReadAll(w.Context(), repo, d, 1<<20); err != nil || !bytes.Equal(p, content) {
				w.Errorf("%d bytes, %v", len(p), err)
			}
		}
		began := time.Now()
		for n := range 20 {
			read(noise(20 + n))
		}
		time.Sleep(time.Hour)
		read(noise(10))
		if asked := len(mirror.Requests("", "")); asked != 1 || time.Since(began) != time.Hour {
			w.Errorf("a dead mirror was asked %d times, and all took %s", asked, time.Since(began))
		}
		mirror.Heal()
		w.reg.On(blobs, fakeregistry.Status(503))
		content := noise(50)
		mirror.PutBlob("app", content)
		read(content)
		if n := mirror.Sent("GET", "/blobs/"); n != int64(len(content)) {
			w.Errorf("%d bytes came from the mirror when it was back", n)
		}
	})
}

// If nothing is left but what is down, it is asked all the same.
func TestMirrorDownAndNothingElse(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(10)
		mirror := w.mirrored("nowhere.test")
		d := mirror.PutBlob("app", content)
		mirror.On(fakeregistry.Match{Count: 1 + maxTries}, fakeregistry.Status(503))
		repo := w.repo("app")
		if _, err := image.ReadAll(w.Context(), repo, d, 1<<20); err == nil {
			w.Fatal("nobody can have served that")
		}
		if p, err := image.ReadAll(w.Context(), repo, d, 1<<20); err != nil || !bytes.Equal(p, content) {
			w.Errorf("%d bytes, %v", len(p), err)
		}
	})
}

// A registry that is blocked, or only pushed to, is asked nothing: a mirror tells tags and referrers too.
func TestBlockedIsNotAsked(t *testing.T) {
	for name, own := range map[string]*Endpoint{"blocked": nil, "only for pushes": {Push: true}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				mirror := w.mirrored("registry.test")
				all, _ := w.client.Endpoints(Reference{})
				if all = all[:1]; own != nil {
					own.URL = url.URL{Scheme: "http", Host: "registry.test", Path: "/v2/"}
					all = append(all, *own)
				}
				w.client.Endpoints = func(Reference) ([]Endpoint, error) { return all, nil }
				d := mirror.PutManifest("app", "1", v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
				repo := w.repo("app")
				if tags, err := repo.Tags(w.Context()); err != nil || !slices.Equal(tags, []string{"1"}) {
					w.Errorf("tags %v, %v", tags, err)
				}
				if got, err := repo.Digest(w.Context(), "1"); err != nil || got != d.Digest {
					w.Errorf("digest %s, %v", got, err)
				}
				if _, err := repo.Referrers(w.Context(), d.Digest); err != nil {
					w.Errorf("referrers: %v", err)
				}
				if _, err := repo.Exists(w.Context(), d); (err == nil) != (own != nil) {
					w.Errorf("before a push: %v", err)
				}
				if n := len(w.reg.Requests("GET", "")); n > 0 {
					w.Errorf("the registry got %d requests", n)
				}
			})
		})
	}
}
