package dockerarchive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/retry"
	tt "drayage/internal/transfertest"
)

var errFull = errors.New("no space left on device")

// as stores bytes under a type, whatever they are, as a layer with the diff ID of content.
func (s *store) as(mediaType string, raw, content []byte) packed {
	return packed{s.Put(mediaType, raw), digest.FromBytes(content)}
}

// TestWriteRefuses checks that Write and Stream find what is wrong, and that Stream does before its first
// byte.
func TestWriteRefuses(t *testing.T) {
	s := newStore(t)
	content := tarball(1, 300_000)
	good, zip := s.layer(content, zipped), gz(t, nil, content)
	gzip := v1.MediaTypeImageLayerGzip
	wrong := s.layer(tarball(2, 300_000), zipped)
	s.Content[wrong.blob.Digest] = flipped(s.Content[wrong.blob.Digest], 1000)
	absent := packed{blob: v1.Descriptor{MediaType: gzip, Digest: digest.FromString("absent"), Size: 100},
		diffID: good.diffID}
	one := func(layers ...packed) []*image.Image {
		return []*image.Image{s.image("a", nil, layers...)}
	}
	named := func(names ...string) []*image.Image { return []*image.Image{s.image("a", names, good)} }
	short, long, swapped := s.image("short", nil, good, good), s.image("long", nil, good), v1.Descriptor{}
	short = s.open(s.edit(short.Root, func(m *v1.Manifest) { m.Layers = m.Layers[:1] }))
	long = s.open(s.edit(long.Root, func(m *v1.Manifest) { m.Layers = append(m.Layers, good.blob) }))
	swapped = s.edit(s.image("swapped", nil, good, s.layer(tarball(3, 100), plain)).Root, func(m *v1.Manifest) {
		m.Layers[0], m.Layers[1] = m.Layers[1], m.Layers[0]
	})
	chart := s.edit(good2(s), func(m *v1.Manifest) {
		m.Config.MediaType = "application/vnd.cncf.helm.config.v1+json"
	})
	broken := dockerarchive.ErrIntegrity
	for name, c := range map[string]struct {
		images []*image.Image
		want   error // nil: any
	}{
		"wrong diff ID":              {one(good, packed{good.blob, digest.FromString("x")}), broken},
		"wrong diff ID, zstd":        {one(packed{s.layer(content, zstded).blob, digest.FromString("x")}), broken},
		"wrong diff ID, plain":       {one(packed{s.layer(content, plain).blob, digest.FromString("x")}), broken},
		"wrong diff ID, wrong size":  {one(packed{s.layer(content, halves).blob, digest.FromString("x")}), broken},
		"changed blob":               {one(wrong), broken},
		"cut gzip":                   {one(s.as(gzip, zip[:len(zip)/2], content)), broken},
		"cut gzip trailer":           {one(s.as(gzip, zip[:len(zip)-4], content)), broken},
		"cut gzip header":            {one(s.as(gzip, zip[:5], content)), broken},
		"something behind the gzip":  {one(s.as(gzip, append(bytes.Clone(zip), "garbage"...), content)), broken},
		"cut zstd":                   {one(s.as(gzip, zstded.pack(t, content)[:1000], content)), broken},
		"xz":                         {one(s.as(gzip, []byte("\xfd7zXZ\x00\x00\x04 and so on"), content)), nil},
		"absent layer":               {one(absent), nil},
		"fewer layers than diff IDs": {[]*image.Image{short}, image.ErrUnsupported},
		"more layers than diff IDs":  {[]*image.Image{long}, image.ErrUnsupported},
		"layers in another order":    {[]*image.Image{s.open(swapped)}, broken},
		"artifact":                   {[]*image.Image{s.open(chart)}, image.ErrUnsupported},
		"index": {[]*image.Image{s.open(s.Put(v1.MediaTypeImageIndex,
			[]byte(`{"manifests":[]}`)))}, image.ErrUnsupported},
		"no images":                 {nil, nil},
		"name with both":            {named("docker.io/library/a:1@" + digest.FromString("x").String()), nil},
		"name without a tag":        {named("docker.io/library/a"), nil},
		"name in capitals":          {named("docker.io/library/A:1"), nil},
		"name that is a path":       {named("docker.io/../../x:1"), nil},
		"no name, but an empty one": {named(""), nil},
		"one name for two images": {append(named("docker.io/library/a:1"),
			s.image("b", []string{"docker.io/library/b:1", "docker.io/library/a:1"}, good)), nil},
	} {
		if err := dockerarchive.Write(t.Context(), &memory{}, dockerarchive.Docker, c.images,
			dockerarchive.Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: Write: %v, want %v", name, err, c.want)
		}
		var b bytes.Buffer
		if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, c.images,
			dockerarchive.Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) || b.Len() > 0 {
			t.Errorf("%s: Stream: %v after %d bytes, want %v", name, err, b.Len(), c.want)
		}
	}
}

func good2(s *store) v1.Descriptor {
	return s.image("artifact", nil, s.layer(tarball(1, 300), plain)).Root
}

// edit stores a changed manifest.
func (s *store) edit(d v1.Descriptor, change func(*v1.Manifest)) v1.Descriptor {
	var m v1.Manifest
	if err := json.Unmarshal(s.Content[d.Digest], &m); err != nil {
		s.t.Fatal(err)
	}
	change(&m)
	return s.PutJSON(d.MediaType, m)
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 4
	return b
}

