// Package filelock locks open files against other processes. A lock goes with its owner: when the file is
// closed or the process dies, the system frees it.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"

	"drayage/internal/retry"
)

// ErrLocked says that another process, or another open file of this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// poll is how often a held lock is tried again. System calls that wait cannot be told to stop
// when a context ends.
const poll = 50 * time.Millisecond

// Lock waits until f is locked exclusively or ctx ends. On file systems without locks it succeeds
// without one: a single process is still safe there.
func Lock(ctx context.Context, f *os.File) error {
	for {
		err := TryLock(f)
		if !errors.Is(err, ErrLocked) {
			return err
		}
		if err := retry.Sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// Waiting returns [Lock] with a context.
func Waiting(ctx context.Context) func(*os.File) error {
	return func(f *os.File) error { return Lock(ctx, f) }
}

// TryLock locks f exclusively, or returns ErrLocked at once.
func TryLock(f *os.File) error { return tryLock(f) }
