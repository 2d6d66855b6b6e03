package inspect_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/inspect"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a registry with one repository.
type shop struct {
	*testing.T
	reg    *fakeregistry.Registry
	repo   *registry.Repository
	layers map[digest.Digest]bool // that must never be read
}

func newShop(t *testing.T) *shop {
	s := &shop{T: t, reg: fakeregistry.New(), layers: map[digest.Digest]bool{}}
	server := httptest.NewServer(s.reg)
	client := &registry.Client{}
	t.Cleanup(func() { client.Close(); server.Close() })
	s.repo = client.Repository(registry.Reference{Registry: strings.TrimPrefix(server.URL, "http://"),
		Repository: "app"})
	return s
}

// layer stores a layer whose content is text, and returns how it is to be seen.
func (s *shop) layer(text string) inspect.Layer {
	l := imagetest.GzipLayer(imagetest.Tar(map[string]string{"file": text}))
	d := s.reg.PutBlob("app", l.Content)
	s.layers[d.Digest] = true
	return inspect.Layer{Digest: d.Digest, DiffID: l.DiffID, MediaType: v1.MediaTypeImageLayerGzip, Size: d.Size}
}

// image stores an image and returns the descriptor of its manifest, without a platform, and the digest of its
// configuration.
func (s *shop) image(config v1.Image, layers ...inspect.Layer) (v1.Descriptor, digest.Digest) {
	config.RootFS.Type = "layers"
	var blobs []v1.Descriptor
	for _, l := range layers {
		blobs = append(blobs, v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	d := s.reg.PutBlob("app", imagetest.Encode(config))
	d.MediaType = v1.MediaTypeImageConfig
	return s.manifest(imagetest.Manifest(d, blobs...)), d.Digest
}

// artifact stores a manifest that is none of an image.
func (s *shop) artifact(kind string, subject *v1.Descriptor) v1.Descriptor {
	config, blob := s.reg.PutBlob("app", []byte("{}")), s.reg.PutBlob("app", []byte(kind))
	config.MediaType, blob.MediaType = kind, "text/plain"
	s.layers[blob.Digest] = true
	m := imagetest.Manifest(config, blob)
	m.Subject, m.Annotations = subject, map[string]string{"a": "b"}
	return s.manifest(m)
}

func (s *shop) manifest(m v1.Manifest) v1.Descriptor {
	return s.reg.PutManifest("app", "", m.MediaType, imagetest.Encode(m))
}

func on(d v1.Descriptor, os, arch, variant string) v1.Descriptor {
	d.Platform = &v1.Platform{OS: os, Architecture: arch, Variant: variant}
	return d
}

// read looks at root and makes sure that no layer was read.
func (s *shop) read(root v1.Descriptor, opts inspect.Options) *inspect.Image {
	s.Helper()
	s.reg.Reset()
	im, err := inspect.Read(s.Context(), s.repo, root, opts)
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range s.reg.Requests("", "/blobs/") {
		if _, d, _ := strings.Cut(e.Path, "/blobs/"); s.layers[digest.Digest(d)] {
			s.Errorf("layer %s was read", d)
		}
	}
	return im
}

var created = time.Date(2025, 4, 16, 14, 50, 31, 0, time.UTC)

func linux(arch, variant string) v1.Image {
	return v1.Image{Created: &created, Platform: v1.Platform{OS: "linux", Architecture: arch, Variant: variant}}
}
