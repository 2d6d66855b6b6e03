// Package transfer is the copy engine. Blobs come from an [image.Source]; the engine verifies them and
// opens the source again where a stream breaks.
//
// [Fill] writes a blob into a file, by several streams where that is faster. [ReadAhead] makes the stream
// of a blob faster for callers that need it in order. [Run] moves many blobs at once.
package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/verify"
)

// File is what a blob is written into: a partial file, or a part of a larger one. A [marks.Part] is one.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Held is what an earlier try has left, in order and without overlaps.
	Held() []marks.Span
	// Block is the length of the blocks that are marked, in bytes.
	Block() int64
	// Mark is called when all bytes from one offset to another have been written. Of the block that from is
	// in, all bytes before from have been written too. Mark is called concurrently for different blocks.
	Mark(from, to int64) error
	// Forget is called when what has been marked turns out to be worth nothing.
	Forget() error
}

// bufferSize is one read of a body. It is large enough that a write call costs little beside it, and so
// small that the bytes are still in the processor's cache when they are written and hashed. With 256 KiB a
// fetch takes a quarter more of the processor's time.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Copy is io.Copy by way of a buffer that is used again.
func Copy(w io.Writer, r io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}

// Fill writes the content of d into f. It does not fetch the spans that f holds, but hashes them again. If
// the whole turns out wrong, Fill fetches everything again, once: something old was wrong, or the source
// erred. It uses several streams where they help and src is an [image.ParallelSource]. Reported, which may
// be nil, is told how many bytes are there.
//
// When Fill returns nil, the bytes are verified but not durable yet: the caller syncs and names the file.
// On error f keeps what is there, and Fill returns how many bytes from the start are worth keeping, besides
// those that are marked.
func Fill(
	ctx context.Context, src image.Source, d v1.Descriptor, f File, reported func(int64),
) (int64, error) {
	if reported == nil {
		reported = func(int64) {}
	}
	held := f.Held()
	if !marks.Ordered(held, d.Size) {
		held = nil
	}
	t := filling{src: src, desc: d, file: f, report: reported}
	n, err := t.fill(ctx, held)
	if errors.Is(err, verify.ErrMismatch) {
		if err := f.Forget(); err != nil {
			return 0, err
		}
		n, err = t.inOrder(ctx, 0)
		if errors.Is(err, verify.ErrMismatch) {
			_ = f.Forget() // or else the next try finds out
			return 0, err
		}
	}
	return n, err
}

// filling is one call of [Fill].
type filling struct {
	src    image.Source
	desc   v1.Descriptor
	file   File
	report func(int64)
}

func (t *filling) fill(ctx context.Context, held []marks.Span) (int64, error) {
	prefix, beyond := marks.Cut(held)
	src, ok := image.AsParallel(t.src)
	if !ok || t.desc.Size-prefix < SplitSize && len(beyond) == 0 || verify.Descriptor(t.desc) != nil {
		return t.inOrder(ctx, prefix)
	}
	n, err := t.inParallel(ctx, src, held)
	if errors.Is(err, image.ErrNoRanges) {
		return t.inOrder(ctx, n)
	}
	return n, err
}

// inOrder fills the file by one stream, behind the bytes that are held.
func (t *filling) inOrder(ctx context.Context, held int64) (int64, error) {
	r := image.NewReader(ctx, t.src, t.desc)
	defer r.Close()
	off := int64(0)
	if held > 0 {
		var err error
		if off, err = r.Skip(WithContext(ctx, io.NewSectionReader(t.file, 0, held))); err != nil {
			return t.unhashed(ctx, held), err
		}
	}
	mark := newMarker(t.file, off)
	off, err := t.copy(r, off, mark)
	if merr := mark.flush(off); err == nil {
		err = merr
	}
	return off, err
}

// copy writes what follows off. It returns how far it has come.
func (t *filling) copy(r io.Reader, off int64, mark *marker) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		t.report(off)
		n, err := r.Read(buf[:])
		if n > 0 {
			if _, werr := t.file.WriteAt(buf[:n], off); werr != nil {
				return off, werr
			}
			off += int64(n)
			if merr := mark.wrote(off); merr != nil {
				return off, merr
			}
		}
		if err == io.EOF {
			return off, nil
		}
		if err != nil {
			return off, err
		}
	}
}

// unhashed is how much of a prefix is worth keeping that could not be hashed to its end. If the user has
// lost patience it is all of it. If the disk does not give it back it is nothing.
func (t *filling) unhashed(ctx context.Context, held int64) int64 {
	if ctx.Err() != nil {
		return held
	}
	_ = t.file.Forget() // or else the next try meets it again
	return 0
}
