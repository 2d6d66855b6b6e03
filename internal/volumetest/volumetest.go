// Package volumetest cuts archives into volumes, for tests that read them.
package volumetest

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/volume"
)

// Of makes the set of an archive: volumes of size bytes, or one that is the archive if size is 0, and some
// that stand for parity volumes.
func Of(archive []byte, name string, block, size int64, parity int) *volume.Set {
	s := &volume.Set{Name: name, Size: int64(len(archive)), SHA256: digest.FromBytes(archive), Block: block,
		Volume: size}
	for rest := archive; len(rest) > 0; {
		v := rest
		if size > 0 {
			v = rest[:min(size, int64(len(rest)))]
		}
		rest = rest[len(v):]
		s.Volumes = append(s.Volumes, volume.Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		s.Blocks = append(s.Blocks, hashes(v, block)...)
	}
	for i := range parity {
		v := Parity(archive[:s.Volumes[0].Size], i)
		s.Parity = append(s.Parity, volume.Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		s.ParityBlocks = append(s.ParityBlocks, hashes(v, block)...)
	}
	return s
}

// Parity is what stands for parity volume i: other bytes than those of the first volume.
func Parity(first []byte, i int) []byte {
	v := bytes.Clone(first)
	for n := range v {
		v[n] ^= byte(i + 1)
	}
	return v
}

func hashes(data []byte, block int64) (all []byte) {
	for len(data) > 0 {
		b := data[:min(block, int64(len(data)))]
		data = data[len(b):]
		sum := sha256.Sum256(b)
		all = append(all, sum[:]...)
	}
	return all
}

// Cut replaces the file of an archive by volumes of size bytes, parity volumes and a set file. It returns the
// path of the set file.
func Cut(t testing.TB, file string, size int64, parity int) string {
	t.Helper()
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const block = 1 << 20
	s := Of(archive, filepath.Base(file), block, size, parity)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range s.Len() {
		if s.IsParity(i) {
			write(s.FileName(i), Parity(archive[:s.Volumes[0].Size], i-len(s.Volumes)))
		} else {
			write(s.FileName(i), archive[s.Start(i):][:s.At(i).Size])
		}
	}
	raw, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(volume.SetName(s.Name), raw)
	return volume.SetName(file)
}
