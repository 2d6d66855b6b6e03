package upload_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

type httpRequest = http.Request

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64"}
)

func packed(seed byte, n int) fakeregistry.Layer { return fakeregistry.GzipLayer(content(seed, n)) }

// nested is an index with an image and an index of another.
func nested(reg *fakeregistry.Registry) v1.Descriptor {
	inner := reg.PutIndex("app", "", false, reg.PutImage("app", "",
		fakeregistry.Image{Platform: arm64, Layers: []fakeregistry.Layer{packed(1, 100_000), packed(2, 1000)}}))
	one := reg.PutImage("app", "", fakeregistry.Image{Platform: amd64, Docker: true,
		Layers: []fakeregistry.Layer{packed(1, 100_000)}})
	return reg.PutIndex("app", "", false, one, inner)
}

// A layout arrives byte for byte: what refers to something comes after it, and the tag last.
func TestLayout(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		target := s.to("team/app:1")
		target.Image = s.load(dir, root)
		result := s.good(upload.Options{}, target)[0]
		if got, _ := s.reg.Tag("team/app", "1"); got.Digest != root.Digest ||
			result.Descriptor.Digest != root.Digest {
			s.Errorf("the tag is %s, the result %s, want %s", got.Digest, result.Descriptor.Digest, root.Digest)
		}
		if blobs, manifests, tags := s.reg.Stored("team/app"); blobs != 4 || manifests != 4 || tags != 1 {
			s.Errorf("%d blobs, %d manifests, %d tags are stored", blobs, manifests, tags)
		}
		var order []string
		for _, e := range s.reg.Requests("PUT", "") {
			kind, target, _ := strings.Cut(strings.TrimPrefix(e.Path, "/v2/team/app/"), "/")
			if kind == "manifests" && !strings.HasPrefix(target, "sha256:") {
				kind = "tag"
			}
			order = append(order, kind)
		}
		want := []string{"blobs", "blobs", "blobs", "blobs", "manifests", "manifests", "manifests", "tag"}
		if diff := cmp.Diff(want, order); diff != "" {
			s.Error(diff)
		}
		for _, e := range s.reg.Requests("PUT", "/manifests/") {
			if e.Status != http.StatusCreated {
				s.Errorf("%s: %d", e.Path, e.Status)
			}
		}
	})
}

func TestLayoutSecondPushTransfersNothing(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		s.good(upload.Options{}, target)
		s.reg.Reset()
		s.good(upload.Options{}, target)
		if n := s.requests("POST", "") + s.requests("PUT", "") + s.requests("PATCH", ""); n != 0 {
			s.Errorf("%d requests that change something", n)
		}
	})
}

func TestLayoutOnePlatform(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		target := s.to("app:1")
		target.Image = s.load(dir, root, amd64)
		s.good(upload.Options{}, target)
		if blobs, manifests, _ := s.reg.Stored("app"); blobs != 2 || manifests != 1 {
			s.Errorf("%d blobs, %d manifests are stored", blobs, manifests)
		}
	})
}

// Each blob is sent once, to whatever number of repositories.
func TestLayoutToSeveralRepositories(t *testing.T) {
	for _, jobs := range []int{1, 8} {
		onSite(t, func(s *site) {
			dir, root := s.layout(nested)
			var targets []upload.Target
			for _, name := range []string{"a/app:1", "b/app:1", "c/app:1"} {
				target := s.to(name)
				target.Image = s.load(dir, root)
				targets = append(targets, target)
			}
			s.good(upload.Options{Jobs: jobs}, targets...)
			for _, name := range []string{"a/app", "b/app", "c/app"} {
				if got, _ := s.reg.Tag(name, "1"); got.Digest != root.Digest {
					s.Errorf("%s: %s", name, got.Digest)
				}
			}
			if n := s.requests("PUT", "/blobs/"); n != 4 {
				s.Errorf("with %d jobs %d blobs were sent, want 4", jobs, n)
			}
		})
	}
}

// An index of nothing is an image too.
func TestLayoutEmptyIndex(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutIndex("app", "",
				false)
		})
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		if got := s.good(upload.Options{}, target)[0].Descriptor; got.Digest != root.Digest {
			s.Errorf("the result is %q", got.Digest)
		}
		if _, ok := s.reg.Tag("app", "1"); !ok {
			s.Error("nothing was stored")
		}
	})
}

func TestLayoutWithoutTag(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		target := s.to("app")
		target.Tag, target.Image = "", s.load(dir, root)
		s.good(upload.Options{}, target)
		if _, _, tags := s.reg.Stored("app"); tags != 0 || s.reg.Manifest("app", root.Digest) == nil {
			s.Errorf("%d tags", tags)
		}
	})
}

