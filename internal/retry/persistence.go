package retry

import (
	"context"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// maxStalls is how often a stream may break in a row without having moved on.
	maxStalls = 5
	// refill is how many new bytes make earlier breaks forgotten. So a link that drops every few minutes still
	// gets a layer of 40 GB through, and a server that sends one byte at a time does not. It is less than a
	// megabyte because a reset destroys what has arrived and was not read yet.
	refill = 256 << 10
)

// Persistence decides whether a stream that broke is opened again.
type Persistence struct {
	Since int64 // offset at which the last break happened, or at which the stream began

	stalls int
}

// Again waits until the stream of d may be opened again at offset off. It returns an error if it is time to
// give up.
func (p *Persistence) Again(ctx context.Context, d v1.Descriptor, off int64, cause error) error {
	if ctx.Err() != nil { // cause is then a consequence of it
		return context.Cause(ctx)
	}
	if !IsTransient(cause) {
		return cause
	}
	if off-p.Since >= refill {
		p.stalls, p.Since = 0, off
	}
	if p.stalls++; p.stalls > maxStalls {
		return fmt.Errorf("%s: gave up at byte %d of %d after %d broken connections in a row: %w",
			d.Digest, off, d.Size, maxStalls, cause)
	}
	return Sleep(ctx, Delay(p.stalls))
}
