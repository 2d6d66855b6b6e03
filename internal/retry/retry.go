// Package retry decides how long to wait before something is tried again, and marks the errors for which
// trying again makes sense. It never loops by itself: the callers own their loops.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second
)

// Delay is the wait before try number n+1, where n counts the failures so far, from 1. It doubles up to 30
// seconds. A quarter of it is random, so that many clients that failed together do not come back together.
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
