package registry

import (
	"io"
	"sync/atomic"
)

// Received returns how many bytes of blobs have come from registries so far, as they crossed the network:
// bytes that came twice count twice.
func (c *Client) Received() int64 { return c.received.Load() }

// Sent returns how many bytes of blobs have gone to registries so far, as they crossed the network: a layer
// that is compressed on the way counts compressed, and bytes that were sent again count again.
func (c *Client) Sent() int64 { return c.sent.Load() }

// counting adds what is read to a number.
type counting struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}
