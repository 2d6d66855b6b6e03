// Package interrupt ends a context when the user or the system wants the program to stop.
package interrupt

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Error is the cause of a context that a signal has ended.
type Error struct{ signal syscall.Signal }

// Error implements error.
func (e Error) Error() string {
	switch e.signal {
	case syscall.SIGINT:
		return "interrupted"
	case syscall.SIGHUP:
		return "hung up"
	}
	return "terminated"
}

// Code is the exit code of a program that the signal has ended.
func (e Error) Code() int { return 128 + int(e.signal) }

// grace is how long a program may take to clean up after a signal. After that it leaves partial files, as
// after a crash, and the next run resumes them.
const grace = 1800 * time.Millisecond

// Context returns a context that the first signal ends, so that the program can clean up. It calls late if
// that takes too long: nothing stops a read of a pipe or a write to a broken disk. The second signal ends the
// process at once. The caller must call the returned function in the end.
func Context(parent context.Context, late func(Error)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	// Under nohup it is ignored. Otherwise a lost terminal must not leave gigabytes of temporary files.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			n, _ := s.(syscall.Signal)
			cancel(Error{n})
			select {
			case <-time.After(grace):
				late(Error{n})
			case <-done:
			}
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
