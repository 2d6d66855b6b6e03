package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

// content is a tar with n bytes that do not compress.
func content(seed byte, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(p)
	return fakeregistry.Tar(map[string]string{"file": string(p)})
}

func plain(seed byte, n int) fakeregistry.Layer { return fakeregistry.PlainLayer(content(seed, n)) }

// manifestAt is what a tag of the registry holds.
func (s *site) manifestAt(name, tag string) v1.Manifest {
	s.Helper()
	d, ok := s.reg.Tag(name, tag)
	if !ok {
		s.Fatalf("%s:%s is not there", name, tag)
	}
	var m v1.Manifest
	if err := json.Unmarshal(s.reg.Manifest(name, d.Digest), &m); err != nil {
		s.Fatal(err)
	}
	if m.MediaType != d.MediaType {
		s.Errorf("%s:%s says it is %s, it was stored as %s", name, tag, m.MediaType, d.MediaType)
	}
	return m
}

// checkImage compares an image in the registry with what was saved.
func (s *site) checkImage(name, tag string, im savedImage) v1.Manifest {
	s.Helper()
	m := s.manifestAt(name, tag)
	if got := s.reg.Blob(name, m.Config.Digest); !bytes.Equal(got, im.config()) ||
		m.Config.Size != int64(len(got)) {
		s.Errorf("%s: the configuration is %q", name, got)
	}
	if len(m.Layers) != len(im.layers) {
		s.Fatalf("%s has %d layers, want %d", name, len(m.Layers), len(im.layers))
	}
	for i, d := range m.Layers {
		stored := s.reg.Blob(name, d.Digest)
		if int64(len(stored)) != d.Size || digest.FromBytes(stored) != d.Digest {
			s.Errorf("%s, layer %d: %d bytes are stored, want %d", name, i, len(stored), d.Size)
		}
		if im.layers[i].MediaType != v1.MediaTypeImageLayer {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(stored))
		if err != nil {
			s.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, im.layers[i].Content) {
			s.Errorf("%s, layer %d: %d bytes, %v", name, i, len(got), err)
		}
	}
	return m
}

func TestSaved(t *testing.T) {
	onSite(t, func(s *site) {
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 2_000_000), plain(2, 1000), plain(3, 0)}}
		target := s.to("team/app:1")
		target.Saved = s.saved(im)[0]
		s.good(upload.Options{}, target)
		m := s.checkImage("team/app", "1", im)
		if m.MediaType != image.DockerManifest || m.Config.MediaType != image.DockerConfig ||
			m.Layers[0].MediaType != image.DockerLayer {
			s.Errorf("media types %s, %s, %s", m.MediaType, m.Config.MediaType, m.Layers[0].MediaType)
		}
		if n := s.reg.OpenUploads(); n != 0 {
			s.Errorf("%d uploads are left open", n)
		}
	})
}

func TestSavedWithoutLayersOrTag(t *testing.T) {
	onSite(t, func(s *site) {
		target := s.to("app")
		target.Tag = ""
		target.Saved = s.saved(savedImage{})[0]
		d := s.good(upload.Options{}, target)[0].Descriptor
		if _, _, tags := s.reg.Stored("app"); tags != 0 || s.reg.Manifest("app", d.Digest) == nil {
			s.Errorf("%d tags; manifest %q", tags, s.reg.Manifest("app", d.Digest))
		}
	})
}

