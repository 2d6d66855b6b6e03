package registry

import (
	"context"
	"net"

	"golang.org/x/time/rate"
)

// Limit bounds what connections carry together, both ways, for polite use of a link that others need. What is on the wire
// counts: headers and TLS too. It may be used concurrently.
type Limit struct {
	bucket *rate.Limiter
	chunk  int
}

// NewLimit returns a bound of so many bytes per second, at least 1.
func NewLimit(bytesPerSecond int64) *Limit {
	// A tenth of a second at a time keeps the flow even; waiting for it stays far below any timeout.
	chunk := int(min(max(bytesPerSecond/10, 1), 64<<10))
	return &Limit{bucket: rate.NewLimiter(rate.Limit(bytesPerSecond), chunk), chunk: chunk}
}

// Dial returns a dial function for a transport, whose connections share the bound. On a nil Limit it returns dial itself.
func (l *Limit) Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if l == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open, closed := context.WithCancel(context.WithoutCancel(ctx))
		return &limitedConn{Conn: conn, limit: l, open: open, closed: closed}, nil
	}
}

// limitedConn is a connection that takes its share of a Limit.
type limitedConn struct {
	net.Conn
	limit  *Limit
	open   context.Context // ends when the connection is closed: nobody waits for it then
	closed context.CancelFunc
}

// Read implements net.Conn.
func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.limit.chunk)])
	if n > 0 {
		if werr := c.limit.bucket.WaitN(c.open, n); werr != nil && err == nil {
			err = net.ErrClosed
		}
	}
	return n, err
}

// Write implements net.Conn.
func (c *limitedConn) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), c.limit.chunk)]
		if c.limit.bucket.WaitN(c.open, len(part)) != nil {
			return written, net.ErrClosed
		}
		n, err := c.Conn.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
