package scale

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image of a layout that [Fill] has made.
type Image struct {
	Repository, Tag string
	Manifest        v1.Descriptor
	Blobs           []v1.Descriptor
}

// Name is what the image is called in the layout.
func (im Image) Name() string { return "registry.example/" + im.Repository + ":" + im.Tag }

// The layers of images: how many images share each, and how large they are in parts of the own layer.
var shared = []struct{ bases, times int }{{3, 8}, {10, 4}}

// Fill makes a layout of n images in dir. Each has two layers that it shares with others, of 3 and of 10 that
// there are, one of its own of size bytes, and a configuration. Ten images are tags of one repository.
func Fill(dir string, n, size int) ([]Image, error) {
	f := &filler{dir: dir, made: map[digest.Digest]bool{}}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	var all []Image
	for i := range n {
		im := f.image(i, size)
		d := im.Manifest
		d.Annotations = map[string]string{"io.containerd.image.name": im.Name(), v1.AnnotationRefName: im.Tag}
		index.Manifests = append(index.Manifests, d)
		all = append(all, im)
	}
	f.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	f.file("index.json", f.json(index))
	return all, f.err
}

type filler struct {
	dir  string
	made map[digest.Digest]bool
	err  error
}

func (f *filler) image(i, size int) Image {
	im := Image{Repository: fmt.Sprintf("team-%d/app-%d", i/100, i/10), Tag: fmt.Sprintf("1.%d", i%10)}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for k, s := range shared {
		m.Layers = append(m.Layers, f.layer(uint64(1+k), uint64(i%s.bases), size*s.times))
	}
	m.Layers = append(m.Layers, f.layer(0, uint64(i), size))
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Author: im.Name()}
	config.RootFS.Type = "layers"
	for _, l := range m.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
	}
	m.Config = f.blob(v1.MediaTypeImageConfig, f.json(config))
	im.Manifest = f.blob(m.MediaType, f.json(m))
	im.Blobs = append([]v1.Descriptor{m.Config}, m.Layers...)
	return im
}

// layer makes content that is the same in every run. Nobody unpacks it.
func (f *filler) layer(kind, number uint64, size int) v1.Descriptor {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], kind)
	binary.LittleEndian.PutUint64(seed[8:], number)
	content := make([]byte, size)
	rand.NewChaCha8(seed).Read(content)
	return f.blob(v1.MediaTypeImageLayerGzip, content)
}

func (f *filler) blob(mediaType string, content []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if !f.made[d.Digest] {
		f.made[d.Digest] = true
		f.file(filepath.Join("blobs", "sha256", d.Digest.Encoded()), content)
	}
	return d
}

func (f *filler) file(name string, content []byte) {
	if err := os.WriteFile(filepath.Join(f.dir, name), content, 0o644); f.err == nil {
		f.err = err
	}
}

func (f *filler) json(v any) []byte {
	raw, err := json.Marshal(v)
	if f.err == nil {
		f.err = err
	}
	return raw
}
