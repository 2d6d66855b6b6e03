package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

var (
	amd64   = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64   = v1.Platform{OS: "linux", Architecture: "arm64"}
	riscv64 = v1.Platform{OS: "linux", Architecture: "riscv64"}
	here    = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
)

// layer is a layer of n bytes of content that does not compress.
func layer(seed byte, n int) fakeregistry.Layer {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(p)
	return fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{fmt.Sprint("file", seed): string(p)}))
}

func digestOf(l fakeregistry.Layer) string { return digest.FromBytes(l.Content).String() }

func imageOf(p v1.Platform, layers ...fakeregistry.Layer) fakeregistry.Image {
	return fakeregistry.Image{Platform: p, Layers: layers}
}

func TestSharedBlobsTravelOnce(t *testing.T) {
	onSite(t, func(s *site) {
		base, a, b := layer(1, 50_000), layer(2, 1000), layer(3, 1000)
		s.reg.PutImage("one", "1", imageOf(here, base, a))
		s.reg.PutImage("two", "1", imageOf(here, base, a, b))
		s.reg.PutImage("two", "2", imageOf(here, base, b, b))
		s.good(fetch.Options{}, "one:1", "two:1", "two:2")
		if diff := cmp.Diff(map[int]int{0: 1, 1: 1, 2: 1}, layerReads(s.reg, base, a, b)); diff != "" {
			s.Error(diff)
		}
		if diff := cmp.Diff([]string{"one:1", "two:1", "two:2"}, s.names()); diff != "" {
			s.Error(diff)
		}
		for _, name := range s.names() {
			s.complete(name)
		}
		if len(s.planned) != 6 { // three layers, three configurations
			s.Errorf("%d blobs were planned", len(s.planned))
		}
	})
}

func TestSecondRunTransfersNothing(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutIndex("app", "1", false, s.reg.PutImage("app", "", imageOf(here, layer(1, 50_000))),
			s.reg.PutImage("app", "", imageOf(riscv64, layer(2, 1000))))
		s.good(fetch.Options{}, "app:1")
		before := s.files("blobs/sha256")
		s.reg.Reset()
		results := s.good(fetch.Options{}, "app:1")
		if n := len(s.reg.Requests("GET", "/blobs/")); n != 0 {
			s.Errorf("%d blobs were read again", n)
		}
		if diff := cmp.Diff(before, s.files("blobs/sha256")); diff != "" || results[0].Replaced.Digest != "" {
			s.Errorf("replaced %s: %s", results[0].Replaced.Digest, diff)
		}
	})
}

// A moved tag is told, and only what changed is read.
func TestMovedTag(t *testing.T) {
	onSite(t, func(s *site) {
		base, a, b := layer(1, 50_000), layer(2, 1000), layer(3, 1000)
		old := s.reg.PutImage("app", "1", imageOf(here, base, a))
		s.good(fetch.Options{}, "app:1")
		s.reg.Reset()
		s.reg.PutImage("app", "1", imageOf(here, base, b))
		if got := s.good(fetch.Options{}, "app:1")[0].Replaced.Digest; got != old.Digest {
			s.Errorf("replaced %s, want %s", got, old.Digest)
		}
		if diff := cmp.Diff(map[int]int{2: 1}, layerReads(s.reg, base, a, b)); diff != "" {
			s.Error(diff)
		}
		s.complete("app:1")
	})
}