// A layer is compressed once, however many images and repositories have it; all others are given it by the
// registry.
func TestSavedToSeveralRepositories(t *testing.T) {
	for _, jobs := range []int{1, 8} {
		onSite(t, func(s *site) {
			base, own := plain(1, 700_000), plain(2, 50_000)
			first, second := savedImage{[]fakeregistry.Layer{base, own},
				"first"}, savedImage{[]fakeregistry.Layer{base, base}, "second"}
			saved := s.saved(first, second)
			var targets []upload.Target
			for _, name := range []string{"a/app:1", "b/app:1", "c/app:1"} {
				target := s.to(name)
				target.Saved = saved[0]
				targets = append(targets, target)
			}
			target := s.to("d/other:1")
			target.Saved = saved[1]
			results := s.good(upload.Options{Jobs: jobs}, append(targets, target)...)
			for _, name := range []string{"a/app", "b/app", "c/app"} {
				s.checkImage(name, "1", first)
			}
			s.checkImage("d/other", "1", second)
			if results[0].Descriptor.Digest != results[2].Descriptor.Digest {
				s.Error("the same image has two digests")
			}
			if n := s.requests("PATCH", ""); n != 2 {
				s.Errorf("%d layers were sent, want 2", n)
			}
			if asked, granted := s.mounts(); asked != granted || granted < 5 {
				s.Errorf("%d of %d mounts were granted, want 5 layers at least", granted, asked)
			}
		})
	}
}

func TestSavedToSeveralRepositoriesWithTokens(t *testing.T) {
	onSite(t, func(s *site) {
		tokens := &fakeregistry.Tokens{}
		s.serve("auth.test:80", tokens)
		s.reg.RequireToken(tokens, "http://auth.test/token")
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}}
		a, b := s.to("a:1"), s.to("b:1")
		a.Saved = s.saved(im)[0]
		b.Saved = a.Saved
		s.good(upload.Options{Jobs: 1}, a, b)
		if n := s.requests("PATCH", ""); n != 1 {
			s.Errorf("%d layers were sent, want 1", n)
		}
	})
}

// A registry that does not mount gets the layer once more.
func TestSavedMountRefused(t *testing.T) {
	onSite(t, func(s *site) {
		mounting := func(req *httpRequest) bool { return strings.Contains(req.URL.RawQuery, "mount=") }
		s.reg.On(fakeregistry.Match{Method: "POST", Func: mounting}, fakeregistry.Status(403))
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}}
		a, b := s.to("a:1"), s.to("b:1")
		a.Saved = s.saved(im)[0]
		b.Saved = a.Saved
		s.good(upload.Options{}, a, b)
		s.checkImage("a", "1", im)
		s.checkImage("b", "1", im)
	})
}

// Nothing is mounted from one registry into another.
func TestSavedToTwoRegistries(t *testing.T) {
	onSite(t, func(s *site) {
		other := s.other("other.test:80")
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}}
		a, b := s.to("app:1"), s.to("other.test/app:1")
		a.Saved = s.saved(im)[0]
		b.Saved = a.Saved
		s.good(upload.Options{}, a, b)
		if d, ok := other.Tag("app", "1"); !ok || other.Manifest("app", d.Digest) == nil {
			s.Error("not in the other registry")
		}
		if asked, _ := s.mounts(); asked != 0 {
			s.Errorf("%d mounts", asked)
		}
	})
}

// What was compressed once is not compressed again while the registry has it.
func TestSavedCache(t *testing.T) {
	onSite(t, func(s *site) {
		cache := s.TempDir()
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 700_000), plain(2, 1000)}}
		target := s.to("app:1")
		target.Saved = s.saved(im)[0]
		opts := upload.Options{CacheDir: cache}
		first := s.good(opts, target)[0].Descriptor
		s.reg.Reset()
		target.Tag = "2"
		if again := s.good(opts, target)[0].Descriptor; again.Digest != first.Digest {
			s.Errorf("%s, want %s", again.Digest, first.Digest)
		}
		if n := s.requests("POST", "") + s.requests("PATCH", ""); n != 0 || s.requests("PUT", "") != 1 {
			s.Errorf("%d uploads were begun, %d PUT", n, s.requests("PUT", ""))
		}
		// Another repository of the registry takes them from the first.
		s.reg.Reset()
		elsewhere := s.to("elsewhere:1")
		elsewhere.Saved = target.Saved
		if other := s.good(opts, elsewhere)[0].Descriptor; other.Digest != first.Digest {
			s.Errorf("%s, want %s", other.Digest, first.Digest)
		}
		s.checkImage("elsewhere", "1", im)
		if n := s.requests("PATCH", "") + s.requests("PUT", "/blobs/"); n != 0 {
			s.Errorf("%d blobs were sent", n)
		}
		// In another registry they are not: they are compressed again, to the same bytes.
		far := s.other("far.test:80")
		away := s.to("far.test/app:1")
		away.Saved = target.Saved
		if other := s.good(opts, away)[0].Descriptor; other.Digest != first.Digest ||
			far.Manifest("app", other.Digest) == nil {
			s.Errorf("%s, want %s", other.Digest, first.Digest)
		}
	})
}

