package rebuild_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/image"
	"drayage/internal/deflate"
	"drayage/internal/imagetest"
	"drayage/internal/rebuild"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// op is one operation of a patch: bytes of a base, counted from 1, and bytes of data behind them.
type op struct {
	base, offset, n int
	data            string
}

// patch writes a patch by hand, as docs/formats.md describes it.
func patch(target string, bases []string, ops ...op) []byte {
	b := append([]byte("DRYP\x01"), binary.AppendUvarint(nil, uint64(len(target)))...)
	add := func(content string) { s := sha256.Sum256([]byte(content)); b = append(b, s[:]...) }
	add(target)
	b = binary.AppendUvarint(b, uint64(len(bases)))
	for _, base := range bases {
		add(base)
	}
	var list, data, frames []byte
	end := map[int]int{}
	for _, o := range ops {
		list = binary.AppendUvarint(list, uint64(o.base))
		if o.base > 0 {
			list = binary.AppendVarint(list, int64(o.offset-end[o.base]))
			list = binary.AppendUvarint(list, uint64(o.n)<<1|1)
			end[o.base] = o.offset + o.n
		}
		list = binary.AppendUvarint(list, uint64(len(o.data)))
		data = append(data, o.data...)
	}
	for _, stream := range [][]byte{list, nil, data} {
		z, _ := zstd.NewWriter(nil)
		frame := z.EncodeAll(stream, nil)
		z.Close()
		b = binary.AppendUvarint(append(b, 1), uint64(len(frame)))
		frames = append(frames, frame...)
	}
	return append(b, frames...)
}

// site has an archive with patches, and a place with bases.
type site struct {
	*testing.T
	archive, place imagetest.Store
	layers         []image.Absent
	asked, opened  atomic.Int32
	fail           error // of the finder
}

func newSite(t *testing.T) *site {
	return &site{T: t, archive: imagetest.NewStore(), place: imagetest.NewStore()}
}

// base puts a gzip layer where bases are.
func (s *site) base(content string) image.Base {
	d := s.place.Put(v1.MediaTypeImageLayerGzip, imagetest.Gzip([]byte(content)))
	return image.Base{Descriptor: d, DiffID: digest.FromString(content)}
}

// plain enters an uncompressed layer that raw makes of the bases.
func (s *site) plain(content string, raw []byte, bases ...image.Base) v1.Descriptor {
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(content),
		Size: int64(len(content))}
	s.layers = append(s.layers, image.Absent{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut,
		DiffID: d.Digest, Rebuilt: &image.Rebuilt{Unpacked: d.Size, Bases: bases,
			Patch: s.archive.Put("", raw)}})
	return d
}

// appended enters a layer that is a base with some bytes behind it.
func (s *site) appended(base, tail string) v1.Descriptor {
	content := base + tail
	p := patch(content, []string{base}, op{1, 0, len(base), tail})
	return s.plain(content, p, s.base(base))
}

// packed enters a gzip layer whose content is a base with some bytes behind it.
func (s *site) packed(base, tail string) *image.Absent {
	content, recipe := new(bytes.Buffer), new(bytes.Buffer)
	blob := imagetest.Gzip([]byte(base + tail))
	_, err := deflate.Make(s.Context(), bytes.NewReader(blob), content, recipe, deflate.MakeOptions{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	s.appended(base, tail)
	l := &s.layers[len(s.layers)-1]
	l.Descriptor = v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromBytes(blob),
		Size: int64(len(blob))}
	l.Rebuilt.Recipe = s.archive.Put("", recipe.Bytes())
	return l
}

func (s *site) source() *rebuild.Source {
	src := rebuild.New(s.layers, s.archive, s, s.TempDir())
	s.Cleanup(func() {
		if err := src.Close(); err != nil {
			s.Error(err)
		}
	})
	return src
}

// Find implements [rebuild.Finder].
func (s *site) Find(_ context.Context, b image.Base) (d v1.Descriptor, src image.Source, err error) {
	s.asked.Add(1)
	if _, has := s.place.Content[b.Digest]; has {
		return b.Descriptor, counting{s.place, &s.opened}, s.fail
	}
	return d, nil, s.fail
}

type counting struct {
	image.Source
	n *atomic.Int32
}

func (c counting) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	c.n.Add(1)
	return c.Source.Open(ctx, d, offset, length)
}

// read reads a layer as everybody does, and compares it with its digest.
func (s *site) read(src image.Source, d v1.Descriptor) error {
	r := image.NewReader(s.Context(), src, d)
	defer r.Close()
	_, err := io.Copy(io.Discard, r)
	return err
}

// refused reads a layer that must not come out, and compares the error.
func (s *site) refused(d v1.Descriptor, want string) {
	s.Helper()
	src := s.source()
	err := s.read(src, d)
	if !errors.Is(err, image.ErrIntegrity) || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), d.Digest.String()) {
		s.Errorf("%v, want %q", err, want)
	}
	left, err := os.ReadDir(s.TempDir())
	if len(left) > 0 || err != nil {
		s.Errorf("%v is left, %v", left, err)
	}
}

func part(t *testing.T, src image.Source, d v1.Descriptor, offset, length int64) []byte {
	t.Helper()
	rc, err := src.Open(t.Context(), d, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(raw)
}
