package parity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"drayage/internal/volume"
)

// Encode computes parity volumes of a set, as many as there are in out, and writes them there in order. Data
// has all data volumes; they are read once. When all is written, the set gets the sizes and the hashes. What
// it says of parity before does not matter. Progress, if not nil, is called with the number of bytes of each
// volume that are done.
func Encode(
	ctx context.Context, s *volume.Set, data []io.ReaderAt, out []io.WriterAt, progress func(int64),
) error {
	if len(data) != len(s.Volumes) || len(data) == 0 || len(out) == 0 {
		return fmt.Errorf("parity: %d of %d data volumes, %d parity volumes", len(data), len(s.Volumes), len(out))
	}
	size := s.Volumes[0].Size
	var in []Input
	for i, r := range data {
		in = append(in, Input{Point: i, From: r, Size: s.Volumes[i].Size})
	}
	writers := make([]*writer, len(out))
	var to []Output
	for j, w := range out {
		writers[j] = &writer{out: w, sums: newSums(s.Block)}
		to = append(to, Output{Point: len(in) + j, Take: writers[j].take})
	}
	if err := Compute(ctx, in, to, Range{Size: size}, progress); err != nil {
		return err
	}
	s.Parity, s.ParityBlocks = nil, nil
	for _, w := range writers {
		whole, blocks := w.sums.end()
		s.Parity = append(s.Parity, volume.Volume{Size: size, SHA256: whole})
		s.ParityBlocks = append(s.ParityBlocks, blocks...)
	}
	return nil
}

// writer writes a parity volume and hashes it.
type writer struct {
	out  io.WriterAt
	sums *sums
}

func (w *writer) take(p []byte, off int64) error {
	w.sums.write(p)
	_, err := w.out.WriteAt(p, off)
	return err
}

// sums hashes a volume and each block of it.
type sums struct {
	whole, block hash.Hash
	size         int64 // of a block
	left         int64 // of the block that is being hashed
	blocks       []byte
}

func newSums(block int64) *sums {
	return &sums{whole: sha256.New(), block: sha256.New(), size: block, left: block}
}

func (s *sums) write(p []byte) {
	s.whole.Write(p)
	for len(p) > 0 {
		n := min(s.left, int64(len(p)))
		s.block.Write(p[:n])
		p = p[n:]
		if s.left -= n; s.left == 0 {
			s.cut()
		}
	}
}

// cut ends a block.
func (s *sums) cut() {
	s.blocks = s.block.Sum(s.blocks)
	s.block.Reset()
	s.left = s.size
}

func (s *sums) end() (whole digest.Digest, blocks []byte) {
	if s.left < s.size {
		s.cut()
	}
	return digest.NewDigest(digest.SHA256, s.whole), s.blocks
}