// What the cache says of other repositories is a guess: the registry may refuse, or have been emptied.
func TestSavedCacheOfPlacesThatAreGone(t *testing.T) {
	onSite(t, func(s *site) {
		opts := upload.Options{CacheDir: s.TempDir()}
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}}
		target := s.to("first:1")
		target.Saved = s.saved(im)[0]
		s.good(opts, target)
		mounting := func(req *httpRequest) bool { return strings.Contains(req.URL.RawQuery, "mount=") }
		s.reg.On(fakeregistry.Match{Method: "POST", Func: mounting}, fakeregistry.Status(404))
		second := s.to("second:1")
		second.Saved = target.Saved
		s.good(opts, second)
		s.checkImage("second", "1", im)
	})
}

// A layer that was once pushed as another tool had compressed it does not change what a later push makes of
// it.
func TestSavedCacheHoldsOnlyItsOwn(t *testing.T) {
	for kind, compressed := range map[string]fakeregistry.Layer{"gzip": fakeregistry.GzipLayer(content(1,
		100_000)), "zstd": fakeregistry.ZstdLayer(content(1, 100_000))} {
		onSite(t, func(s *site) {
			opts := upload.Options{CacheDir: s.TempDir()}
			foreign, own := s.to("app:1"), s.to("app:2")
			foreign.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{compressed}})[0]
			own.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}})[0]
			s.good(opts, foreign)
			got := s.good(opts, own)[0].Descriptor
			if want := s.good(upload.Options{}, own)[0].Descriptor; got.Digest != want.Digest {
				s.Errorf("%s: %s (%s), without a cache %s (%s)", kind, got.Digest, got.MediaType, want.Digest,
					want.MediaType)
			}
		})
	}
}

func TestSavedCacheDamaged(t *testing.T) {
	onSite(t, func(s *site) {
		cache := s.TempDir()
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 1000)}}
		target := s.to("app:1")
		target.Saved = s.saved(im)[0]
		s.good(upload.Options{CacheDir: cache}, target)
		entries, err := filepath.Glob(filepath.Join(cache, "sha256-*"))
		if err != nil || len(entries) != 1 {
			s.Fatalf("%v in the cache, %v", entries, err)
		}
		if err := os.WriteFile(entries[0], []byte(`{"digest":"sha256:../../x","size":1}`), 0o600); err != nil {
			s.Fatal(err)
		}
		s.good(upload.Options{CacheDir: cache}, target)
		s.checkImage("app", "1", im)
	})
}

// The digest of a compressed layer depends on the layer alone.
func TestSavedDeterministic(t *testing.T) {
	var want digest.Digest
	for _, procs := range []int{1, 2, 7} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		onSite(t, func(s *site) {
			target := s.to("app:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 3_000_000),
				plain(2, 524_288-512*3), plain(3, 1)}})[0]
			got := s.good(upload.Options{Jobs: procs}, target)[0].Descriptor.Digest
			if want == "" {
				want = got
			}
			if got != want {
				s.Errorf("with %d processors %s, with 1 %s", procs, got, want)
			}
		})
	}
}

