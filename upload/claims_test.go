package upload_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/upload"
)

// rebuilt is an image in a docker tar whose base is in a registry already, compressed by somebody else.
type rebuilt struct {
	*site
	blob fakeregistry.Layer // the base as it is there
	im   savedImage

	mu       sync.Mutex
	warnings []error
}

const baseSize = 1100 << 10 // a little more than what is worth a question

func onRebuilt(t *testing.T, f func(r *rebuilt)) {
	t.Helper()
	onSite(t, func(s *site) {
		base := content(7, baseSize)
		r := &rebuilt{site: s, blob: fakeregistry.GzipLayer(base)}
		r.im.layers = []fakeregistry.Layer{fakeregistry.PlainLayer(base), plain(8, 40_000)}
		f(r)
	})
}

// has puts an image with the base and a layer of its own into the registry.
func (r *rebuilt) has(name, tag string, base fakeregistry.Layer) v1.Descriptor {
	r.Helper()
	return r.reg.PutImage(name, tag, fakeregistry.Image{Docker: true,
		Layers: []fakeregistry.Layer{base, fakeregistry.GzipLayer(content(9, 1000))}})
}

// pushTo pushes the rebuilt image and returns the layers of its manifest.
func (r *rebuilt) pushTo(name string, opts upload.Options) []v1.Descriptor {
	r.Helper()
	target := r.to(name)
	target.Saved = r.saved(r.im)[0]
	opts.Warn = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.warnings = append(r.warnings, err)
	}
	r.reg.Reset()
	r.good(opts, target)
	return r.checkImage(target.Repository.Path(), target.Tag, r.im).Layers
}

// sent is how many bytes of blobs the registry was sent, and read how many it was asked for.
func (r *rebuilt) sent() int64 { return r.reg.Received("", "/blobs/uploads/") }

func (r *rebuilt) reads(d digest.Digest) int {
	return len(r.reg.Requests("GET", "/blobs/"+d.String()))
}

// newOnly checks that the base was used as it is there, and nothing but the new layer was sent.
func (r *rebuilt) newOnly(layers []v1.Descriptor, base fakeregistry.Layer) {
	r.Helper()
	if want := digest.FromBytes(base.Content); layers[0].Digest != want {
		r.Errorf("the base is %s, and %s is there", layers[0].Digest, want)
	}
	if most := layers[1].Size + 4096; r.sent() > most {
		r.Errorf("%d bytes were sent, the new layer has %d", r.sent(), layers[1].Size)
	}
	if len(r.warnings) > 0 {
		r.Errorf("warnings %v", r.warnings)
	}
}

// sentAll checks that the base was compressed here.
func (r *rebuilt) sentAll(layers []v1.Descriptor) {
	r.Helper()
	if layers[0].Digest == digest.FromBytes(r.blob.Content) {
		r.Error("the foreign blob was used")
	}
	if r.sent() < layers[0].Size {
		r.Errorf("%d bytes were sent, the base has %d", r.sent(), layers[0].Size)
	}
}

func TestRebuiltSendsNewLayersOnly(t *testing.T) {
	for tag, pushed := range map[string]string{
		"1": "app:1", "1.0": "app:1.1", "2.9": "app:2.10", "latest": "app:new",
	} {
		t.Run(tag, func(t *testing.T) {
			onRebuilt(t, func(r *rebuilt) {
				r.has("app", tag, r.blob)
				cache := upload.Options{CacheDir: t.TempDir()}
				r.newOnly(r.pushTo(pushed, cache), r.blob)
				if n := r.reads(digest.FromBytes(r.blob.Content)); n != 1 {
					r.Errorf("the blob was read %d times, want once", n)
				}
				r.newOnly(r.pushTo(pushed, cache), r.blob)
				if n := r.requests("GET", ""); n != 0 {
					r.Errorf("%d questions although everything is known", n)
				}
			})
		})
	}
}

func TestRebuiltMediaTypes(t *testing.T) {
	base := content(7, baseSize)
	for name, layer := range map[string]fakeregistry.Layer{
		"docker gzip": {Content: imagetest.Gzip(base), MediaType: image.DockerLayer},
		"oci gzip":    {Content: imagetest.Gzip(base), MediaType: v1.MediaTypeImageLayerGzip},
		"zstd":        {Content: imagetest.Zstd(base), MediaType: v1.MediaTypeImageLayerZstd},
		"plain":       {Content: base, MediaType: v1.MediaTypeImageLayer},
		"docker tar":  {Content: base, MediaType: image.DockerPlainLayer},
	} {
		t.Run(name, func(t *testing.T) {
			onRebuilt(t, func(r *rebuilt) {
				layer.DiffID = digest.FromBytes(base)
				r.has("app", "1", layer)
				target := r.to("app:2")
				target.Saved = r.saved(r.im)[0]
				r.good(upload.Options{}, target)
				m := r.manifestAt("app", "2")
				r.newOnly(m.Layers, layer)
				docker := strings.Contains(name, "gzip")
				if (m.MediaType == image.DockerManifest) != docker {
					r.Errorf("the manifest is %s with %s", m.MediaType, m.Layers[0].MediaType)
				}
			})
		})
	}
}