func TestOneFailureStopsNoOther(t *testing.T) {
	base, own := layer(1, 1000), layer(2, 1000)
	match := func(l fakeregistry.Layer) fakeregistry.Match {
		return fakeregistry.Match{Path: "/blobs/" + digestOf(l)}
	}
	for name, tc := range map[string]struct {
		fault func(*site)
		want  error
	}{
		"no manifest": {func(s *site) {
			s.reg.On(fakeregistry.Match{Path: "/bad/manifests/"},
				fakeregistry.Status(404))
		}, registry.ErrNotFound},
		"no access": {func(s *site) {
			s.reg.On(fakeregistry.Match{Path: "/bad/"},
				fakeregistry.Status(403))
		}, registry.ErrDenied},
		"no layer": {func(s *site) { s.reg.On(match(own), fakeregistry.Status(404)) },
			registry.ErrNotFound},
		"layer damaged": {func(s *site) { s.reg.On(match(own), fakeregistry.FlipByte(100)) },
			registry.ErrIntegrity},
		"layer too short": {func(s *site) { s.reg.On(match(own), fakeregistry.Answer(200, "short")) },
			registry.ErrIntegrity},
		"layer in no time": {func(s *site) { s.reg.On(match(own), fakeregistry.Stall(5)) },
			registry.ErrUnavailable},
		"manifest damaged": {func(s *site) {
			s.reg.On(fakeregistry.Match{Path: "/bad/manifests/sha256"},
				fakeregistry.FlipByte(10))
		}, registry.ErrIntegrity},
		"broken server": {func(s *site) {
			s.reg.On(fakeregistry.Match{Path: "/bad/"},
				fakeregistry.Status(500))
		}, registry.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				s.reg.PutImage("good", "1", imageOf(here, base))
				s.reg.PutIndex("bad", "1", false, s.reg.PutImage("bad", "", imageOf(here, base, own)))
				s.reg.PutImage("good", "2", imageOf(here, base, layer(3, 1000)))
				tc.fault(s)
				results := s.fetch(fetch.Options{}, "good:1", "bad:1", "good:2")
				if results[0].Err != nil || results[2].Err != nil || !errors.Is(results[1].Err, tc.want) {
					s.Errorf("%v, %v, %v", results[0].Err, results[1].Err, results[2].Err)
				}
				if diff := cmp.Diff([]string{"good:1", "good:2"}, s.names()); diff != "" {
					s.Error(diff)
				}
				s.complete("good:1")
				s.complete("good:2")
				if slices.Contains(s.files("blobs/sha256"), strings.TrimPrefix(digestOf(own), "sha256:")) {
					s.Error("the bad layer is in the layout")
				}
				s.reg.Heal()
				s.good(fetch.Options{}, "good:1", "bad:1", "good:2")
				s.complete("bad:1")
			})
		})
	}
}

// A registry that lies about a layer that another has too spoils its own image only.
func TestSharedBlobOfWrongSize(t *testing.T) {
	for _, names := range [][]string{{"liar.test/app:1", "app:1"}, {"app:1", "liar.test/app:1"}} {
		onSite(t, func(s *site) {
			base := layer(1, 1000)
			d := s.reg.PutImage("app", "1", imageOf(here, base))
			liar := s.other("liar.test:80")
			liar.PutImage("app", "", imageOf(here, base))
			size := fmt.Sprintf(`"size":%d`, len(base.Content))
			raw := bytes.Replace(s.reg.Manifest("app", d.Digest), []byte(size), []byte(size+"0"), 1)
			liar.PutManifest("app", "1", d.MediaType, raw)
			for i, r := range s.fetch(fetch.Options{}, names...) {
				if strings.HasPrefix(names[i], "liar") != (r.Err != nil) {
					s.Errorf("%v: %s: %v", names, names[i], r.Err)
				}
			}
			s.complete("app:1")
		})
	}
}

// A blob that one registry cannot give is taken from the other that has it.
func TestSharedBlobFromAnotherRegistry(t *testing.T) {
	for _, names := range [][]string{{"broken.test/app:1", "app:1"}, {"app:1", "broken.test/app:1"}} {
		onSite(t, func(s *site) {
			base := layer(1, 1000)
			s.reg.PutImage("app", "1", imageOf(here, base))
			broken := s.other("broken.test:80")
			broken.PutImage("app", "1", imageOf(here, base))
			broken.On(fakeregistry.Match{Path: "/blobs/" + digestOf(base)}, fakeregistry.Status(404))
			s.good(fetch.Options{}, names...)
		})
	}
}

