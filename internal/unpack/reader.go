package unpack

import (
	"context"
	"io"

	"drayage/internal/compression"
)

// Reader gives out the uncompressed content of a layer.
type Reader struct {
	kind  string
	plain io.ReadCloser
	from  *source
}

// NewReader begins to unpack the layer that stored holds. When ctx has ended, reading fails with its cause.
// The caller closes the Reader, which does not close stored.
func NewReader(ctx context.Context, stored io.Reader) (*Reader, error) {
	r := &Reader{from: &source{ctx: ctx, r: stored}}
	var err error
	if r.plain, r.kind, err = compression.NewReader(r.from); err != nil {
		return nil, r.judge(err)
	}
	return r, nil
}

// Read implements io.Reader. An error of the source is returned as it is.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if err != nil && err != io.EOF {
		err = r.judge(err)
	}
	return n, err
}

// Rest reads what stands behind the layer's content. It is for sources that verify themselves at their end.
func (r *Reader) Rest() error {
	_, err := io.Copy(io.Discard, r.from)
	return err
}

// Close implements io.Closer.
func (r *Reader) Close() error { return r.plain.Close() }

func (r *Reader) judge(err error) error {
	if r.from.err != nil && r.from.err != io.EOF {
		return r.from.err
	}
	return &Error{Kind: r.kind, Err: err}
}

// source remembers how reading the stored layer has ended.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, s.err = s.r.Read(p)
	return n, s.err
}
