//go:build linux

package interop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
	"drayage/test/wire"
)

// storedLayer is a layer as a registry has it.
type storedLayer struct {
	stored    []byte
	mediaType string
	diffID    digest.Digest
	urls      []string // where it is instead of in the registry
}

// oneFile is the tar of one file.
func oneFile(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := bytes.Repeat([]byte(name+"\n"), 300)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)),
		Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipMember(t *testing.T, extra, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Extra = extra
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdFrame(t *testing.T, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// skippable is a zstd frame that holds nothing of the content
// (https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2).
func skippable(content []byte) []byte {
	n := len(content)
	head := []byte{0x50, 0x2a, 0x4d, 0x18, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	return append(head, content...)
}

// kinds are the ways in which registries hold layers.
var kinds = []struct {
	name, mediaType string
	pack            func(t *testing.T, plain []byte) []byte
}{
	{"gzip", v1.MediaTypeImageLayerGzip, func(t *testing.T, p []byte) []byte { return gzipMember(t, nil, p) }},
	{"plain", v1.MediaTypeImageLayer, func(_ *testing.T, p []byte) []byte { return p }},
	{"zstd", v1.MediaTypeImageLayerZstd, zstdFrame},
	{"members", v1.MediaTypeImageLayerGzip, func(t *testing.T, p []byte) []byte {
		return append(gzipMember(t, nil, p[:600]), gzipMember(t, nil, p[600:])...)
	}},
	{"estargz", v1.MediaTypeImageLayerGzip, func(t *testing.T, p []byte) []byte {
		footer := gzipMember(t, []byte("SG\x16\x000000000000000000STARGZ"), nil)
		return slices.Concat(gzipMember(t, nil, p[:512]), gzipMember(t, nil, p[512:]), footer)
	}},
	{"chunked", v1.MediaTypeImageLayerZstd, func(t *testing.T, p []byte) []byte {
		return slices.Concat(zstdFrame(t, p[:512]), zstdFrame(t, p[512:]), skippable([]byte("a list of files")),
			skippable([]byte("where it is, GNUlInUx")))
	}},
	{"xz", v1.MediaTypeImageLayer + "+xz", func(t *testing.T, p []byte) []byte {
		require(t, "xz")
		o := invocation{argv: []string{"xz", "-c"}, stdin: bytes.NewReader(p)}.run(t)
		o.ok(t)
		return []byte(o.stdout)
	}},
}

func kindOf(t *testing.T, kind int, plain []byte) storedLayer {
	t.Helper()
	k := kinds[kind]
	return storedLayer{stored: k.pack(t, plain), mediaType: k.mediaType, diffID: digest.FromBytes(plain)}
}

// program is the layer of the sample that runs, and what it prints.
func program(t *testing.T) (storedLayer, string) {
	t.Helper()
	image, here := newSample(t, sample.Options{})
	for _, m := range image.Manifests {
		if m.Digest == here.Manifest.Digest {
			var doc v1.Manifest
			if err := json.Unmarshal(m.Raw, &doc); err != nil {
				t.Fatal(err)
			}
			d := doc.Layers[0]
			return storedLayer{stored: image.Blobs[d.Digest], mediaType: d.MediaType, diffID: here.DiffIDs[0]},
				here.Output
		}
	}
	t.Fatal("the sample has no manifest for this machine")
	return storedLayer{}, ""
}

// builtImage is an image that putImage has put into a registry.
type builtImage struct {
	ref, id string
	digest  digest.Digest
	output  string
}

// putImage puts an image of the sample's program and other layers into an open registry, in OCI's media
// types.
func putImage(t *testing.T, addr, name, tag string, more ...storedLayer) builtImage {
	t.Helper()
	return putTyped(t, addr, name, tag, v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, more...)
}

func putTyped(t *testing.T, addr, name, tag, manifestType, configType string,
	more ...storedLayer) builtImage {
	t.Helper()
	first, output := program(t)
	if manifestType == wire.DockerManifest {
		first.mediaType = wire.DockerLayer
	}
	_, here := newSample(t, sample.Options{})
	repo := repository(addr, name)
	put := func(mediaType string, raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		if err := repo.PutBlob(t.Context(), d.Digest, d.Size, bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	config := v1.Image{Platform: here.Platform, Author: name,
		Config: v1.ImageConfig{Entrypoint: []string{"/hello"}}, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{MediaType: manifestType}
	m.SchemaVersion = 2
	for _, l := range append([]storedLayer{first}, more...) {
		d := v1.Descriptor{MediaType: l.mediaType, Digest: digest.FromBytes(l.stored), Size: int64(len(l.stored)),
			URLs: l.urls}
		if l.urls == nil {
			put(l.mediaType, l.stored)
		}
		m.Layers = append(m.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diffID)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Config = put(configType, raw)
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := repo.PutManifest(t.Context(), tag, m.MediaType, raw); err != nil {
		t.Fatal(err)
	}
	return builtImage{ref: addr + "/" + name + ":" + tag, id: m.Config.Digest.String(),
		digest: digest.FromBytes(raw), output: output}
}

// TestDockerTarOfAllKinds saves images whose layers are of every kind, repeat each other within an image,
// between images, and in another form.
func TestDockerTarOfAllKinds(t *testing.T) {
	addr := startRegistry3(t)
	var all, some []storedLayer
	for i, k := range kinds {
		l := kindOf(t, i, oneFile(t, k.name))
		all = append(all, l)
		other := kindOf(t, (i+1)%len(kinds), oneFile(t, k.name))
		some = append(some, other)
	}
	all = append(all, all[1], all[2], all[4]) // plain, zstd and estargz again
	some = append(some, all[5])
	images := []builtImage{putImage(t, addr, "kinds/all", "1", all...),
		putImage(t, addr, "kinds/some", "1", some...)}
	ids := map[string]string{}
	for _, im := range images {
		ids[im.ref] = im.id
	}
	dir := scratch(t)
	direct, byLayout, layout := filepath.Join(dir, "direct.tar"), filepath.Join(dir, "layout.tar"),
		filepath.Join(dir, "layout")
	drayage(t, "save", images[0].ref, images[1].ref, "-o", direct).ok(t)
	drayage(t, "fetch", images[0].ref, images[1].ref, "-o", layout).ok(t)
	drayage(t, "save", layout, "-o", byLayout).ok(t)
	run(t, "cmp", direct, byLayout)

	t.Run("docker", func(t *testing.T) {
		requireDocker(t)
		dockerLoadsMany(t, direct, ids)
	})
	t.Run("podman", func(t *testing.T) { podmanLoadsMany(t, direct, ids) })
	t.Run("containerd", func(t *testing.T) { containerdLoadsMany(t, direct, ids) })
	t.Run("skopeo", func(t *testing.T) {
		for ref, id := range ids {
			config := skopeo(t, "inspect", "--config", "--raw", "docker-archive:"+direct+":"+ref)
			equal(t, "image ID of "+ref, digest.FromString(config).String(), id)
		}
	})
}
