package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// File is what a blob is written into: a partial file, or a part of a larger one.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Marked is implemented by files that remember, also when the process is killed, how many bytes from their start are in
// order. Without it a file's size tells.
type Marked interface {
	// Mark is called before bytes are written beyond n, and whenever all up to n have become whole.
	Mark(n int64) error
}

// bufferSize is one read of a body: large enough that a write call costs nothing beside it.
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Fill writes the content of d into f, whose first held bytes an earlier try has left and which are
// hashed again, not trusted. If the whole turns out wrong and an old prefix was part of it, or the source
// erred once, everything is fetched again, once. When Fill returns nil, the bytes are verified but
// not yet durable: syncing and naming them is the caller's. On error f keeps what is
// there, and Fill returns how many bytes from the start are worth keeping.
func Fill(ctx context.Context, src Source, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	if held > d.Size {
		held = 0
	}
	n, err := fillAny(ctx, src, d, f, held, reported)
	if errors.Is(err, verify.ErrMismatch) {
		if m, ok := f.(Marked); ok {
			if err := m.Mark(0); err != nil {
				return 0, err
			}
		}
		n, err = fillOnce(ctx, src, d, f, 0, reported)
		if errors.Is(err, verify.ErrMismatch) {
			return 0, err
		}
	}
	return n, err
}

// fillAny uses several streams where that helps and the source can do it.
func fillAny(ctx context.Context, src Source, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	lanes, ok := lanesOf(src)
	if !ok || d.Size-held < splitSize || verify.Descriptor(d) != nil {
		return fillOnce(ctx, src, d, f, held, reported)
	}
	n, err := fillLanes(ctx, src, lanes, d, f, held, reported)
	if errors.Is(err, ErrNoRanges) {
		return fillOnce(ctx, src, d, f, n, reported)
	}
	return n, err
}

func fillOnce(ctx context.Context, src Source, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	r := NewReader(ctx, src, d)
	defer r.Close()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	off := int64(0)
	if held > 0 {
		var err error
		if off, err = r.Skip(WithContext(ctx, io.NewSectionReader(f, 0, held))); err != nil {
			return unhashed(ctx, held), err
		}
	}
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
		}
		if err == io.EOF {
			return off, nil
		}
		if err != nil {
			return off, err
		}
	}
}

// unhashed is how much of a prefix is worth keeping that could not be hashed to its end: nothing of what the disk does not give
// back, all of it if somebody has only lost patience.
func unhashed(ctx context.Context, held int64) int64 {
	if ctx.Err() != nil {
		return held
	}
	return 0
}
