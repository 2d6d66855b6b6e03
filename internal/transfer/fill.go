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

// File is what a blob is written into: a partial file, or a part of a larger one.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// bufferSize is one read of a body: large enough that a write call costs little beside it, and so small that what has been read is still in the
// processor's cache when it is written and hashed. With 256 KiB a fetch takes a quarter more of the processor's time.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Fill writes the content of d into f, parts of which an earlier try has left, as held says: they are not read from the source, but
// hashed again, not trusted. If the whole turns out wrong and something old was part of it, or the source
// erred once, everything is fetched again, once. When Fill returns nil, the bytes are verified but
// not yet durable: syncing and naming them is the caller's. On error f keeps what is
// there, and Fill returns how many bytes from the start are worth keeping, besides those that are marked.
func Fill(ctx context.Context, src image.Source, d v1.Descriptor, f File, held []marks.Span, reported func(int64)) (int64, error) {
	if !marks.Ordered(held, d.Size) {
		held = nil
	}
	n, err := fillAny(ctx, src, d, f, held, reported)
	if errors.Is(err, verify.ErrMismatch) {
		if err := forget(f); err != nil {
			return 0, err
		}
		n, err = fillOnce(ctx, src, d, f, 0, reported)
		if errors.Is(err, verify.ErrMismatch) {
			forget(f) // or else the next try finds out
			return 0, err
		}
	}
	return n, err
}

// fillAny uses several streams where that helps and the source can do it.
func fillAny(ctx context.Context, src image.Source, d v1.Descriptor, f File, held []marks.Span, reported func(int64)) (int64, error) {
	prefix, beyond := marks.Cut(held)
	many, ok := image.AsParallel(src)
	if !ok || d.Size-prefix < SplitSize && len(beyond) == 0 || verify.Descriptor(d) != nil {
		return fillOnce(ctx, src, d, f, prefix, reported)
	}
	n, err := fillParallel(ctx, many, d, f, held, reported)
	if errors.Is(err, image.ErrNoRanges) {
		return fillOnce(ctx, src, d, f, n, reported)
	}
	return n, err
}

func fillOnce(ctx context.Context, src image.Source, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	r := image.NewReader(ctx, src, d)
	defer r.Close()
	off := int64(0)
	if held > 0 {
		var err error
		if off, err = r.Skip(WithContext(ctx, io.NewSectionReader(f, 0, held))); err != nil {
			return unhashed(ctx, f, held), err
		}
	}
	mark := newMarker(f, off)
	off, err := fillFrom(r, f, off, mark, reported)
	if merr := mark.flush(off); err == nil {
		err = merr
	}
	return off, err
}

// fillFrom writes what follows off. It returns how far it has come.
func fillFrom(r *image.Reader, f File, off int64, mark *marker, reported func(int64)) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		if reported != nil {
			reported(off)
		}
		n, err := r.Read(buf[:])
		if n > 0 {
			if _, werr := f.WriteAt(buf[:n], off); werr != nil {
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
