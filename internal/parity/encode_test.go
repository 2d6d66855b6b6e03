package parity_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/parity"
	"drayage/internal/volume"
)

// file is a file in memory.
type file struct{ bytes []byte }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.bytes = append(f.bytes, make([]byte, max(0, int(off)+len(p)-len(f.bytes)))...)
	return copy(f.bytes[off:], p), nil
}

// cut makes a set without hashes of an archive in volumes.
func cut(archive []byte, size int64) (*volume.Set, []io.ReaderAt) {
	s := &volume.Set{Name: "x.tar", Size: int64(len(archive)), SHA256: digest.FromBytes(archive), Block: 1 << 20,
		Volume: size}
	var data []io.ReaderAt
	for rest := archive; len(rest) > 0; {
		v := rest[:min(size, int64(len(rest)))]
		rest = rest[len(v):]
		s.Volumes = append(s.Volumes, volume.Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		data = append(data, bytes.NewReader(v))
		for len(v) > 0 {
			sum := sha256.Sum256(v[:min(s.Block, int64(len(v)))])
			v = v[min(s.Block, int64(len(v))):]
			s.Blocks = append(s.Blocks, sum[:]...)
		}
	}
	return s, data
}

func TestEncode(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{1, 100, 1 << 20, 2<<20 + 1, 5<<20 + 12345} {
		archive := volumes(rng, 1, size, size)[0]
		s, data := cut(archive, 2<<20)
		files := []*file{{}, {}, {}}
		s.Parity = []volume.Volume{{Size: 1}} // of an earlier try
		err := parity.Encode(t.Context(), s, data, []io.WriterAt{files[0], files[1], files[2]}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		for j, f := range files {
			i := len(s.Volumes) + j
			if d := digest.FromBytes(f.bytes); d != s.Parity[j].SHA256 || int64(len(f.bytes)) != s.Volumes[0].Size {
				t.Errorf("%d: parity volume %d: %d bytes, %s", size, j, len(f.bytes), d)
			}
			for b := range s.BlocksOf(i) {
				off, n, sum := s.BlockAt(i, b)
				if sha256.Sum256(f.bytes[off:off+n]) != sum {
					t.Errorf("%d: parity volume %d: block %d", size, j, b)
				}
			}
		}
		got := &file{}
		in := []parity.Input{{Point: len(data), From: bytes.NewReader(files[0].bytes), Size: s.Volumes[0].Size}}
		for i, v := range s.Volumes[1:] {
			in = append(in, parity.Input{Point: i + 1, From: data[i+1], Size: v.Size})
		}
		err = parity.Compute(t.Context(), in, []parity.Output{{Take: func(p []byte, off int64) error {
			_, err := got.WriteAt(p, off)
			return err
		}}}, parity.Range{Size: s.Volumes[0].Size}, nil)
		if want := archive[:s.Volumes[0].Size]; err != nil || !bytes.Equal(got.bytes, want) {
			t.Errorf("%d: volume 1 is not rebuilt: %v", size, err)
		}
	}
}

func TestEncodeFails(t *testing.T) {
	s, data := cut(make([]byte, 3<<20), 1<<20)
	if err := parity.Encode(t.Context(), s, data[:2], []io.WriterAt{&file{}}, nil); err == nil {
		t.Error("a volume is missing")
	}
	if err := parity.Encode(t.Context(), s, data, nil, nil); err == nil {
		t.Error("nothing to write")
	}
	data[1] = bytes.NewReader(nil)
	err := parity.Encode(t.Context(), s, data, []io.WriterAt{&file{}}, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(s.Parity) > 0 {
		t.Errorf("%v, %d parity volumes in the set", err, len(s.Parity))
	}
}
