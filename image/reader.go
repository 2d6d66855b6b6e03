package image

import (
	"context"
	"errors"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/retry"
	"drayage/internal/verify"
)

// Reader is the verified stream of one blob. When the stream breaks, the Reader opens its source again at
// the offset that it has reached. The data is tentative until Read has returned io.EOF. The Reader gives
// out the last bytes only if size and digest are right, so that nobody ends up with the whole of something
// wrong. A Reader is for one goroutine.
type Reader struct {
	ctx   context.Context // bounds Read, which has no parameter for it
	src   Source
	desc  v1.Descriptor
	check *verify.Check
	again *Rereader // may be nil

	rc    io.ReadCloser
	tries retry.Persistence
	err   error // sticky
}

// NewReader returns the verified content of d from src. The caller closes it.
func NewReader(ctx context.Context, src Source, d v1.Descriptor) *Reader {
	r := &Reader{ctx: ctx, src: src, desc: d, tries: retry.Persistence{Tell: Retries(src, d)}}
	if err := verify.Descriptor(d); err != nil {
		r.err = err
		return r
	}
	r.check = verify.NewCheck(d)
	return r
}

// Skip takes the first bytes of the blob from prefix and not from the source: an earlier try has left them
// on disk. They are hashed like all others. Skip comes before the first Read. It returns how many bytes
// prefix had.
func (r *Reader) Skip(prefix io.Reader) (int64, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := io.Copy(r.check, prefix)
	r.tries.Since = n
	return n, err
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	for {
		if r.ctx.Err() != nil { // a source need not look at it: files do not
			return 0, r.fail(context.Cause(r.ctx))
		}
		n, err := r.readOnce(p)
		if n > 0 {
			if _, cerr := r.check.Write(p[:n]); cerr != nil {
				return 0, r.fail(cerr)
			}
			r.again.keep(r)
			if r.check.Offset() == r.desc.Size {
				if err := r.finish(); err != io.EOF {
					return 0, err
				}
			}
			return n, nil // an error that came with the bytes comes again
		}
		switch {
		case err == nil:
			continue
		case r.check.Offset() == r.desc.Size || err == io.EOF:
			if err = r.check.Done(); err == nil {
				err = io.EOF
			}
			return 0, r.fail(err)
		}
		if err := r.recover(err); err != nil {
			return 0, r.fail(err)
		}
	}
}

// finish makes sure that nothing follows the last byte and that all bytes were right. It returns io.EOF if
// so. The next Read returns the same.
func (r *Reader) finish() error {
	var more [1]byte
	for {
		n, err := r.rc.Read(more[:])
		if n > 0 {
			_, err := r.check.Write(more[:])
			return r.fail(err)
		}
		if err != nil { // whatever it is: everything has arrived
			break
		}
	}
	err := r.check.Done()
	if err == nil {
		err = io.EOF
	}
	return r.fail(err)
}

func (r *Reader) readOnce(p []byte) (int, error) {
	if r.rc == nil {
		if r.desc.Size > 0 && r.check.Offset() == r.desc.Size {
			return 0, io.EOF // nothing left to ask the source for
		}
		rc, err := r.src.Open(r.ctx, r.desc, r.check.Offset(), ToEnd)
		if err != nil {
			return 0, err
		}
		r.rc = rc
	}
	return r.rc.Read(p)
}

// recover waits before the stream is opened again, or returns the error to give up with.
func (r *Reader) recover(cause error) error {
	r.drop()
	return r.tries.Again(r.ctx, r.desc, r.check.Offset(), cause)
}

func (r *Reader) drop() {
	if r.rc != nil {
		r.rc.Close()
		r.rc = nil
	}
}

func (r *Reader) fail(err error) error {
	r.drop()
	r.err = err
	return err
}

// Close ends the stream; it never fails.
func (r *Reader) Close() error {
	r.drop()
	if r.err == nil {
		r.err = errors.New("read of a closed blob")
	}
	return nil
}
