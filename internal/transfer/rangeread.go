package transfer

import (
	"context"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

// rangeReader reads one range of a blob. The bytes are not verified.
type rangeReader struct {
	src  image.Source
	desc v1.Descriptor
	pace *pace
	end  func() int64 // where the range ends; it may come nearer while the range is read
	// write takes bytes in their order, with their offset. It returns how many of them belong to the range.
	write func(p []byte, off int64) (int, error)
}

// read brings the bytes from off on to write, and opens the source again where it breaks. It returns how far
// it has come.
func (r *rangeReader) read(ctx context.Context, off int64) (int64, error) {
	tries := retry.Persistence{Since: off, Tell: image.Retries(r.src, r.desc)}
	for off < r.end() {
		var err error
		if off, err = r.once(ctx, off); err == nil {
			continue
		}
		if err := tries.Again(ctx, r.desc, off, err); err != nil {
			return off, err
		}
	}
	return off, nil
}

// once reads by one request. It returns how far it has come.
func (r *rangeReader) once(ctx context.Context, off int64) (int64, error) {
	r.pace.ask()
	rc, err := r.src.Open(ctx, r.desc, off, r.end()-off)
	if err != nil {
		if off >= r.end() {
			err = nil // others have read it meanwhile
		}
		return off, err
	}
	defer rc.Close()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for left := r.end() - off; left > 0; left = r.end() - off {
		if ctx.Err() != nil { // a source need not look at it
			return off, context.Cause(ctx)
		}
		n, err := r.pace.gather(rc, buf[:min(bufferSize, left)])
		if n > 0 {
			n, werr := r.write(buf[:n], off)
			if off += int64(n); werr != nil {
				return off, werr
			}
		}
		if err != nil && off < r.end() { // with the last byte it does not matter any more
			if err == io.EOF {
				err = short(r.desc, off)
			}
			return off, err
		}
	}
	return off, nil
}

// short is the error of a source that ends before the blob should.
func short(d v1.Descriptor, off int64) error {
	return verify.Mismatchf("%s: only %d of %d bytes", d.Digest, off, d.Size)
}
