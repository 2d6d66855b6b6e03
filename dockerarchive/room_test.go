package dockerarchive_test

import (
	"errors"
	"testing"

	"drayage/dockerarchive"
	"drayage/image"
)

// What an archive will take is asked for before anything is written, and is about what it takes.
func TestRoomIsAskedFor(t *testing.T) {
	refused := errors.New("no room")
	s := newStore(t)
	im := s.image("one", nil, s.layer(tarball(1, 700_000), zipped), s.layer(tarball(2, 3000), plain),
		s.layer(append(tarball(3, 2000), 0xff, 0xff, 0xff, 0xff), unzipped)) // its end would tell 4 GiB
	whole := s.open(im.Root, "docker.io/library/a:1")
	im.Names = whole.Names
	for name, write := range map[string]func(*memory, dockerarchive.Options) error{
		"docker": func(f *memory, opts dockerarchive.Options) error {
			return dockerarchive.Write(t.Context(), f, dockerarchive.Docker, []*image.Image{im}, opts)
		},
		"oci": func(f *memory, opts dockerarchive.Options) error {
			return dockerarchive.Write(t.Context(), f, dockerarchive.OCI, []*image.Image{whole}, opts)
		},
	} {
		var asked int64
		f := &memory{}
		if err := write(f, dockerarchive.Options{Room: func(n int64) error {
			asked = n
			return refused
		}}); !errors.Is(err, refused) {
			t.Errorf("%s: %v, want %v", name, err, refused)
		}
		if len(f.data) > 0 {
			t.Errorf("%s: %d bytes were written all the same", name, len(f.data))
		}
		if err := write(f, dockerarchive.Options{}); err != nil {
			t.Fatal(err)
		}
		if size := int64(len(f.data)); asked > size || asked < size*9/10 {
			t.Errorf("%s: room for %d bytes was asked for, %d were written", name, asked, size)
		}
	}
}
