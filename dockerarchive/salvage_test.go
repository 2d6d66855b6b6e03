package dockerarchive_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/layout"
)

// holed is an archive with one block that cannot be read.
type holed struct {
	*bytes.Reader
	from, to int64
}

var errHole = errors.New("a hole")

func (h holed) ReadAt(p []byte, off int64) (int, error) {
	if off < h.to && off+int64(len(p)) > h.from {
		return 0, errHole
	}
	return h.Reader.ReadAt(p, off)
}

// behind is where one may go on.
func (h holed) behind(int64) int64 { return h.to }

// platforms stores an index of two images with a layer each.
func (s *store) platforms(seed byte) v1.Descriptor {
	var all []v1.Descriptor
	for i, arch := range []string{"amd64", "arm64"} {
		p := v1.Platform{OS: "linux", Architecture: arch}
		im := s.build(v1.Image{Platform: p}, nil, s.layer(tarball(seed+byte(i), 40_000), zipped))
		d := im.Root
		d.Platform = &p
		all = append(all, d)
	}
	_, raw := imagetest.Index(false, all...)
	return s.Put(v1.MediaTypeImageIndex, raw)
}

// Wherever the hole is: the images are those of the archive, under their own digests, none is said to lack
// anything on purpose, and what stands behind the hole is found.
func TestSalvage(t *testing.T) {
	s := newStore(t)
	var given []*image.Image
	for i := range 4 {
		given = append(given, s.open(s.platforms(byte(10*i)), fmt.Sprintf("docker.io/library/a%d:1", i)))
	}
	whole := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...)
	const block = 16 << 10
	size, most := int64(len(whole)), 0
	for from := int64(block); from < size; from += block {
		h := holed{bytes.NewReader(whole), from, min(from+block, size)}
		r, fault := dockerarchive.Salvage(h, size, h.behind)
		if r == nil {
			t.Fatalf("hole at %d: %v", from, fault)
		}
		if fault != nil && !errors.Is(fault, errHole) {
			t.Errorf("hole at %d: %v", from, fault)
		}
		most = max(most, checkSalvaged(t, r, given))
	}
	if most < 1 || most > 2 {
		t.Errorf("a hole takes up to %d layers", most)
	}
	r, fault := dockerarchive.Salvage(bytes.NewReader(whole[:size/2]), size/2, nil)
	if r == nil || fault == nil {
		t.Fatalf("cut off: %v", fault)
	}
	if n := checkSalvaged(t, r, given); n < 3 {
		t.Errorf("cut off: %d layers are missing", n)
	}
}

// checkSalvaged returns how many layers are not there whole.
func checkSalvaged(t *testing.T, r *dockerarchive.Reader, given []*image.Image) (lost int) {
	t.Helper()
	c, err := r.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	images, err := c.Layout.Images()
	if err != nil {
		t.Fatal(err)
	}
	for i, im := range given {

		n := slices.IndexFunc(images, func(e layout.Image) bool { return e.Label() == im.Names[0] })
		if n < 0 || images[n].Descriptor.Digest != im.Root.Digest || len(images) != len(given) {
			t.Errorf("image %d is not itself: %v", i, images)
		}
		for _, b := range im.Travelling() {
			_, err := image.ReadAll(t.Context(), c.Layout.Content(), b, 1<<20)
			if err != nil && b.MediaType == v1.MediaTypeImageLayerGzip {
				lost++
			}
		}
	}
	if len(c.Absent) > 0 || len(c.Saved) > 0 || len(c.Remarks) > 0 {
		t.Errorf("absent on purpose: %v, saved: %v, %v", c.Absent, c.Saved, c.Remarks)
	}
	return lost
}
