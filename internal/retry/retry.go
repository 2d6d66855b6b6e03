// Package retry decides how long to wait before a thing is tried again, and marks the errors
// for which trying again makes sense. It never loops by itself: the callers own their loops.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Backoff yields growing, jittered delays. The zero value starts at half a second,
// doubles, and stays at 30 seconds.
type Backoff struct {
	Base time.Duration // first delay; 0 means 500 ms
	Max  time.Duration // upper bound; 0 means 30 s
}

// Delay is the wait before try number n+1, where n counts the failures so far, from 1. A quarter
// of it is random, so that many clients that failed together do not come back together.
func (b Backoff) Delay(n int) time.Duration {
	base, limit := b.Base, b.Max
	if base <= 0 {
		base = 500 * time.Millisecond
	}
	if limit <= 0 {
		limit = 30 * time.Second
	}
	d := base
	for i := 1; i < n && d < limit; i++ {
		d *= 2
	}
	d = min(d, limit)
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// Sleep waits for d, or until ctx ends, whose cause it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

// Transient marks err as one that may go away when the same thing is tried again.
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
