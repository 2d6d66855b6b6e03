// Package retry decides how long to wait before the next try, and marks the errors after which another try
// makes sense. It never loops by itself: the callers own their loops.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second
)

// Delay is the wait after failure number n, counted from 1. It doubles up to 30 seconds. A quarter of it is
// random, so that many clients that failed together do not come back together.
func Delay(n int) time.Duration {
	d := firstDelay
	for i := 1; i < n && d < maxDelay; i++ {
		d *= 2
	}
	d = min(d, maxDelay)
	return d - rand.N(d/4+1)
}

// Sleep waits for d, or until ctx ends, whose cause it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

// Transient marks err as one that another try may not meet.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return transient{err}
}

// IsTransient reports whether err carries the mark of [Transient].
func IsTransient(err error) bool {
	var t transient
	return errors.As(err, &t)
}

const (
	maxStalls = 5 // breaks in a row without progress
	// refill is the progress, in bytes, that counts: earlier breaks are forgotten then. So a link that drops
	// every few minutes still gets a layer of 40 GB through, and a server that sends one byte at a time does
	// not. It is less than a megabyte because a reset destroys what has arrived and was not read yet.
	refill = 256 << 10
)

// Persistence decides whether a stream that broke is opened again.
type Persistence struct {
	Since int64 // offset of the last progress that counts, or at which the stream began
	// Tell is told of each time that the stream is about to be opened again: how often that was in a row, and
	// how often it may be. nil: nobody is told.
	Tell   func(number, most int, wait time.Duration, cause error)
	stalls int
}

// Again waits until the stream of d, which cause has broken at offset off, may be opened again there. It
// returns an error if it is time to give up.
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
	wait := Delay(p.stalls)
	if p.Tell != nil {
		p.Tell(p.stalls, maxStalls, wait, cause)
	}
	return Sleep(ctx, wait)
}
