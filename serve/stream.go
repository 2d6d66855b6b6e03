package serve

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// stream gives out the blocks of a blob in the order in which one client takes them. Each block is what the
// blob has there if the whole blob is right. The caller closes the stream.
type stream struct {
	prover *prover
	place  place
	table  *table
	pass   *pass // nil if the blob has been verified before

	raw  io.ReadCloser // or nil
	next int           // the block that raw has next

	last *block // what was given out last
	held int    // its number, or -1
}

func (s *stream) size() int64 { return s.table.block }

func (s *stream) ready(offset int64) bool { return s.pass == nil || offset < s.table.block }

func (s *stream) at(ctx context.Context, offset int64, last bool) ([]byte, error) {
	b, err := s.block(ctx, int(offset/s.table.block), last)
	if err != nil {
		return nil, err
	}
	return b[offset%s.table.block:], nil
}

// block returns a block, which may be used until the next call. Without last the block is tentative: the blob
// may turn out wrong. With last it waits until the whole blob has turned out right.
func (s *stream) block(ctx context.Context, i int, last bool) (_ []byte, err error) {
	if i == s.held && !last {
		return s.last.bytes, nil
	}
	var b *block
	var want code
	if s.pass != nil {
		b, want, err = s.pass.take(ctx, i, last)
	} else {
		want = s.table.codes[i]
	}
	if err == nil && i == s.held {
		b.done() // it is the held one, or has the same bytes
		return s.last.bytes, nil
	}
	if err == nil && b == nil {
		b, err = s.read(ctx, i, want)
	}
	if err != nil {
		return nil, err
	}
	s.last.done()
	s.last, s.held = b, i
	return b.bytes, nil
}

// read reads a block from the shelf and compares it.
func (s *stream) read(ctx context.Context, i int, want code) (*block, error) {
	if s.raw != nil && s.next != i {
		s.raw.Close()
		s.raw = nil
	}
	t := s.table
	if s.raw == nil {
		raw, err := s.place.content().Open(ctx, t.desc, int64(i)*t.block, image.ToEnd)
		if err != nil {
			return nil, err
		}
		s.raw = raw
	}
	b := newBlock(t.block, t.length(i))
	if _, err := io.ReadFull(s.raw, b.bytes); err != nil {
		b.done()
		return nil, err
	}
	s.next = i + 1
	if s.prover.coder.code(b.bytes) != want {
		b.done()
		return nil, verify.Mismatchf("%s: the bytes from %d on are not what they were", t.desc.Digest,
			int64(i)*t.block)
	}
	return b, nil
}

func (s *stream) close() {
	s.last.done()
	if s.raw != nil {
		s.raw.Close()
	}
	if s.pass != nil {
		s.prover.leave(s.pass)
	}
}

// blocks gives out what is sent of a blob.
type blocks interface {
	// at returns bytes from an offset on, up to the end of a block. With last they are the last that are sent:
	// the blob has turned out right then.
	at(ctx context.Context, offset int64, last bool) ([]byte, error)
	size() int64             // of a block
	ready(offset int64) bool // whether at returns soon, because nothing before the offset has to be read
	close()
}

// open opens a blob to send it. One that fits into a block is read and verified at once.
func (v *prover) open(ctx context.Context, at place, d v1.Descriptor) (blocks, error) {
	switch {
	case d.Size <= leastBlock:
		raw, err := image.ReadAll(ctx, at.content(), d, leastBlock)
		return small(raw), err
	case d.Size > maxBlob:
		return nil, fmt.Errorf("%s: %d bytes, more than are served", d.Digest, d.Size)
	}
	table, pass, err := v.join(ctx, at, d)
	if err != nil {
		return nil, err
	}
	return &stream{prover: v, place: at, held: -1, table: table, pass: pass}, nil
}

// small is a verified blob in memory.
type small []byte

func (s small) at(_ context.Context, offset int64, _ bool) ([]byte, error) { return s[offset:], nil }
func (s small) size() int64                                                { return leastBlock }
func (s small) ready(int64) bool                                           { return true }
func (s small) close()                                                     {}
