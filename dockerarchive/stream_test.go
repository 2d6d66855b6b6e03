package dockerarchive_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/retry"
	tt "drayage/internal/transfertest"
)

// unsized are the shapes in which a layer's blob does not tell its size, or not the truth.
var unsized = []string{"zstd", "zstd below gzip", "two members", "estargz", "not a multiple of blocks",
	"smaller than its blob", "everything",
	"a late layer twice", "images that share layers", "one image is part of another", "empty layers"}

// short is a file that cannot be made longer without writing to it.
type short struct{ memory }

func (s *short) Truncate(size int64) error {
	if size > int64(len(s.data)) {
		return syscall.EPERM
	}
	return s.memory.Truncate(size)
}

// Wild case 45: a file system may refuse to extend a file. Write says so before it writes anything.
func TestWild45FileThatIsNotExtended(t *testing.T) {
	s := newStore(t)
	im := s.image("a", nil, s.layer(tarball(2, 2000), zipped))
	for _, format := range []dockerarchive.Format{dockerarchive.Docker, dockerarchive.OCI} {
		f := &short{}
		err := dockerarchive.Write(t.Context(), f, format, []*image.Image{im}, dockerarchive.Options{})
		if !errors.Is(err, dockerarchive.ErrInOrder) || !errors.Is(err, syscall.EPERM) || len(f.data) > 0 {
			t.Errorf("%s: %d bytes, %v", format, len(f.data), err)
		}
	}
}

func TestStreamOnce(t *testing.T) {
	for name, given := range shapes(t) {
		var b bytes.Buffer
		begun := map[digest.Digest]int{}
		opts := dockerarchive.Options{Once: true, Progress: func(d v1.Descriptor, n int64) {
			if n == 0 {
				begun[d.Digest]++
			}
		}}
		err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, given, opts)
		if slices.Contains(unsized, name) {
			if !errors.Is(err, dockerarchive.ErrUnsized) {
				t.Errorf("%s: %v, want ErrUnsized", name, err)
			}
			continue
		}
		if want := written(t, dockerarchive.Docker, dockerarchive.Options{}, given...); err != nil ||
			!bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: %d bytes, Write makes %d: %v", name, b.Len(), len(want), err)
		}
		for d, n := range begun {
			if n != 1 {
				t.Errorf("%s: blob %s is read %d times", name, d, n)
			}
		}
	}
}

// TestStreamOnceSaysWhichWay checks that what another reading may cure is told from what it cannot.
func TestStreamOnceSaysWhichWay(t *testing.T) {
	s := newStore(t)
	l := s.layer(tarball(1, 530_000), zipped)
	im := s.image("a", nil, s.layer(tarball(2, 2000), zipped), l)
	want := written(t, dockerarchive.Docker, dockerarchive.Options{}, im)
	for name, c := range map[string]struct {
		try  tt.Try // of the layer itself, after its end
		want error
	}{
		"breaks off":     {tt.Break(1000), nil},
		"cannot be had":  {tt.Refuse(retry.Transient(tt.ErrBroken)), nil},
		"is wrong":       {tt.Flip(100_000), dockerarchive.ErrIntegrity},
		"is too short":   {tt.Short(5), dockerarchive.ErrIntegrity},
		"cannot be read": {tt.Fail(7, io.ErrNoProgress), io.ErrNoProgress},
	} {
		synctest.Test(t, func(t *testing.T) {
			im.Source = &faulty{s, l.blob.Digest, &tt.Source{Content: s.Content[l.blob.Digest],
				Tries: []tt.Try{nil, c.try}}}
			var b bytes.Buffer
			err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, []*image.Image{im},
				dockerarchive.Options{Once: true})
			if !errors.Is(err, c.want) || err == nil && !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		})
	}
}

// TestStreamReportsBothReadings: half of what is reported comes before the first byte is written, the other
// half with them.
func TestStreamReportsBothReadings(t *testing.T) {
	s := newStore(t)
	l := s.layer(tarball(1, 700_000), zipped)
	last, begun := int64(0), int64(-1)
	opts := dockerarchive.Options{Progress: func(_ v1.Descriptor, n int64) {
		if n < last {
			t.Errorf("%d is reported after %d", n, last)
		}
		last = n
	}}
	w := writerFunc(func(p []byte) (int, error) {
		if begun < 0 {
			begun = last
		}
		return len(p), nil
	})
	if err := dockerarchive.Stream(t.Context(), w, dockerarchive.Docker, []*image.Image{s.image("a", nil, l)},
		opts); err != nil {
		t.Fatal(err)
	}
	if begun != l.blob.Size/2 || last != l.blob.Size {
		t.Errorf("%d when writing began, %d in the end, of %d", begun, last, l.blob.Size)
	}
}
