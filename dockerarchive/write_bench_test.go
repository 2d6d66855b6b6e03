package dockerarchive_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"drayage/dockerarchive"
	"drayage/image"
)

// machineCode is the beginning of this program: content that compresses as what images hold.
func machineCode(b *testing.B, size int) []byte {
	b.Helper()
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	content := make([]byte, size)
	if _, err := io.ReadFull(f, content); err != nil {
		b.Fatal(err)
	}
	return content
}

// void is a file that keeps nothing.
type void struct{ size int64 }

func (void) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (void) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (v *void) Truncate(size int64) error           { v.size = size; return nil }

// BenchmarkWrite is a tar for docker load, of three layers that are read from memory.
func BenchmarkWrite(b *testing.B) {
	content := machineCode(b, 4<<20)
	for name, p := range map[string]packing{"gzip": zipped, "zstd": zstded, "tar": plain} {
		b.Run(name, func(b *testing.B) {
			s := newStore(b)
			var layers []packed
			for i := range 3 {
				layers = append(layers, s.layer(append([]byte{byte(i)}, content...), p))
			}
			im := s.image("bench", []string{"docker.io/library/bench:1"}, layers...)
			b.SetBytes(3 * int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				f := new(void)
				if err := dockerarchive.Write(b.Context(), f, dockerarchive.Docker, []*image.Image{im},
					dockerarchive.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNewReader indexes a tar of many small layers.
func BenchmarkNewReader(b *testing.B) {
	s := newStore(b)
	var layers []packed
	for i := range 100 {
		layers = append(layers, s.layer(tarball(byte(i), 2000), zipped))
	}
	var f memory
	im := s.image("bench", []string{"docker.io/library/bench:1"}, layers...)
	if err := dockerarchive.Write(b.Context(), &f, dockerarchive.Docker, []*image.Image{im},
		dockerarchive.Options{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		a, err := dockerarchive.NewReader(bytes.NewReader(f.data), int64(len(f.data)))
		if err != nil {
			b.Fatal(err)
		}
		if images, err := a.Images(b.Context()); err != nil || len(images) != 1 {
			b.Fatal(images, err)
		}
	}
}