func TestFlippedByteOnce(t *testing.T) {
	onSite(t, func(s *site) {
		base := layer(1, 50_000)
		s.reg.PutIndex("app", "1", false, s.reg.PutImage("app", "", imageOf(here, base)))
		s.reg.On(fakeregistry.Match{Path: digestOf(base), Count: 1}, fakeregistry.FlipByte(33))
		s.good(fetch.Options{}, "app:1")
		s.complete("app:1")
		if got := layerReads(s.reg, base)[0]; got != 2 {
			s.Errorf("read %d times, want 2", got)
		}
	})
}

// Small documents get the same second chance as layers.
func TestFlippedByteOnceInDocuments(t *testing.T) {
	for _, path := range []string{"/manifests/sha256:", "/blobs/"} {
		onSite(t, func(s *site) {
			d := s.reg.PutImage("app", "", imageOf(here))
			d.Platform = nil // so that the configuration has to be read first
			s.reg.PutIndex("app", "1", false, d)
			s.reg.On(fakeregistry.Match{Path: path, Count: 1}, fakeregistry.FlipByte(3))
			s.good(fetch.Options{}, "app:1")
			s.complete("app:1")
		})
	}
}

func TestPlatforms(t *testing.T) {
	type options = fetch.Options
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	for name, tc := range map[string]struct {
		opts   options
		layers map[int]int // which are read
		root   int         // -1: the index, -2: a new one, else a child
	}{
		"one":        {options{Platforms: []v1.Platform{arm64}}, map[int]int{1: 1}, 1},
		"two":        {options{Platforms: []v1.Platform{riscv64, amd64}}, map[int]int{0: 1, 2: 1}, -2},
		"one, twice": {options{Platforms: []v1.Platform{arm64, arm64}}, map[int]int{1: 1}, 1},
		"every single": {options{Platforms: []v1.Platform{amd64, arm64, riscv64}}, map[int]int{0: 1, 1: 1, 2: 1},
			-2},
		"all": {options{All: true}, map[int]int{0: 1, 1: 1, 2: 1, 3: 1}, -1},
	} {
		for _, docker := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, docker %v", name, docker), func(t *testing.T) {
				onSite(t, func(s *site) {
					layers := []fakeregistry.Layer{layer(1, 1000), layer(2, 1000), layer(3, 1000), layer(4, 100)}
					var children []v1.Descriptor
					for i, p := range []v1.Platform{amd64, arm64, riscv64, unknown} {
						children = append(children, s.reg.PutImage("app", "",
							fakeregistry.Image{Platform: p, Docker: docker, Layers: layers[i : i+1]}))
					}
					index := s.reg.PutIndex("app", "1", docker, children...)
					result := s.good(tc.opts, "app:1")[0]
					root := s.complete("app:1")
					if diff := cmp.Diff(tc.layers, layerReads(s.reg, layers...)); diff != "" {
						s.Error(diff)
					}
					switch {
					case tc.root == -1 && root.Digest != index.Digest,
						tc.root >= 0 && root.Digest != children[max(tc.root, 0)].Digest,
						tc.root == -2 && (root.MediaType != index.MediaType || root.Digest == index.Digest):
						s.Errorf("root %+v", root)
					}
					if result.Image.Rewritten != (tc.root == -2) || root.Digest != result.Image.Root.Digest {
						s.Errorf("rewritten %v, root %s", result.Image.Rewritten, result.Image.Root.Digest)
					}
				})
			})
		}
	}
}

func TestPlatformAbsent(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutIndex("app", "1", false, s.reg.PutImage("app", "", imageOf(amd64, layer(1, 100))),
			s.reg.PutImage("app", "", imageOf(arm64)))
		s.reg.PutImage("plain", "1", imageOf(amd64))
		for _, r := range s.fetch(fetch.Options{Platforms: []v1.Platform{riscv64}}, "app:1", "plain:1") {
			var e *image.PlatformError
			if !errors.As(r.Err, &e) || e.Want.Architecture != "riscv64" ||
				!strings.Contains(r.Err.Error(), "linux/amd64") {
				s.Errorf("%s: %v", r.Reference, r.Err)
			}
		}
		if names := s.names(); names != nil {
			s.Errorf("the layout names %v", names)
		}
	})
}

