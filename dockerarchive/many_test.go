package dockerarchive_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
)

// Wild case 32: an archive may have very many images. What is held of each until the archive is written must
// stay small, or else the collector goes over it again and again.
func TestWild32LittleIsHeldOfEachImage(t *testing.T) {
	const many = 1000
	s := newStore(t)
	base := s.layer(tarball(1, 600), zipped)
	images := make([]*image.Image, many)
	for i := range images {
		own := s.layer(fmt.Appendf(nil, "%01024d", i), zipped)
		images[i] = s.image("me", []string{fmt.Sprintf("docker.io/many/app%d:1", i)}, base, own)
	}
	most := map[dockerarchive.Format]int64{dockerarchive.Docker: 2450, dockerarchive.OCI: 1550}
	for format, most := range most {
		before, held := live(), int64(0)
		opts := dockerarchive.Options{Planned: func([]v1.Descriptor) { held = live() - before }}
		if err := dockerarchive.Stream(t.Context(), io.Discard, format, images, opts); err != nil {
			t.Fatal(err)
		}
		if held/many > most {
			t.Errorf("%s: %d bytes are held of each image, at most %d are meant to be", format, held/many, most)
		}
	}
}

// live is how many bytes are in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools have
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