// Of an index the platform of the pushed image counts.
func TestRebuiltOfIndex(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		amd64 := r.has("app", "", r.blob)
		amd64.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
		arm64 := r.reg.PutImage("app", "", fakeregistry.Image{Layers: []fakeregistry.Layer{
			fakeregistry.GzipLayer(content(3, 100))}})
		arm64.Platform = &v1.Platform{OS: "linux", Architecture: "arm64"}
		r.reg.PutIndex("app", "1", true, arm64, amd64)
		r.newOnly(r.pushTo("app:2", upload.Options{}), r.blob)
		if n := r.requests("GET", "/manifests/"+arm64.Digest.String()); n != 0 {
			r.Errorf("the other platform was asked for %d times", n)
		}
	})
}

func TestRebuiltMountsFromBase(t *testing.T) {
	for _, tag := range []string{"", "12"} {
		onRebuilt(t, func(r *rebuilt) {
			r.has("library/base", "12", r.blob)
			for i := range 40 {
				r.reg.PutImage("library/base", fmt.Sprint("other", i), fakeregistry.Image{})
			}
			bases := []upload.Base{{Repository: r.to("library/base").Repository, Tag: tag}}
			layers := r.pushTo("team/app:1", upload.Options{Bases: bases, CacheDir: t.TempDir()})
			r.newOnly(layers, r.blob)
			if asked, granted := r.mounts(); asked != 1 || granted != 1 {
				r.Errorf("%d of %d mounts were granted", granted, asked)
			}
			if n := r.requests("GET", "/manifests/"); n > 8 {
				r.Errorf("%d manifests were asked for", n)
			}
		})
	}
}

func TestReuseTrustAndNone(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		r.has("app", "1", r.blob)
		r.newOnly(r.pushTo("app:2", upload.Options{Reuse: upload.ReuseTrusted}), r.blob)
		if n := r.reads(digest.FromBytes(r.blob.Content)); n != 0 {
			r.Errorf("the blob was read %d times", n)
		}
	})
	onRebuilt(t, func(r *rebuilt) {
		fresh := r.pushTo("elsewhere:1", upload.Options{})
		r.has("app", "1", r.blob)
		cache := t.TempDir()
		r.newOnly(r.pushTo("app:2", upload.Options{CacheDir: cache}), r.blob)
		layers := r.pushTo("app:3", upload.Options{Reuse: upload.ReuseNothing, CacheDir: cache})
		r.sentAll(layers)
		if !slices.EqualFunc(layers, fresh, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest }) {
			r.Error("the layers differ from those in an empty repository")
		}
		if n := r.requests("GET", ""); n != 0 {
			r.Errorf("%d questions were asked", n)
		}
	})
}

// What was found in one repository does not change what a push into another one makes.
func TestReuseStaysInItsRepository(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		cache := t.TempDir()
		fresh := r.pushTo("elsewhere:1", upload.Options{})
		r.has("app", "1", r.blob)
		r.newOnly(r.pushTo("app:2", upload.Options{CacheDir: cache}), r.blob)
		layers := r.pushTo("another:1", upload.Options{CacheDir: cache})
		if layers[0].Digest != fresh[0].Digest {
			r.Errorf("the base is %s, in an empty repository it was %s", layers[0].Digest, fresh[0].Digest)
		}
	})
}

