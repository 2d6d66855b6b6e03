package transfer

import (
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

// rangeReader reads ranges of a blob. The bytes are not verified.
type rangeReader struct {
	src  image.Source
	desc v1.Descriptor
	pace *pace
	// write takes bytes in their order, with their offset, and returns where the range ends: it may become
	// shorter while it is read.
	write func(p []byte, off int64) (end int64, err error)
}

// read brings the bytes from off to end to write, and opens the source again where it breaks. It returns
// how far it has come.
func (r rangeReader) read(ctx context.Context, off, end int64) (int64, error) {
	tries := retry.Persistence{Since: off}
	for {
		var err error
		if off, end, err = r.once(ctx, off, end); err == nil {
			return off, nil
		}
		if err := tries.Again(ctx, r.desc, off, err); err != nil {
			return off, err
		}
	}
}

// once reads by one request. It returns how far it has come, and where the range ends now.
func (r rangeReader) once(ctx context.Context, off, end int64) (int64, int64, error) {
	began := time.Now()
	rc, err := r.src.Open(ctx, r.desc, off, end-off)
	if err != nil {
		return off, end, err
	}
	defer rc.Close()
	r.pace.opened(time.Since(began))
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for off < end {
		began = time.Now()
		n, err := gather(rc, buf[:min(bufferSize, end-off)])
		r.pace.read(n, time.Since(began))
		if n > 0 {
			next, werr := r.write(buf[:n], off)
			if werr != nil {
				return off, end, werr
			}
			off, end = off+int64(n), next
		}
		if err != nil && off < end { // with the last byte it does not matter any more
			if err == io.EOF {
				err = short(r.desc, off)
			}
			return off, end, err
		}
	}
	return off, end, nil
}

// short is the error of a source that ends before the blob should.
func short(d v1.Descriptor, off int64) error {
	return fmt.Errorf("%s: only %d of %d bytes: %w", d.Digest, off, d.Size, verify.ErrMismatch)
}
