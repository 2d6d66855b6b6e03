// Package tarpatch makes and applies patches of layers: from the plain bytes of up to [limits.PatchBases] old
// layers to those of a new one. docs/formats.md has the format. [Make] makes a patch, [Open] applies one, and
// [ReadHeader] says which layers a patch needs.
//
// A patch knows nothing of compression: both sides hand in unpacked layers, and get an unpacked one.
package tarpatch

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// magic is how every patch begins: four letters, and the version.
const magic = "DRYP\x01"

// The codecs of streams. Others are reserved.
const (
	codecZstd  = 1
	codecModel = 2 // single bits by how likely they are
)

// sumSize is how many bytes a diff ID has in a patch.
const sumSize = 32

// The streams of a patch.
const (
	opsStream  = iota // what to copy, and from where
	diffStream        // what to add to the bytes of bases
	dataStream        // bytes that no base has
	streams
	rawStream = streams // the third as it is, for who writes
)

// maxHeader bounds the bytes before the frames.
const maxHeader = len(magic) + binary.MaxVarintLen64 + sumSize + 1 + limits.PatchBases*sumSize +
	streams*(1+binary.MaxVarintLen64)

// Base is the plain bytes of a layer.
type Base struct {
	DiffID digest.Digest // their sha256
	Size   int64
	io.ReaderAt
}

// Header is what a patch says of itself.
type Header struct {
	Target digest.Digest // the diff ID of the layer that comes out
	Size   int64         // how many bytes that has
	Bases  []digest.Digest
	frames [streams]frame
}

// frame is where a stream is in the patch.
type frame struct {
	span
	codec byte
}

// span is a part of a file.
type span struct{ at, n int64 }

// faulty makes an error about a patch that is not as it ought to be.
func faulty(format string, args ...any) error {
	return kind.Errorf(verify.ErrMismatch, "patch: "+format, args...)
}

// ReadHeader reads what a patch of size bytes says of itself. Its error about a patch that is damaged wraps
// [verify.ErrMismatch].
func ReadHeader(patch io.ReaderAt, size int64) (*Header, error) {
	head := make([]byte, min(int64(maxHeader), max(size, 0)))
	if _, err := io.ReadFull(io.NewSectionReader(patch, 0, size), head); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	p := parser{r: bytes.NewReader(head)}
	h := p.header()
	if p.err != nil {
		return nil, p.err
	}
	at := int64(len(head) - p.r.Len())
	for i := range h.frames {
		if h.frames[i].n > size-at {
			return nil, faulty("it ends in stream %d", i+1)
		}
		h.frames[i].at = at
		at += h.frames[i].n
	}
	if at != size {
		return nil, faulty("%d bytes follow its end", size-at)
	}
	return h, nil
}

// parser reads a header. The first error stays.
type parser struct {
	r   *bytes.Reader
	err error
}

func (p *parser) header() *Header {
	if got := string(p.bytes(len(magic))); got != magic {
		p.fail("it begins with %q, not as a patch does", got)
		return nil
	}
	h := &Header{Size: p.number(), Target: p.digest()}
	n := p.number()
	if n > limits.PatchBases {
		p.fail("it needs %d layers, more than %d", n, limits.PatchBases)
		return nil
	}
	seen := map[digest.Digest]bool{}
	for range n {
		d := p.digest()
		if seen[d] {
			p.fail("it names layer %s twice", d)
		}
		seen[d] = true
		h.Bases = append(h.Bases, d)
	}
	for i := range h.frames {
		codec := p.bytes(1)[0]
		if p.err == nil && codec != codecZstd && codec != codecModel {
			p.fail("stream %d has codec %d, which this version does not know: a newer drayage may", i+1, codec)
		}
		h.frames[i] = frame{span{0, p.number()}, codec}
	}
	return h
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = faulty(format, args...)
	}
}

// bytes returns the next n bytes, and zeros behind the end.
func (p *parser) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.fail("it ends in its header")
	}
	return b
}

func (p *parser) digest() digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(p.bytes(sumSize)))
}

// number reads one that fits into an int64.
func (p *parser) number() int64 {
	n, err := binary.ReadUvarint(p.r)
	if err != nil || int64(n) < 0 {
		p.fail("a number in its header is none")
		return 0
	}
	return int64(n)
}

// write writes the header as it stands before the frames.
func (h *Header) write(w io.Writer) error {
	b := binary.AppendUvarint([]byte(magic), uint64(h.Size))
	sums := [][]byte{}
	for _, d := range append([]digest.Digest{h.Target}, h.Bases...) {
		sum, err := hex.DecodeString(d.Encoded())
		if err != nil || d.Algorithm() != digest.SHA256 {
			return fmt.Errorf("patch: diff ID %q is no sha256", d)
		}
		sums = append(sums, sum)
	}
	b = append(b, sums[0]...)
	b = binary.AppendUvarint(b, uint64(len(h.Bases)))
	for _, sum := range sums[1:] {
		b = append(b, sum...)
	}
	for _, f := range h.frames {
		b = binary.AppendUvarint(append(b, f.codec), uint64(f.n))
	}
	_, err := w.Write(b)
	return err
}