// A registry that refuses, fails or hangs is not asked further, and the push goes on.
func TestReuseOfRefusingRegistry(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{
		"403":    fakeregistry.Status(http.StatusForbidden),
		"405":    fakeregistry.Status(http.StatusMethodNotAllowed),
		"429":    fakeregistry.Status(http.StatusTooManyRequests, "Retry-After", "120"),
		"500":    fakeregistry.Status(http.StatusInternalServerError),
		"hang":   fakeregistry.Hang(),
		"page":   fakeregistry.Page(),
		"slowly": fakeregistry.Drip(1, time.Second),
	} {
		blob := "/blobs/" + digest.FromBytes(imagetest.Gzip(content(7, baseSize))).String()
		for what, at := range map[string]string{
			"manifests": "/manifests/", "tags": "/tags/list", "configurations": "/blobs/sha256", "blobs": blob,
		} {
			if what != "manifests" && name != "403" && name != "hang" {
				continue // what a question is refused with makes no difference there
			}
			t.Run(name+" "+what, func(t *testing.T) {
				onRebuilt(t, func(r *rebuilt) {
					r.has("app", "1", r.blob)
					r.reg.On(fakeregistry.Match{Method: "GET", Path: at}, fault)
					began := time.Now()
					r.sentAll(r.pushTo("app:2", upload.Options{}))
					if took := time.Since(began); took > 90*time.Second {
						r.Errorf("the push took %v", took)
					}
					if len(r.warnings) > 0 {
						r.Errorf("warnings %v", r.warnings)
					}
				})
			})
		}
	}
}

// Lies are told of and not believed.
func TestReuseOfLies(t *testing.T) {
	honest := content(7, baseSize)
	bomb := fakeregistry.Tar(map[string]string{"zeros": strings.Repeat("\x00", 20<<20)})
	flipped := bytes.Clone(honest)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		stored []byte
		says   string
	}{
		"another layer":   {imagetest.Gzip(flipped), "its content hashes to"},
		"zip bomb":        {imagetest.Gzip(bomb), "it unpacks to more than the"},
		"short":           {imagetest.Gzip(honest[:1000]), "its content hashes to"},
		"cut off":         {imagetest.Gzip(honest)[:baseSize/2], "cannot be decompressed"},
		"another kind":    {imagetest.Zstd(honest), "its compression is zstd"},
		"no compression":  {honest, "its compression is none"},
		"larger than all": {content(1, 3*baseSize), "unpacked"},
	} {
		t.Run(name, func(t *testing.T) {
			onRebuilt(t, func(r *rebuilt) {
				lie := fakeregistry.Layer{Content: c.stored, DiffID: digest.FromBytes(honest)}
				r.has("app", "1", lie)
				r.has("app", "2", lie)
				r.sentAll(r.pushTo("app:3", upload.Options{CacheDir: t.TempDir()}))
				names := "registry.test/app: blob " + digest.FromBytes(c.stored).String()
				if len(r.warnings) != 1 || !strings.Contains(r.warnings[0].Error(), c.says) ||
					!strings.Contains(r.warnings[0].Error(), names) {
					r.Errorf("warnings %v, want one with %q", r.warnings, c.says)
				}
			})
		})
	}
}

// A claim about a blob that is not there, or is damaged there, costs nothing but the question.
func TestReuseOfMissingBlob(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		r.has("app", "1", r.blob)
		r.reg.On(fakeregistry.Match{Path: "/blobs/" + digest.FromBytes(r.blob.Content).String()},
			fakeregistry.Status(http.StatusNotFound))
		r.sentAll(r.pushTo("app:2", upload.Options{}))
	})
	onRebuilt(t, func(r *rebuilt) {
		r.has("app", "1", r.blob)
		r.reg.On(fakeregistry.Match{Method: "GET", Path: digest.FromBytes(r.blob.Content).String()},
			fakeregistry.FlipByte(1000))
		r.sentAll(r.pushTo("app:2", upload.Options{}))
	})
}

