//go:build linux

package serving

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// host is that of the names of all images here. Nobody asks it.
const host = "registry.example"

// archive is a layout that a test makes, and the tar that drayage saves of it.
type archive struct {
	t      *testing.T
	layout string
	index  v1.Index
	images []pulled
}

// pulled is an image as it has to arrive.
type pulled struct {
	name     string // host/repository:tag
	manifest v1.Descriptor
	blobs    []v1.Descriptor // configuration and layers
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{t: t, layout: filepath.Join(t.TempDir(), "layout")}
	a.index.SchemaVersion = 2
	if err := os.MkdirAll(a.blob(""), 0o700); err != nil {
		t.Fatal(err)
	}
	a.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return a
}

func (a *archive) blob(hex string) string { return filepath.Join(a.layout, "blobs", "sha256", hex) }

func (a *archive) write(name string, content []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.layout, name), content, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// add makes an image with layers of those sizes, which do not compress.
func (a *archive) add(repository, tag string, seed uint64, sizes ...int) *archive {
	a.t.Helper()
	im := imagetest.Image{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	random := rand.NewChaCha8([32]byte{0: byte(seed), 1: byte(seed >> 8)})
	for _, size := range sizes {
		layer := make([]byte, size)
		random.Read(layer) // it returns no error
		im.Layers = append(im.Layers, imagetest.PlainLayer(layer))
	}
	p := pulled{name: host + "/" + repository + ":" + tag}
	p.manifest = im.Put(func(mediaType string, raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		a.write(filepath.Join("blobs", "sha256", d.Digest.Encoded()), raw)
		if mediaType != v1.MediaTypeImageManifest {
			p.blobs = append(p.blobs, d)
		}
		return d
	})
	d := p.manifest
	d.Annotations = map[string]string{v1.AnnotationRefName: tag, "io.containerd.image.name": p.name}
	a.index.Manifests = append(a.index.Manifests, d)
	raw, err := json.Marshal(a.index)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("index.json", raw)
	a.images = append(a.images, p)
	return a
}

// addMany makes small images.
func (a *archive) addMany(n int) *archive {
	a.t.Helper()
	for i := range n {
		a.add(fmt.Sprintf("many/app%d", i), "1", uint64(1000+i), 2000)
	}
	return a
}

// tar saves the layout as a tar.
func (a *archive) tar(flags ...string) string {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "images.tar")
	drayage(a.t, append([]string{"save", a.layout, "-o", file, "--format", "oci"}, flags...)...)
	return file
}