// A layer that is not what the configuration says is found out, however it is stored, and spoils its own
// image only.
func TestSavedWrongDiffID(t *testing.T) {
	for name, wrap := range map[string]func([]byte) fakeregistry.Layer{"plain": fakeregistry.PlainLayer,
		"gzip": fakeregistry.GzipLayer, "zstd": fakeregistry.ZstdLayer} {
		for _, trusting := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				onSite(t, func(s *site) {
					s.reg.Trusting = trusting
					bad := wrap(content(1, 700_000))
					bad.DiffID = digest.FromString("something else")
					saved := s.saved(savedImage{layers: []fakeregistry.Layer{plain(2, 1000), bad}},
						savedImage{layers: []fakeregistry.Layer{plain(2, 1000)}})
					wrong, right := s.to("wrong:1"), s.to("right:1")
					wrong.Saved, right.Saved = saved[0], saved[1]
					results := s.push(upload.Options{CacheDir: s.TempDir()}, wrong, right)
					if !errors.Is(results[0].Err, registry.ErrIntegrity) ||
						!strings.Contains(results[0].Err.Error(), "layer") || results[1].Err != nil {
						s.Errorf("%v, %v", results[0].Err, results[1].Err)
					}
					if blobs, manifests, tags := s.reg.Stored("wrong"); manifests+tags != 0 || blobs > 2 {
						s.Errorf("%d blobs, %d manifests, %d tags are stored", blobs, manifests, tags)
					}
					if n := s.reg.OpenUploads(); n != 0 {
						s.Errorf("%d uploads are left open", n)
					}
				})
			})
		}
	}
}

// What is stored compressed travels as it is.
func TestSavedCompressed(t *testing.T) {
	for name, tc := range map[string]struct {
		layer           fakeregistry.Layer
		image, layerTyp string
	}{
		"gzip": {fakeregistry.GzipLayer(content(1, 100_000)), image.DockerManifest, image.DockerLayer},
		"zstd": {fakeregistry.ZstdLayer(content(1, 100_000)), v1.MediaTypeImageManifest,
			v1.MediaTypeImageLayerZstd},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				tc.layer.MediaType = name
				im := savedImage{layers: []fakeregistry.Layer{tc.layer, plain(2, 1000)}}
				target := s.to("app:1")
				target.Saved = s.saved(im)[0]
				s.good(upload.Options{CacheDir: s.TempDir()}, target)
				m := s.checkImage("app", "1", im)
				if diff := cmp.Diff(tc.layer.Content, s.reg.Blob("app", m.Layers[0].Digest)); diff != "" {
					s.Error("the layer was changed")
				}
				if m.MediaType != tc.image || m.Layers[0].MediaType != tc.layerTyp {
					s.Errorf("media types %s, %s", m.MediaType, m.Layers[0].MediaType)
				}
				oci := strings.Contains(m.MediaType, "oci")
				for _, d := range append(m.Layers, m.Config) {
					if strings.Contains(d.MediaType, "oci") != oci {
						s.Errorf("%s in a %s", d.MediaType, m.MediaType)
					}
				}
			})
		})
	}
}

// A stream that breaks is compressed and sent again from its beginning.
func TestSavedStreamBreaks(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PATCH", Count: 2}, fakeregistry.CutBody(300_000))
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 2_000_000)}}
		target := s.to("app:1")
		target.Saved = s.saved(im)[0]
		s.good(upload.Options{}, target)
		s.checkImage("app", "1", im)
	})
}

// Cancelling ends at once, also in the midst of compressing, and leaves no goroutine behind.
func TestSavedCancelled(t *testing.T) {
	onSite(t, func(s *site) {
		stop := errors.New("the user has had enough")
		s.reg.On(fakeregistry.Match{Method: "PATCH"}, fakeregistry.Stall(0))
		s.reg.On(fakeregistry.Match{Method: "PATCH"}, fakeregistry.Delay(time.Hour))
		ctx, cancel := context.WithCancelCause(s.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		target := s.to("app:1")
		target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 2_000_000), plain(2, 1_000_000),
			plain(3, 1_000_000)}})[0]
		began := time.Now()
		results, err := upload.Push(ctx, []upload.Target{target}, upload.Options{})
		if !errors.Is(err, stop) || !errors.Is(results[0].Err, stop) || time.Since(began) != time.Second {
			s.Errorf("after %s: %v, %v", time.Since(began), err, results[0].Err)
		}
		if _, manifests, _ := s.reg.Stored("app"); manifests != 0 {
			s.Errorf("%d manifests are stored", manifests)
		}
	})
}
