//go:build linux

package serving

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// A layer of 10 GiB of zeros is a tar with nothing in it, and its file is a hole.
const (
	hugeSize   = 10 << 30
	hugeDigest = digest.Digest("sha256:732377e7f4a2abdc13ddfa1eb4c9c497fd2a2b294674d056cf51581b47dd586d")
)

// sparse is a tar whose large entries are holes.
type sparse struct {
	t    *testing.T
	file *os.File
	end  int64
}

func newSparse(t *testing.T) *sparse {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "huge.tar"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &sparse{t: t, file: f}
}

// add writes an entry; without content it is a hole of that size.
func (s *sparse) add(name string, size int64, content []byte) {
	s.t.Helper()
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.file.WriteAt(append(head.Bytes(), content...), s.end); err != nil {
		s.t.Fatal(err)
	}
	s.end += int64(head.Len()) + (size+511)/512*512
}

func (s *sparse) put(name string, v any) v1.Descriptor {
	raw := imagetest.Encode(v)
	dgst := digest.FromBytes(raw)
	if name == "" {
		name = "blobs/sha256/" + dgst.Encoded()
	}
	s.add(name, int64(len(raw)), raw)
	return v1.Descriptor{Digest: dgst, Size: int64(len(raw))}
}

func (s *sparse) close() string {
	s.t.Helper()
	if err := s.file.Truncate(s.end + 1024); err != nil {
		s.t.Fatal(err)
	}
	return s.file.Name()
}

func hugeConfig() v1.Image {
	return v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{hugeDigest}}}
}

// hugeArchives are tars of 10 GiB.
var hugeArchives = []struct {
	name string
	make func(s *sparse) string
}{
	{"docker", func(s *sparse) string {
		config := imagetest.Encode(hugeConfig())
		name := digest.FromBytes(config).Encoded() + ".json"
		s.add(name, int64(len(config)), config)
		s.add("huge/layer.tar", hugeSize, nil)
		s.put("manifest.json", []map[string]any{{"Config": name, "RepoTags": []string{host + "/team/huge:1"},
			"Layers": []string{"huge/layer.tar"}}})
		return s.close()
	}},
	{"oci", func(s *sparse) string {
		s.put("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"})
		s.add("blobs/sha256/"+hugeDigest.Encoded(), hugeSize, nil)
		config := s.put("", hugeConfig())
		config.MediaType = v1.MediaTypeImageConfig
		m := s.put("", imagetest.Manifest(config, v1.Descriptor{MediaType: v1.MediaTypeImageLayer,
			Digest: hugeDigest, Size: hugeSize}))
		m.MediaType = v1.MediaTypeImageManifest
		m.Annotations = map[string]string{"io.containerd.image.name": host + "/team/huge:1",
			v1.AnnotationRefName: "1"}
		_, index := imagetest.Index(false, m)
		s.add("index.json", int64(len(index)), index)
		return s.close()
	}},
}

// TestStartReadsLittle serves a tar of 10 GiB. Until it is ready, the server reads what names images, and
// nothing of their layers.
func TestStartReadsLittle(t *testing.T) {
	for _, huge := range hugeArchives {
		t.Run(huge.name, func(t *testing.T) {
			file := huge.make(newSparse(t))
			// What a server reads of itself and of the system comes on top: compare with a small archive.
			small := start(t, newArchive(t).add("team/app", "1", 1, 1000).tar()).field("io", "rchar")
			began := time.Now()
			s := start(t, file)
			t.Logf("ready in %v", time.Since(began))
			if n := s.field("io", "rchar") - small; n > 1<<20 {
				t.Errorf("the server has read %d bytes before it was ready", n)
			}
			resp, err := newClient(t, s).get(t.Context(), "team/huge/manifests/1", "Accept",
				v1.MediaTypeImageManifest)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var m v1.Manifest
			if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
				t.Fatal(err)
			}
			blob, err := newClient(t, s).get(t.Context(), "team/huge/blobs/"+m.Layers[0].Digest.String())
			if err != nil {
				t.Fatal(err)
			}
			defer blob.Body.Close()
			if m.Layers[0].Digest != hugeDigest || blob.ContentLength != hugeSize {
				t.Errorf("the layer is %v, and %d bytes long", m.Layers[0], blob.ContentLength)
			}
			if _, err := io.CopyN(io.Discard, blob.Body, 1<<20); err != nil {
				t.Error(err)
			}
			if peak := s.peak(); peak > 50 {
				t.Errorf("the server has held %d MiB", peak)
			}
		})
	}
	came(t, "it is ready when it has read less than 1 MiB, and holds less than 50 MiB")
}
