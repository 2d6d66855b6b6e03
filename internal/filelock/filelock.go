// Package filelock locks open files against other processes. The system frees a lock when the file is closed
// or the process ends.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"drayage/internal/retry"
)

// ErrLocked says that another process, or another open file of this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// ErrUnsupported says that the file system gives no lock, as many network file systems do. Whoever gets it
// has to work in a way that needs none.
var ErrUnsupported = errors.New("the file system has no locks")

// poll is the time between two tries of a held lock. A system call that waits would not end with a context.
const poll = 50 * time.Millisecond

// Lock waits until f is locked exclusively or ctx ends. Its other errors wrap ErrUnsupported.
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

// TryLock locks f exclusively, or returns ErrLocked at once. All other errors wrap ErrUnsupported: what a
// file system without locks answers is not agreed upon.
func TryLock(f *os.File) error {
	err := tryLock(f)
	if reason := without.Load(); reason != nil {
		err = *reason
	}
	if err == nil || errors.Is(err, ErrLocked) {
		return err
	}
	return fmt.Errorf("%w (%v)", ErrUnsupported, err)
}

var without atomic.Pointer[error]

// Without is for tests: until end is called, no file can be locked, for the given reason.
func Without(reason error) (end func()) {
	without.Store(&reason)
	return func() { without.Store(nil) }
}
