package transfer

import (
	"context"
	"io"
)

// WithContext returns a reader that ends with the error of ctx when that has ended.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// Counted returns a reader that tells reported, after each Read, how many bytes of r have been read so far.
// Without reported it returns r.
func Counted(r io.Reader, reported func(int64)) io.Reader {
	if reported == nil {
		return r
	}
	return &counted{r: r, reported: reported}
}

type counted struct {
	r        io.Reader
	n        int64
	reported func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.reported(c.n)
	return n, err
}
