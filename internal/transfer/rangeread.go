package transfer

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

// readRange brings the bytes of d from off to end, in order, to write, and opens the source again where it breaks. What it
// brings is not verified.
func readRange(ctx context.Context, src image.Source, d v1.Descriptor, off, end int64, write func(p []byte, off int64) error) error {
	tries := retry.Persistence{Since: off}
	for {
		n, err := readRangeOnce(ctx, src, d, off, end, write)
		if off += n; err == nil {
			return nil
		}
		if err := tries.Again(ctx, d, off, err); err != nil {
			return err
		}
	}
}

func readRangeOnce(ctx context.Context, src image.Source, d v1.Descriptor, off, end int64, write func(p []byte, off int64) error) (n int64, err error) {
	rc, err := src.Open(ctx, d, off, end-off)
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for off < end {
		m, err := rc.Read(buf[:min(bufferSize, end-off)])
		if m > 0 {
			if werr := write(buf[:m], off); werr != nil {
				return n, werr
			}
			off, n = off+int64(m), n+int64(m)
		}
		if err != nil && off < end { // with the last byte it does not matter any more
			if err == io.EOF {
				err = short(d, off)
			}
			return n, err
		}
	}
	return n, nil
}

// short is the error of a source that ends before the blob should.
func short(d v1.Descriptor, off int64) error {
	return fmt.Errorf("%s: only %d of %d bytes: %w", d.Digest, off, d.Size, verify.ErrMismatch)
}
