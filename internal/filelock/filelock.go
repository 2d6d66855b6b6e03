// Package filelock locks open files against other processes. The system frees a lock when the file is closed
// or the process ends.
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

// poll is the time between two tries of a held lock. A system call that waits would not end with a context.
const poll = 50 * time.Millisecond

// Lock waits until f is locked exclusively or ctx ends. On file systems without locks it succeeds without a
// lock: a single process is still safe there.
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