// faulty puts a fault into the first openings of one blob.
type faulty struct {
	*store
	digest digest.Digest
	src    *tt.Source
}

func (f *faulty) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if d.Digest == f.digest {
		return f.src.Open(ctx, d, offset, length)
	}
	return f.store.Open(ctx, d, offset, length)
}

// TestWriteSurvivesFaults checks that faults of the network do not show in the archive: not in success, not
// in its bytes.
func TestWriteSurvivesFaults(t *testing.T) {
	content := tarball(1, 530_000)
	broken := tt.Refuse(retry.Transient(tt.ErrBroken))
	for name, tries := range map[string][]tt.Try{
		"the end of the blob cannot be had at first":  {broken, broken},
		"the end of the blob breaks off":              {tt.Break(2)},
		"the end of the blob breaks off at once":      {tt.Break(0)},
		"the layer breaks off":                        {nil, tt.Break(1000), tt.Break(100_000)},
		"the layer cannot be had at first":            {nil, broken, broken},
		"the layer is wrong once":                     {nil, tt.Flip(100_000)},
		"the layer is wrong once, where gzip notices": {nil, tt.Flip(2)},
		"the layer is too short once":                 {nil, tt.Short(5)},
		"the layer is too long once":                  {nil, tt.Long("more")},
	} {
		for _, p := range []packing{zipped, halves} {
			s := newStore(t)
			l := s.layer(content, p)
			im := s.image("a", nil, s.layer(tarball(2, 2000), zipped), l, s.layer(tarball(3, 2000), zipped))
			want := written(t, dockerarchive.Docker, dockerarchive.Options{}, im)
			synctest.Test(t, func(t *testing.T) {
				src := &faulty{s, l.blob.Digest, &tt.Source{Content: s.Content[l.blob.Digest], Tries: tries}}
				f := &memory{}
				im.Source = src
				if err := dockerarchive.Write(t.Context(), f, dockerarchive.Docker, []*image.Image{im},
					dockerarchive.Options{}); err != nil || !bytes.Equal(f.data, want) {
					t.Errorf("%s: %v; the same bytes: %v", name, err, bytes.Equal(f.data, want))
				}
				var b bytes.Buffer
				src.src = &tt.Source{Content: s.Content[l.blob.Digest], Tries: tries}
				if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, []*image.Image{im},
					dockerarchive.Options{}); err != nil || !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%s: Stream: %v; the same bytes: %v", name, err, bytes.Equal(b.Bytes(), want))
				}
			})
		}
	}
}

// A network that is down is not a damaged image.
func TestWriteTellsFaultsApart(t *testing.T) {
	s := newStore(t)
	l := s.layer(tarball(1, 530_000), zipped)
	im := s.image("a", nil, l)
	gone := errors.New("no route to host")
	for name, try := range map[string]tt.Try{
		"at once": tt.Refuse(gone), "after some bytes": tt.Fail(2, gone), "for ever": tt.Break(0),
	} {
		synctest.Test(t, func(t *testing.T) {
			im.Source = &faulty{s, l.blob.Digest, &tt.Source{Content: s.Content[l.blob.Digest], Always: try}}
			err := dockerarchive.Write(t.Context(), &memory{}, dockerarchive.Docker, []*image.Image{im},
				dockerarchive.Options{})
			if err == nil || errors.Is(err, dockerarchive.ErrIntegrity) ||
				!errors.Is(err, gone) && !errors.Is(err, tt.ErrBroken) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestWriteStopsAtAFullDisk(t *testing.T) {
	for name, given := range shapes(t) {
		size := len(written(t, dockerarchive.Docker, dockerarchive.Options{}, given...))
		for _, room := range []int{1, 600, size / 3, size - 1536} { // the padding and the end are holes in the file
			f := &memory{room: room}
			if err := dockerarchive.Write(t.Context(), f, dockerarchive.Docker, given,
				dockerarchive.Options{}); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d of %d bytes: %v", name, room, size, err)
			}
			left := room
			err := dockerarchive.Stream(t.Context(), writerFunc(func(p []byte) (int, error) {
				if left -= len(p); left < 0 {
					return 0, errFull
				}
				return len(p), nil
			}), dockerarchive.Docker, given, dockerarchive.Options{})
			if !errors.Is(err, errFull) {
				t.Errorf("%s: Stream with room for %d of %d bytes: %v", name, room, size, err)
			}
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWriteStopsWithItsContext(t *testing.T) {
	reason := errors.New("the user has gone")
	for name, given := range shapes(t) {
		for _, after := range []int64{1, 3, 20} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var n atomic.Int64
			stop := func(v1.Descriptor, int64) {
				if n.Add(1) == after {
					cancel(reason)
				}
			}
			err := dockerarchive.Write(ctx, &memory{}, dockerarchive.Docker, given,
				dockerarchive.Options{Progress: stop})
			if err != nil && !errors.Is(err, reason) || err == nil && n.Load() >= after && after == 1 {
				t.Errorf("%s, stopped at report %d of %d: %v, want the cause of the context", name, after, n.Load(), err)
			}
			cancel(nil)
			ctx, cancel = context.WithCancelCause(t.Context())
			cancel(reason)
			if err := dockerarchive.Stream(ctx, io.Discard, dockerarchive.Docker, given,
				dockerarchive.Options{}); !errors.Is(err, reason) {
				t.Errorf("%s: Stream: %v, want the cause of the context", name, err)
			}
		}
	}
}