// Only what is wanted is asked for: registries count the manifests that one reads.
func TestPlatformReadsOneManifest(t *testing.T) {
	onSite(t, func(s *site) {
		var children []v1.Descriptor
		for _, p := range []v1.Platform{amd64, arm64, riscv64} {
			children = append(children, s.reg.PutImage("app", "", imageOf(p)))
		}
		s.reg.PutIndex("app", "1", false, children...)
		s.good(fetch.Options{Platforms: []v1.Platform{arm64}}, "app:1")
		if n := len(s.reg.Requests("GET", "/manifests/")); n != 2 {
			s.Errorf("%d manifests were read, want the index and one", n)
		}
	})
}

func TestNestedIndex(t *testing.T) {
	onSite(t, func(s *site) {
		a, b := layer(1, 1000), layer(2, 1000)
		inner := s.reg.PutIndex("app", "", false, s.reg.PutImage("app", "", imageOf(arm64, b)))
		outer := s.reg.PutIndex("app", "1", false, s.reg.PutImage("app", "", imageOf(amd64, a)), inner)
		s.good(fetch.Options{All: true}, "app:1")
		if root := s.complete("app:1"); root.Digest != outer.Digest {
			s.Errorf("root %s", root.Digest)
		}
		s.good(fetch.Options{Platforms: []v1.Platform{arm64}}, "app@"+outer.Digest.String())
		if diff := cmp.Diff(map[int]int{0: 1, 1: 1}, layerReads(s.reg, a, b)); diff != "" {
			s.Error(diff)
		}
	})
}

func TestEmptyIndex(t *testing.T) {
	onSite(t, func(s *site) {
		d := s.reg.PutIndex("app", "1", false)
		s.good(fetch.Options{All: true}, "app:1")
		if root := s.complete("app:1"); root.Digest != d.Digest {
			s.Errorf("root %s", root.Digest)
		}
		if err := s.fetch(fetch.Options{}, "app:1")[0].Err; !errors.As(err, new(*image.PlatformError)) {
			s.Errorf("one platform of nothing: %v", err)
		}
	})
}

func TestDigestReference(t *testing.T) {
	onSite(t, func(s *site) {
		d := s.reg.PutImage("app", "1", imageOf(here, layer(1, 100)))
		s.reg.PutImage("app", "1", imageOf(here, layer(2, 100)))
		bare, tagged := "app@"+d.Digest.String(), "app:1@"+d.Digest.String()
		s.good(fetch.Options{}, bare, tagged)
		if diff := cmp.Diff([]string{"app:1", bare}, sorted(s.names())); diff != "" {
			s.Error(diff)
		}
		if root := s.complete("app:1"); root.Digest != d.Digest {
			s.Errorf("the tag won over the digest: %s", root.Digest)
		}
	})
}

// What lies in the layout depends on the images and not on the order or the number of workers.
func TestDeterministic(t *testing.T) {
	var want []byte
	for i, jobs := range []int{1, 3, 8} {
		onSite(t, func(s *site) {
			var names []string
			for n := range 6 {
				name := fmt.Sprintf("app%d", n)
				s.reg.PutImage(name, "1", imageOf(here, layer(9, 5000), layer(byte(n), 1000*(n+1))))
				names = append(names, name+":1")
			}
			rand.New(rand.NewPCG(uint64(i), 1)).Shuffle(len(names),
				func(a, b int) { names[a], names[b] = names[b], names[a] })
			for n, r := range s.good(fetch.Options{Jobs: jobs}, names...) {
				if got := strings.TrimPrefix(r.Reference.String(), "registry.test/"); got != names[n] {
					s.Errorf("result %d is %s, want %s", n, got, names[n])
				}
			}
			got, err := os.ReadFile(filepath.Join(s.path, "index.json"))
			if err != nil {
				s.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				s.Error(diff)
			}
		})
	}
}

