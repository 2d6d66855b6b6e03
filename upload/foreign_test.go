package upload_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/upload"
)

// windows puts in an image whose lowest layer is foreign although the registry has it.
func windows(reg *fakeregistry.Registry) v1.Descriptor {
	base := packed(1, 50_000)
	reg.PutBlob("app", base.Content)
	base.MediaType, base.URLs = image.DockerForeign+".gzip", []string{"http://nobody.test/layer"}
	return reg.PutImage("app", "", fakeregistry.Image{Docker: true,
		Layers: []fakeregistry.Layer{base, packed(2, 1000)}})
}

// TestForeignLayers pushes a foreign layer that is there like any other, and leaves one out that is not.
func TestForeignLayers(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(windows)
		target := s.to("with/app:1")
		target.Image = s.load(dir, root)
		if here, absent := target.Image.ForeignLayers(), target.Image.Absent; len(here) != 1 || len(absent) != 0 {
			s.Errorf("%d foreign layers are there, %d absent", len(here), len(absent))
		}
		s.good(upload.Options{}, target)
		if blobs, _, tags := s.reg.Stored("with/app"); blobs != 3 || tags != 1 {
			s.Errorf("%d blobs and %d tags are stored", blobs, tags)
		}

		layer := packed(1, 50_000)
		if err := os.Remove(filepath.Join(dir.Path(), "blobs/sha256", digestHex(layer.Content))); err != nil {
			s.Fatal(err)
		}
		target = s.to("without/app:1")
		target.Image = s.load(dir, root)
		if here, absent := target.Image.ForeignLayers(), target.Image.Absent; len(here) != 0 || len(absent) != 1 {
			s.Errorf("%d foreign layers are there, %d absent", len(here), len(absent))
		}
		// A registry that has forgotten its blobs gets them again, and still not the one that nobody has.
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/without/app/manifests/", Count: 1},
			fakeregistry.Answer(http.StatusBadRequest, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}`,
				"Content-Type", "application/json"))
		result := s.good(upload.Options{}, target)[0]
		if blobs, _, tags := s.reg.Stored("without/app"); blobs != 2 || tags != 1 ||
			result.Descriptor.Digest != root.Digest {
			s.Errorf("%d blobs and %d tags are stored, as %s", blobs, tags, result.Descriptor.Digest)
		}
	})
}

// TestForeignLayersRefused checks that whoever meets a registry that does not like addresses in manifests
// is told what to do.
func TestForeignLayersRefused(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(windows)
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/"},
			fakeregistry.Status(http.StatusInternalServerError))
		if r := s.push(upload.Options{}, target)[0]; r.Err == nil ||
			!strings.Contains(r.Err.Error(), "urls.allow") {
			s.Errorf("got %v", r.Err)
		}
	})
	onSite(t, func(s *site) {
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutImage("app", "",
				fakeregistry.Image{})
		})
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/"},
			fakeregistry.Status(http.StatusInternalServerError))
		if r := s.push(upload.Options{}, target)[0]; r.Err == nil || strings.Contains(r.Err.Error(), "urls.allow") {
			s.Errorf("of an image without foreign layers: %v", r.Err)
		}
	})
}

// TestOtherLayersMustBeThere checks that only what is foreign may be absent.
func TestOtherLayersMustBeThere(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(windows)
		if err := os.Remove(filepath.Join(dir.Path(), "blobs/sha256",
			digestHex(packed(2, 1000).Content))); err != nil {
			s.Fatal(err)
		}
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		if r := s.push(upload.Options{}, target)[0]; r.Err == nil {
			s.Error("an image without one of its layers was pushed")
		}
		if _, ok := s.reg.Tag("app", "1"); ok {
			s.Error("it has a name")
		}
	})
}

// TestLeftOut pushes an image without its base layer: the registry has to have that layer already.
func TestLeftOut(t *testing.T) {
	onSite(t, func(s *site) {
		base := packed(1, 50_000)
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutImage("app", "", fakeregistry.Image{Layers: []fakeregistry.Layer{base, packed(2, 1000)}})
		})
		target := s.to("app:1")
		target.Image = s.load(dir, root)
		if err := os.Remove(filepath.Join(dir.Path(), "blobs/sha256", digestHex(base.Content))); err != nil {
			s.Fatal(err)
		}
		target.Image.LeaveOut([]image.Absent{
			{Part: image.PartLayer, Descriptor: target.Image.Blobs[1], Reason: image.LeftOut},
			{Part: image.PartLayer, Descriptor: v1.Descriptor{Digest: root.Digest}, Reason: image.LeftOut},
		})
		if len(target.Image.Absent) != 1 || target.Image.Blobs[1].Digest != digest.FromBytes(base.Content) {
			s.Fatalf("%+v is absent", target.Image.Absent)
		}
		r := s.push(upload.Options{}, target)[0]
		if r.Err == nil || !strings.Contains(r.Err.Error(), digestHex(base.Content)+": left out") {
			s.Errorf("a registry without the layer: %v", r.Err)
		}
		if _, manifests, tags := s.reg.Stored("app"); manifests+tags != 0 {
			s.Errorf("%d manifests and %d tags are stored", manifests, tags)
		}
		s.reg.PutBlob("app", base.Content)
		if r := s.good(upload.Options{}, target)[0]; r.Descriptor.Digest != root.Digest {
			s.Errorf("pushed %s", r.Descriptor.Digest)
		}
	})
}

func digestHex(content []byte) string { return digest.FromBytes(content).Encoded() }