// A blob that has rotted in the layout is not passed on.
func TestLayoutDamaged(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"flipped":   func(p []byte) []byte { p[len(p)/2] ^= 1; return p },
		"truncated": func(p []byte) []byte { return p[:len(p)/2] },
		"longer":    func(p []byte) []byte { return append(p, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				s.reg.Trusting = true
				dir, root := s.layout(nested)
				bad, good := s.to("bad:1"), s.to("good:1")
				bad.Image, good.Image = s.load(dir, root, arm64), s.load(dir, root, amd64)
				path := filepath.Join(dir.Path(), "blobs", "sha256", bad.Image.Graph.Blobs[2].Digest.Encoded())
				content, err := os.ReadFile(path)
				if err != nil {
					s.Fatal(err)
				}
				if err := os.WriteFile(path, damage(content), 0o644); err != nil {
					s.Fatal(err)
				}
				results := s.push(upload.Options{}, bad, good)
				if !errors.Is(results[0].Err, registry.ErrIntegrity) || results[1].Err != nil {
					s.Errorf("%v, %v", results[0].Err, results[1].Err)
				}
				if blobs, manifests, tags := s.reg.Stored("bad"); blobs != 2 || manifests != 0 || tags != 0 {
					s.Errorf("%d blobs, %d manifests, %d tags are stored", blobs, manifests, tags)
				}
			})
		})
	}
}

func TestOneFailureStopsNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		on   fakeregistry.Match
		with fakeregistry.Fault
		want error
	}{
		"denied": {fakeregistry.Match{Path: "/bad/"}, fakeregistry.Status(403), registry.ErrDenied},
		"no such project": {fakeregistry.Match{Path: "/bad/", Method: "POST"}, fakeregistry.Status(404),
			registry.ErrNotFound},
		"manifest refused": {fakeregistry.Match{Path: "/bad/manifests/1", Method: "PUT"},
			fakeregistry.Status(403), registry.ErrDenied},
		"never available": {fakeregistry.Match{Path: "/bad/"}, fakeregistry.Status(503), registry.ErrUnavailable},
		"breaks every time": {fakeregistry.Match{Path: "/bad/", Method: "PUT"}, fakeregistry.CutBody(1),
			registry.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				s.reg.On(tc.on, tc.with)
				dir, root := s.layout(nested)
				bad, good := s.to("bad:1"), s.to("good:1")
				bad.Image, good.Image = s.load(dir, root), s.load(dir, root)
				results := s.push(upload.Options{}, bad, good)
				if !errors.Is(results[0].Err, tc.want) || results[1].Err != nil {
					s.Errorf("%v, %v", results[0].Err, results[1].Err)
				}
				if _, _, tags := s.reg.Stored("bad"); tags != 0 {
					s.Error("the bad image has a tag")
				}
				if got, _ := s.reg.Tag("good", "1"); got.Digest != root.Digest {
					s.Errorf("good: %s", got.Digest)
				}
			})
		})
	}
}

// An image that misdescribes a blob spoils itself and not another that has the blob too.
func TestLayoutWrongSize(t *testing.T) {
	onSite(t, func(s *site) {
		layer := packed(1, 1000)
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutImage("app", "", fakeregistry.Image{Layers: []fakeregistry.Layer{layer}})
		})
		right := s.load(dir, root)
		size := fmt.Sprintf(`"size":%d`, len(layer.Content))
		raw := bytes.Replace(right.Graph.Manifests[0].Raw, []byte(size), []byte(size+"0"), 1)
		d := image.Describe(root.MediaType, raw)
		if err := dir.Push(s.Context(), d, &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: raw}},
			nil); err != nil {
			s.Fatal(err)
		}
		bad, good := s.to("app:bad"), s.to("app:good")
		bad.Image, good.Image = s.load(dir, d), right
		results := s.push(upload.Options{}, bad, good)
		if !errors.Is(results[0].Err, registry.ErrIntegrity) || results[1].Err != nil {
			s.Errorf("%v, %v", results[0].Err, results[1].Err)
		}
	})
}

// Saved images and layouts that share the bytes of a layer do not get into each other's way.
func TestLayoutAndSavedTogether(t *testing.T) {
	onSite(t, func(s *site) {
		layer := plain(1, 50_000)
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutImage("app", "", fakeregistry.Image{Layers: []fakeregistry.Layer{layer}})
		})
		im := savedImage{layers: []fakeregistry.Layer{layer}}
		fromLayout, fromTar := s.to("app:layout"), s.to("app:tar")
		fromLayout.Image, fromTar.Saved = s.load(dir, root), s.saved(im)[0]
		s.good(upload.Options{}, fromLayout, fromTar)
		s.checkImage("app", "tar", im)
		if got := s.reg.Blob("app", layer.DiffID); !bytes.Equal(got, layer.Content) {
			s.Errorf("%d bytes are stored", len(got))
		}
	})
}
