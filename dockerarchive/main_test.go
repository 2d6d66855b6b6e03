package dockerarchive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/imagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store holds the content of images.
type store struct {
	imagetest.Store
	t testing.TB
}

func newStore(t testing.TB) *store { return &store{imagetest.NewStore(), t} }

// packed is a layer as it is stored, and what must come out of it.
type packed struct {
	blob   v1.Descriptor
	diffID digest.Digest
}

// layer stores what pack makes of content.
func (s *store) layer(content []byte, p packing) packed {
	return packed{s.Put(p.mediaType, p.pack(s.t, content)), digest.FromBytes(content)}
}

type packing struct {
	mediaType string
	pack      func(testing.TB, []byte) []byte
}

var (
	plain  = packing{v1.MediaTypeImageLayer, func(_ testing.TB, b []byte) []byte { return b }}
	zipped = packing{v1.MediaTypeImageLayerGzip, func(t testing.TB, b []byte) []byte { return gz(t, nil, b) }}
	docker = packing{image.DockerLayer, zipped.pack}
	zstded = packing{v1.MediaTypeImageLayerZstd, func(t testing.TB, b []byte) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll(b, nil)
	}}

	// The following make the end of the blob lie about the size of what is in it.
	halves = packing{v1.MediaTypeImageLayerGzip, func(t testing.TB, b []byte) []byte {
		return append(gz(t, nil, b[:512]), gz(t, nil, b[512:])...)
	}}
	stargz = packing{v1.MediaTypeImageLayerGzip, func(t testing.TB, b []byte) []byte {
		return append(gz(t, nil, b), gz(t, []byte("SG\x16\x00footer"), nil)...)
	}}
	oddEnd = packing{v1.MediaTypeImageLayerGzip, func(t testing.TB, b []byte) []byte {
		return append(gz(t, nil, b[:700]), gz(t, nil, b[700:])...)
	}}
	mistyped = packing{v1.MediaTypeImageLayer, zipped.pack} // said to be a plain tar
	// the same, and larger than what is in it
	tooLarge  = packing{v1.MediaTypeImageLayer, padded}
	unzipped  = packing{v1.MediaTypeImageLayerGzip, plain.pack}         // said to be gzip
	nameless  = packing{"application/vnd.example.unknown", zipped.pack} // of a type that nobody knows
	otherKind = packing{v1.MediaTypeImageLayerGzip, zstded.pack}        // zstd that is said to be gzip
	foreign   = packing{image.DockerForeign + ".gzip", zipped.pack}     // of Windows
)

func gz(t testing.TB, extra, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Extra = extra
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// padded is gzip that is larger than what is in it, by a multiple of a tar's blocks.
func padded(t testing.TB, b []byte) []byte {
	small := len(gz(t, []byte{0}, b))
	return gz(t, make([]byte, 1+(len(b)/512+2)*512-small), b)
}

// tarball makes a layer of some kilobytes, the same one for each seed; a part of it is compressible.
func tarball(seed byte, size int) []byte {
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(content[:size/2])
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(size)})
	w.Write(content)
	w.Close()
	return b.Bytes()
}

var created = time.Date(2024, 2, 3, 4, 5, 6, 789e6, time.UTC)

// image stores an image of layers. Images that are to differ have different authors.
func (s *store) image(author string, names []string, layers ...packed) *image.Image {
	return s.build(v1.Image{Created: &created, Author: author,
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}, names, layers...)
}

func (s *store) build(c v1.Image, names []string, layers ...packed) *image.Image {
	c.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	var blobs []v1.Descriptor
	for _, l := range layers {
		blobs, c.RootFS.DiffIDs = append(blobs, l.blob), append(c.RootFS.DiffIDs, l.diffID)
	}
	m := imagetest.Manifest(s.PutJSON(v1.MediaTypeImageConfig, c), blobs...)
	return s.open(s.PutJSON(v1.MediaTypeImageManifest, m), names...)
}

// open is the image with all that belongs to root.
func (s *store) open(root v1.Descriptor, names ...string) *image.Image {
	s.t.Helper()
	im, err := image.Open(s.t.Context(), s, root, image.Selection{All: true})
	if err != nil {
		s.t.Fatal(err)
	}
	im.Names = names
	return im
}

// memory is a dockerarchive.File.
type memory struct {
	mu   sync.Mutex
	data []byte
	room int // if not 0: how much fits
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room > 0 && int(off)+len(p) > m.room {
		return 0, errFull
	}
	if grow := int(off) + len(p) - len(m.data); grow > 0 {
		m.data = append(m.data, make([]byte, grow)...)
	}
	return copy(m.data[off:], p), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.data).ReadAt(p, off)
}

func (m *memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = append(m.data[:min(int(size), len(m.data))], make([]byte, max(0, int(size)-len(m.data)))...)
	return nil
}

// written is the archive that Write makes of images.
func written(t testing.TB, format dockerarchive.Format, opts dockerarchive.Options,
	images ...*image.Image) []byte {
	t.Helper()
	f := &memory{data: bytes.Repeat([]byte("left over from before"), 1000)}
	if err := dockerarchive.Write(t.Context(), f, format, images, opts); err != nil {
		t.Fatal(err)
	}
	return f.data
}

// entry is an entry of a tar: what a test says of it, and what it finds.
type entry = imagetest.Entry

func entries(t testing.TB, archive []byte) (all []entry, headers []*tar.Header) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		e := entry{Name: h.Name, Body: string(body), Link: h.Linkname}
		if h.Typeflag != tar.TypeReg {
			e.Type = h.Typeflag
		}
		all, headers = append(all, e), append(headers, h)
	}
}

// archive makes a tar of entries.
func archive(_ testing.TB, all ...entry) []byte { return imagetest.Pack(all...) }

func open(archive []byte) (*dockerarchive.Reader, error) {
	return dockerarchive.NewReader(bytes.NewReader(archive), int64(len(archive)))
}

func images(archive []byte) ([]dockerarchive.SavedImage, error) {
	r, err := open(archive)
	if err != nil {
		return nil, err
	}
	return r.Images(context.Background())
}

type saved = dockerarchive.SavedImage

// lines is a layer, and what bzip2 and xz -9 make of it.
var (
	lines    = strings.Repeat("0123456789abcde\n", 64)
	linesBz2 = unhex(
		"425a6839314159265359efb0844200003fc90000107fe03e00200070530004d02aa02602674088120260500a81f" +
			"01602e0600c81a0360700fc0e81e177245385090efb084420")
	linesXz = unhex(
		"fd377a585a000004e6d6b446020021011c00000010cf58cce003ff001c5d00180c42926a67bc0ed1332ce4" +
			"cc4229c04f0e56d5ffe29f812e10c50000cd0510003564b10b000138800800000060c92e5fb1c467fb020000000004595a")
)

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// content is a layer as it is stored.
func content(t testing.TB, l dockerarchive.SavedLayer) string {
	t.Helper()
	raw, err := io.ReadAll(l.Open())
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
