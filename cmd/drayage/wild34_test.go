package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
	"drayage/layout"
)

// oddLayout makes a layout of odd images, the same ones of one seed.
type oddLayout struct {
	*rand.Rand
	t       *testing.T
	path    string
	entries []v1.Descriptor
	layers  []imagetest.Layer // made so far: some are used again
}

func newOddLayout(t *testing.T, seed uint64) *oddLayout {
	o := &oddLayout{Rand: rand.New(rand.NewPCG(seed, 34)), t: t, path: filepath.Join(t.TempDir(), "odd")}
	for range 1 + o.IntN(4) {
		o.enter(o.root())
	}
	o.close()
	return o
}

func (o *oddLayout) close() {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: o.entries}
	ix.SchemaVersion = 2
	o.write("index.json", imagetest.Encode(ix))
	o.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

func (o *oddLayout) write(name string, raw []byte) {
	path := filepath.Join(o.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// put stores a blob under a digest of one of the two algorithms.
func (o *oddLayout) put(mediaType string, raw []byte) v1.Descriptor {
	a := digest.SHA256
	if o.IntN(4) == 0 {
		a = digest.SHA512
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: a.FromBytes(raw), Size: int64(len(raw))}
	o.write(filepath.Join("blobs", a.String(), d.Digest.Encoded()), raw)
	return d
}

// enter names something once, several times, or not at all.
func (o *oddLayout) enter(d v1.Descriptor) {
	names := o.IntN(4)
	if o.IntN(30) == 0 {
		names = 20
	}
	for range max(names, 1) {
		repository := fmt.Sprintf("r.test/odd%d", len(o.entries))
		if o.IntN(5) == 0 {
			repository += "/" + strings.Repeat("long-name/", 18) + "x"
		}
		tag := strings.Repeat("t", 1+o.IntN(2)*126)
		d.Annotations = map[string]string{layout.AnnotationName: repository + ":" + tag, v1.AnnotationRefName: tag}
		o.entries = append(o.entries, d)
	}
}

func (o *oddLayout) root() v1.Descriptor {
	switch o.IntN(6) {
	case 0, 1:
		return o.index(o.IntN(4))
	case 2:
		return o.artifact()
	}
	return o.image(v1.Platform{OS: "linux", Architecture: "amd64"})
}

func (o *oddLayout) index(depth int) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	ix.SchemaVersion = 2
	for i, arch := range []string{"amd64", "arm64", "s390x"}[:1+o.IntN(3)] {
		p := v1.Platform{OS: "linux", Architecture: arch}
		d := o.image(p)
		d.Platform = &p
		ix.Manifests = append(ix.Manifests, d)
		if i == 0 && o.IntN(3) == 0 {
			ix.Manifests = append(ix.Manifests, d, d) // listed again
		}
	}
	if o.IntN(3) == 0 {
		ix.Manifests = append(ix.Manifests, o.artifact())
	}
	if depth > 0 {
		ix.Manifests = append(ix.Manifests, o.index(depth-1))
	}
	return o.put(v1.MediaTypeImageIndex, imagetest.Encode(ix))
}

func (o *oddLayout) artifact() v1.Descriptor {
	config := o.put("application/vnd.oci.empty.v1+json", []byte("{}"))
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/odd", Config: config}
	m.SchemaVersion = 2
	for range 1 + o.IntN(2) {
		m.Layers = append(m.Layers, o.put("text/plain", fmt.Append(nil, "artifact", o.IntN(5))))
	}
	return o.put(v1.MediaTypeImageManifest, imagetest.Encode(m))
}

func (o *oddLayout) image(p v1.Platform) v1.Descriptor {
	config := v1.Image{Platform: p, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	m.SchemaVersion = 2
	for range o.IntN(5) {
		l := o.layer()
		d := o.put(l.MediaType, l.Content)
		for range 1 + o.IntN(20)/19*300 { // sometimes very often the same
			m.Layers = append(m.Layers, d)
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
		}
	}
	if o.IntN(20) == 0 {
		config.Author = strings.Repeat("a", 7<<20)
	}
	config.Config.Labels = map[string]string{"odd": fmt.Sprint(o.IntN(3))}
	m.Config = o.put(v1.MediaTypeImageConfig, imagetest.Encode(config))
	return o.put(v1.MediaTypeImageManifest, imagetest.Encode(m))
}

// layer is one of those before, or another.
func (o *oddLayout) layer() imagetest.Layer {
	if len(o.layers) > 0 && o.IntN(3) == 0 {
		return o.layers[o.IntN(len(o.layers))]
	}
	tar := imagetest.Pack(imagetest.Entry{Name: "file", Body: strings.Repeat("x", o.IntN(3000))})
	l := imagetest.GzipLayer(tar)
	l.MediaType = v1.MediaTypeImageLayerGzip
	switch o.IntN(8) {
	case 0:
		l = imagetest.ZstdLayer(tar)
	case 1:
		l = imagetest.PlainLayer(tar)
	case 2: // compressed twice
		l.Content, l.DiffID = imagetest.Gzip(l.Content), digest.FromBytes(l.Content)
	case 3: // two members
		l.Content = append(bytes.Clone(l.Content), l.Content...)
		l.DiffID = digest.FromBytes(slices.Concat(tar, tar))
	case 4:
		l.DiffID = digest.SHA512.FromBytes(tar)
	case 5: // nothing at all
		l.Content, l.DiffID = imagetest.Gzip(nil), digest.FromBytes(nil)
	}
	o.layers = append(o.layers, l)
	return l
}

// Wild case 34: what save writes with exit code 0 can be verified and pushed; else it says what it cannot
// write and leaves nothing.
func TestWild34WhatSaveWritesCanBeRead(t *testing.T) {
	_, host := lookingRegistry(t)
	saved, refused := 0, map[string]bool{}
	for seed := range uint64(oddSeeds) {
		o := newOddLayout(t, seed)
		for _, format := range []string{"docker", "oci", "oci --platform all"} {
			out := filepath.Join(t.TempDir(), "odd.tar")
			args := append([]string{"save", o.path, "-o", out, "--format"}, strings.Fields(format)...)
			if _, stderr, code := command(t, args...); code != 0 {
				if _, err := os.Stat(out); err == nil || strings.Contains(stderr, "integrity") {
					t.Errorf("seed %d, save --format %s: %d, %v: %s", seed, format, code, err, stderr)
				}
				refused[stderr] = true
				continue
			}
			saved++
			if stdout, stderr, code := command(t, "verify", out); code != 0 {
				t.Errorf("seed %d, verify of --format %s: %d, %.300s%.500s", seed, format, code, stdout, stderr)
			}
			dest := fmt.Sprintf("%s/s%d-%s/", host, seed, format[:3])
			if _, stderr, code := command(t, "push", out, dest); code != 0 {
				t.Errorf("seed %d, push of --format %s: %d, %.500s", seed, format, code, stderr)
			}
		}
	}
	t.Logf("%d archives were written, %d refused with different messages", saved, len(refused))
	for _, text := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("%.300s", text)
	}
	if saved < 2*oddSeeds {
		t.Errorf("only %d archives were written", saved)
	}
}
