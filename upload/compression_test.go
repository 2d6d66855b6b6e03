package upload_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/fakeregistry"
	"drayage/upload"
)

func TestCompression(t *testing.T) {
	file := strings.Repeat("much of the same ", 50_000)
	text := fakeregistry.PlainLayer(fakeregistry.Tar(map[string]string{"file": file}))
	sizes := map[upload.Compression]int64{}
	for c, want := range map[upload.Compression]struct {
		kind         string
		image, layer string
	}{
		{}:                        {compression.Gzip, image.DockerManifest, image.DockerLayer},
		{Kind: "gzip", Level: 9}:  {compression.Gzip, image.DockerManifest, image.DockerLayer},
		{Kind: "zstd"}:            {compression.Zstd, v1.MediaTypeImageManifest, v1.MediaTypeImageLayerZstd},
		{Kind: "zstd", Level: 19}: {compression.Zstd, v1.MediaTypeImageManifest, v1.MediaTypeImageLayerZstd},
		{Kind: "none"}:            {compression.None, v1.MediaTypeImageManifest, v1.MediaTypeImageLayer},
	} {
		onSite(t, func(s *site) {
			target := s.to("app:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{text}})[0]
			opts := upload.Options{Compression: c, CacheDir: s.TempDir()}
			first := s.good(opts, target)[0].Descriptor
			m := s.manifestAt("app", "1")
			stored := s.reg.Blob("app", m.Layers[0].Digest)
			if m.MediaType != want.image || m.Layers[0].MediaType != want.layer ||
				compression.Detect(stored) != want.kind {
				s.Errorf("%v: %s with a layer of %s that is %s", c, m.MediaType, m.Layers[0].MediaType,
					compression.Detect(stored))
			}
			plain, _, err := compression.NewReader(t.Context(), bytes.NewReader(stored), nil)
			if err != nil {
				s.Fatal(err)
			}
			defer plain.Close()
			if got, err := io.ReadAll(plain); err != nil || !bytes.Equal(got, text.Content) {
				s.Errorf("%v: %d bytes come out, %v", c, len(got), err)
			}
			sizes[c] = m.Layers[0].Size
			s.reg.Reset()
			if again := s.good(opts, target)[0].Descriptor; again.Digest != first.Digest ||
				s.requests("PATCH", "") != 0 {
				s.Errorf("%v: pushed again it is %s after %d uploads, want %s", c, again.Digest, s.requests("PATCH", ""),
					first.Digest)
			}
		})
	}
	if sizes[upload.Compression{Kind: "none"}] != int64(len(text.Content)) {
		t.Errorf("sizes %v", sizes)
	}
}

func TestCompressionThatIsNone(t *testing.T) {
	for _, c := range []upload.Compression{{Kind: "xz"}, {Kind: "gzip", Level: 10}, {Level: -1},
		{Kind: "zstd", Level: 23}, {Kind: "none", Level: 1}} {
		if err := c.Check(); err == nil {
			t.Errorf("%v is accepted", c)
		}
		if _, err := upload.Push(t.Context(), nil, upload.Options{Compression: c}); err == nil {
			t.Errorf("something is pushed with %v", c)
		}
	}
}

// What one way of compressing made of a layer is not given out for another, nor for a layer that is stored
// compressed.
func TestCompressionsHaveCachesOfTheirOwn(t *testing.T) {
	onSite(t, func(s *site) {
		cache := s.TempDir()
		target := s.to("app:1")
		target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 100_000)}})[0]
		seen := map[string]bool{}
		for _, c := range []upload.Compression{{}, {Kind: "zstd"}, {Kind: "gzip", Level: 9}, {Kind: "none"}} {
			s.good(upload.Options{CacheDir: cache, Compression: c}, target)
			seen[s.manifestAt("app", "1").Layers[0].Digest.String()] = true
		}
		if len(seen) != 4 {
			s.Errorf("%d different layers, want 4: %v", len(seen), seen)
		}
		stored := fakeregistry.GzipLayer(content(1, 100_000))
		target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{stored}})[0]
		s.good(upload.Options{CacheDir: cache}, target)
		if got := s.manifestAt("app", "1").Layers[0].Digest; !bytes.Equal(s.reg.Blob("app", got), stored.Content) {
			s.Error("a layer that is stored compressed was replaced by one that an earlier push had compressed")
		}
	})
}