// A blob that disappears while the push goes on is replaced by one that is made here.
func TestReuseOfVanishingBlob(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		r.has("app", "1", r.blob)
		r.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/2", Count: 1}, fakeregistry.Answer(
			http.StatusNotFound, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}`))
		target := r.to("app:2")
		target.Saved = r.saved(r.im)[0]
		results := r.push(upload.Options{}, target)
		if results[0].Err != nil || results[0].Converted {
			r.Fatalf("%+v", results[0])
		}
		r.sentAll(r.checkImage("app", "2", r.im).Layers)
	})
}

// Thousands of tags, and configurations that are large: only a few are read.
func TestReuseIsBounded(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		many := fakeregistry.Image{}
		for i := range 20_000 {
			l := fakeregistry.Layer{Content: []byte("x"), DiffID: digest.FromString(fmt.Sprint(i))}
			many.Layers = append(many.Layers, l)
		}
		for i := range 3000 {
			label := map[string]string{"n": fmt.Sprint(i)}
			r.reg.PutImage("app", fmt.Sprint("1.", i), fakeregistry.Image{Labels: label})
		}
		r.reg.PutImage("app", "1.2999", many)
		r.has("app", "1.2997", r.blob)
		r.newOnly(r.pushTo("app:1.2998", upload.Options{}), r.blob)
		if n := r.requests("GET", "/manifests/"); n > 8 {
			r.Errorf("%d manifests were asked for", n)
		}
	})
}

// Nothing is asked where it cannot pay: for small layers, and for layers that are stored compressed.
func TestReuseAsksOnlyIfItPays(t *testing.T) {
	for _, layers := range [][]fakeregistry.Layer{
		{plain(1, 1000), plain(2, 100_000)},
		{fakeregistry.GzipLayer(content(7, baseSize)), fakeregistry.ZstdLayer(content(8, baseSize))},
	} {
		onRebuilt(t, func(r *rebuilt) {
			r.has("app", "1", r.blob)
			target := r.to("app:2")
			target.Saved = r.saved(savedImage{layers: layers})[0]
			r.reg.Reset()
			r.good(upload.Options{}, target)
			if n := r.requests("GET", ""); n != 0 {
				r.Errorf("%d questions", n)
			}
		})
	}
}

func TestUnknownReuse(t *testing.T) {
	if _, err := upload.Push(t.Context(), nil, upload.Options{Reuse: "perhaps"}); err == nil {
		t.Error("there is no such reuse")
	}
}

// A forecast says what the push does, and reads no layer for that.
func TestForeseeOfRebuilt(t *testing.T) {
	for _, name := range []string{"app:2", "team/app:2"} {
		onRebuilt(t, func(r *rebuilt) {
			r.has("app", "1", r.blob)
			target := r.to(name)
			target.Saved = r.saved(r.im)[0]
			opts := upload.Options{Bases: []upload.Base{{Repository: r.to("app").Repository}}}
			var moves []image.Move
			r.reg.Reset()
			err := upload.Foresee(r.Context(), []upload.Target{target}, opts,
				func(_ upload.Target, m []image.Move, err error) {
					if moves = m; err != nil {
						r.Error(err)
					}
				})
			if err != nil || len(moves) != 3 {
				r.Fatal(err, moves)
			}
			blob := digest.FromBytes(r.blob.Content)
			if m := moves[1]; m.Plain || m.There != m.Blob.Size || m.Blob.Digest != blob || r.reads(blob) > 0 {
				r.Errorf("the base would move: %+v", m)
			}
			if m := moves[2]; !m.Plain {
				r.Errorf("the new layer would not be compressed: %+v", m)
			}
			if n := r.requests("POST", ""); n > 0 {
				r.Errorf("%d requests that change something", n)
			}
		})
	}
}

// In a stream the size of a layer shows when it comes, and so does whether it is worth a question.
func TestReuseInStream(t *testing.T) {
	base := content(7, large)
	onSite(t, func(s *site) {
		blob := fakeregistry.GzipLayer(base)
		s.reg.PutImage("app", "0", fakeregistry.Image{Docker: true, Layers: []fakeregistry.Layer{blob}})
		im := savedImage{layers: []fakeregistry.Layer{fakeregistry.PlainLayer(base), plain(8, 40_000)}}
		s.reg.Reset()
		if err := s.pushPass(im, upload.Options{}); err != nil {
			s.Fatal(err)
		}
		m := s.checkImage("app", "1", im)
		if want := digest.FromBytes(blob.Content); m.Layers[0].Digest != want {
			s.Errorf("the base is %s, and %s is there", m.Layers[0].Digest, want)
		}
		if n := s.reg.Received("", "/blobs/uploads/"); n > m.Layers[1].Size+4096 {
			s.Errorf("%d bytes were sent, the new layer has %d", n, m.Layers[1].Size)
		}
	})
}

// A registry that hangs over questions is asked about one repository, and not about each.
func TestReuseAsksHangingRegistryOnce(t *testing.T) {
	onRebuilt(t, func(r *rebuilt) {
		r.reg.On(fakeregistry.Match{Method: "GET"}, fakeregistry.Hang())
		var targets []upload.Target
		for i := range 5 {
			target := r.to(fmt.Sprintf("app%d:1", i))
			im := savedImage{layers: []fakeregistry.Layer{plain(byte(i+1), baseSize)}}
			target.Saved = r.saved(im)[0]
			targets = append(targets, target)
		}
		began := time.Now()
		r.good(upload.Options{Jobs: 1}, targets...)
		if took := time.Since(began); took > 20*time.Second {
			r.Errorf("the push took %v", took)
		}
		if n := r.requests("GET", ""); n != 1 {
			r.Errorf("%d questions", n)
		}
	})
}
