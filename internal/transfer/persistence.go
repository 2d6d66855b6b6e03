package transfer

import (
	"context"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/retry"
)

const (
	// maxStalls is how often a stream may break in a row without having moved on.
	maxStalls = 5
	// refill is how many new bytes make earlier breaks forgotten: a link that drops every
	// few minutes still gets a 40 GB layer through, a server that sends one byte a time does not. A reset takes with it what
	// has arrived and was not read yet, so that of a megabyte a slow machine may get a part.
	refill = 256 << 10
)

// persistence decides whether a stream that broke is opened again.
type persistence struct {
	wait   retry.Backoff
	stalls int
	since  int64 // offset at which the last break happened
}

// again waits before the stream of d is opened again at offset off, or returns the error to give up with.
func (p *persistence) again(ctx context.Context, d v1.Descriptor, off int64, cause error) error {
	if ctx.Err() != nil { // cause is then a consequence of it
		return context.Cause(ctx)
	}
	if !retry.IsTransient(cause) {
		return cause
	}
	if off-p.since >= refill {
		p.stalls, p.since = 0, off
	}
	if p.stalls++; p.stalls > maxStalls {
		return fmt.Errorf("%s: gave up at byte %d of %d after %d broken connections in a row: %w",
			d.Digest, off, d.Size, maxStalls, cause)
	}
	return retry.Sleep(ctx, p.wait.Delay(p.stalls))
}
