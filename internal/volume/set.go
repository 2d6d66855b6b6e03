// Package volume is about archives that are cut into volumes. The volumes of x.tar are the files x.tar.001,
// x.tar.002 and so on: plain cuts, so that cat joins them. Beside them stands the set file x.tar.set. It has
// the size and the hash of every volume and of every block in it, and of parity volumes x.tar.p01 and so on.
//
// [Parse] and [Set.Encode] read and write a set file.
package volume

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
)

const (
	// MediaType is that of a set file.
	MediaType = "application/vnd.drayage.set.v1+json"
	// SetSuffix is how the name of a set file ends.
	SetSuffix = ".set"

	// versions is how the media types of all versions of the set file begin.
	versions = "application/vnd.drayage.set."
	// usualBlock is the size of a block unless the archive has too many of them.
	usualBlock = 4 << 20
)

// ErrNewer is wrapped by the error about a set file that only a later version can use.
var ErrNewer = errors.New("a newer drayage is needed")

// Set is what a set file says. The volumes of a set are counted from 0, and its parity volumes follow them:
// with two volumes and one parity volume, the parity volume is number 2.
type Set struct {
	Name   string        // the archive's file name, such as x.tar
	Size   int64         // of the archive, in bytes
	SHA256 digest.Digest // of the archive

	Block  int64 // bytes of a block: only the last block of a volume may be smaller
	Volume int64 // bytes of a volume, but the last may be smaller; 0: the archive is one file, called Name

	Volumes []Volume
	Parity  []Volume // all as large as the first volume

	Blocks       []byte // the SHA-256 of each block of the archive, 32 bytes each
	ParityBlocks []byte // the same of all blocks of the first parity volume, then of the second, and so on
}

// Volume is one of the files that an archive is cut into, or one of parity.
type Volume struct {
	Size   int64         `json:"size"`
	SHA256 digest.Digest `json:"sha256"`
}

// SetName is the name of the set file of an archive.
func SetName(archive string) string { return archive + SetSuffix }

// BlockFor is the block size for an archive of so many bytes. It fails if the archive is too large for a set.
func BlockFor(size int64) (int64, error) {
	for block := int64(usualBlock); block <= limits.SetBlockMost; block *= 2 {
		if size <= block*limits.SetBlocks {
			return block, nil
		}
	}
	return 0, fmt.Errorf("an archive of %d bytes is too large for a set file: it may have %d", size,
		int64(limits.SetBlocks)*limits.SetBlockMost)
}

// Len is the number of volumes and parity volumes.
func (s *Set) Len() int { return len(s.Volumes) + len(s.Parity) }

// IsParity reports whether volume i is one of parity.
func (s *Set) IsParity(i int) bool { return i >= len(s.Volumes) }

// At is volume i.
func (s *Set) At(i int) Volume {
	if s.IsParity(i) {
		return s.Parity[i-len(s.Volumes)]
	}
	return s.Volumes[i]
}

// FileName is the name of volume i: x.tar.001, or x.tar.p01 of a parity volume, or x.tar if the archive is
// one file.
func (s *Set) FileName(i int) string {
	switch {
	case s.IsParity(i):
		return fmt.Sprintf("%s.p%02d", s.Name, i-len(s.Volumes)+1)
	case s.Volume == 0:
		return s.Name
	}
	return fmt.Sprintf("%s.%03d", s.Name, i+1)
}

// ParityName is the name of the parity volume i, where 0 is the first of them.
func (s *Set) ParityName(i int) string { return s.FileName(len(s.Volumes) + i) }

// Title is what messages call volume i: "volume 3 of 10 (x.tar.003)".
func (s *Set) Title(i int) string {
	name := s.FileName(i)
	switch {
	case s.IsParity(i):
		return fmt.Sprintf("parity volume %d of %d (%s)", i-len(s.Volumes)+1, len(s.Parity), name)
	case s.Volume == 0:
		return name
	}
	return fmt.Sprintf("volume %d of %d (%s)", i+1, len(s.Volumes), name)
}

// Start is the place in the archive where volume i begins. It has no meaning for parity volumes.
func (s *Set) Start(i int) int64 { return int64(i) * s.Volume }

// Locate finds the place in the archive in its volumes: the volume and the offset in it. The place must lie
// within the archive.
func (s *Set) Locate(at int64) (i int, offset int64) {
	if s.Volume == 0 {
		return 0, at
	}
	return int(at / s.Volume), at % s.Volume
}

// BlocksOf is the number of blocks of volume i.
func (s *Set) BlocksOf(i int) int { return s.blocks(s.At(i).Size) }

// BlockAt is the place and the size of block b of volume i in its file, and the SHA-256 of the block.
func (s *Set) BlockAt(i, b int) (offset, size int64, sum [sha256.Size]byte) {
	offset = int64(b) * s.Block
	size = min(s.Block, s.At(i).Size-offset)
	sums, first := s.Blocks, int(s.Start(i)/s.Block)
	if s.IsParity(i) {
		sums, first = s.ParityBlocks, (i-len(s.Volumes))*s.BlocksOf(i)
	}
	copy(sum[:], sums[(first+b)*sha256.Size:])
	return offset, size, sum
}

// blocks is how many blocks so many bytes take.
func (s *Set) blocks(size int64) int { return int((size-1)/s.Block) + 1 }