// Cancelling ends at once and keeps what has arrived; the next run goes on from there.
func TestCancelled(t *testing.T) {
	onSite(t, func(s *site) {
		base := layer(1, 50_000)
		s.reg.PutImage("app", "1", imageOf(here, base))
		s.reg.On(fakeregistry.Match{Path: digestOf(base), Count: 1}, fakeregistry.Stall(20_000))
		stop := errors.New("the user has had enough")
		ctx, cancel := context.WithCancelCause(s.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		began := time.Now()
		results, err := fetch.Images(ctx, s.client, s.refs("app:1"), s.dir, fetch.Options{})
		if !errors.Is(err, stop) || !errors.Is(results[0].Err, stop) || time.Since(began) != time.Second {
			s.Errorf("after %s: %v, %v", time.Since(began), err, results[0].Err)
		}
		if names := s.names(); names != nil {
			s.Errorf("the layout names %v", names)
		}
		s.reg.Reset()
		s.good(fetch.Options{}, "app:1")
		s.complete("app:1")
		var ranges []string
		for _, e := range s.reg.Requests("GET", digestOf(base)) {
			ranges = append(ranges, e.Range())
		}
		if diff := cmp.Diff([]string{fmt.Sprintf("bytes=20000-%d", len(base.Content)-1)}, ranges); diff != "" {
			s.Error(diff)
		}
		if left := s.files(".drayage/partial"); left != nil {
			s.Errorf("left over: %v", left)
		}
	})
}

// Wild case 42: a folder in the place of a blob is no reason to fail, and what it holds is kept.
func TestWild42FolderInABlobsPlace(t *testing.T) {
	onSite(t, func(s *site) {
		blocked := layer(1, 1000)
		s.reg.PutImage("app", "1", imageOf(here, blocked))
		place := filepath.Join(s.path, "blobs", "sha256", strings.TrimPrefix(digestOf(blocked), "sha256:"))
		if err := os.MkdirAll(filepath.Join(place, "x"), 0o755); err != nil {
			s.Fatal(err)
		}
		s.good(fetch.Options{}, "app:1")
		s.complete("app:1")
		kept, err := filepath.Glob(filepath.Join(s.path, ".drayage", filepath.Base(place)+".*", "x"))
		if err != nil || len(kept) != 1 {
			s.Errorf("the folder is now %q, %v", kept, err)
		}
	})
}

// Wild case 40: somebody who cleans up the layout takes away what nothing refers to yet. fetch looks again
// before it names an image.
func TestWild40BlobsRemovedBesideAFetch(t *testing.T) {
	onSite(t, func(s *site) {
		first, last := layer(1, 1000), layer(2, 2000)
		s.reg.PutImage("app", "1", imageOf(here, first, last))
		clean := func(v1.Descriptor, int64) {
			for _, name := range s.files("blobs/sha256") {
				os.Remove(filepath.Join(s.path, "blobs", "sha256", name))
			}
		}
		opts := fetch.Options{Jobs: 1, Progress: clean}
		results, err := fetch.Images(s.Context(), s.client, s.refs("app:1"), s.dir, opts)
		if err != nil || results[0].Err != nil {
			s.Fatal(results[0].Err, err)
		}
		s.complete("app:1")
	})
}

// Manifests and configurations arrive as they are, in whatever form somebody has written them.
func TestBytesAreKept(t *testing.T) {
	onSite(t, func(s *site) {
		config := s.reg.PutBlob("app", []byte(" {\"os\":\"linux\",\n\t\"architecture\":\""+runtime.GOARCH+
			"\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]} , \"x\":1e3}\n"))
		raw := fmt.Sprintf("{ \"schemaVersion\":2,\"config\":{\"mediaType\":%q,\"size\":%d,\"digest\":%q,"+
			"\"note\":\"\\u003c\"},\n\"layers\":[] }\n", v1.MediaTypeImageConfig, config.Size, config.Digest)
		d := s.reg.PutManifest("app", "1", v1.MediaTypeImageManifest, []byte(raw))
		s.good(fetch.Options{}, "app:1")
		if root := s.complete("app:1"); root.Digest != d.Digest {
			s.Errorf("root %s, want %s", root.Digest, d.Digest)
		}
	})
}
