// Package interrupt ends a context when the user or the system wants the program to stop.
package interrupt

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
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

// grace is how long a program may take to clean up after a signal, if it does not ask for more. After that
// it leaves partial files, as after a crash, and the next run resumes them.
const grace = 1800 * time.Millisecond

// Signals are those of the system to this process. A server asks them for what other commands do not need.
type Signals struct {
	terminal chan os.Signal // whoever gets one has to end
	hangUps  chan struct{}
	diverted atomic.Bool // SIGHUP no longer ends the program
	patience atomic.Int64
	done     chan struct{}
	cancel   context.CancelCauseFunc
}

// Context returns a context that the first signal ends, so that the program can clean up. It calls late if
// that takes too long: nothing stops a read of a pipe or a write to a broken disk. The second signal ends the
// process at once. The caller must call Stop in the end.
func Context(parent context.Context, late func(Error)) (context.Context, *Signals) {
	ctx, cancel := context.WithCancelCause(parent)
	s := &Signals{
		terminal: make(chan os.Signal, 1), hangUps: make(chan struct{}, 1),
		done: make(chan struct{}), cancel: cancel,
	}
	s.patience.Store(int64(grace))
	signal.Notify(s.terminal, syscall.SIGINT, syscall.SIGTERM)
	// Under nohup it is ignored. Otherwise a lost terminal must not leave gigabytes of temporary files.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(s.terminal, syscall.SIGHUP)
	}
	go s.watch(late)
	return ctx, s
}

func (s *Signals) watch(late func(Error)) {
	for {
		select {
		case <-s.done:
			return
		case sig := <-s.terminal:
			n, _ := sig.(syscall.Signal)
			if n == syscall.SIGHUP && s.diverted.Load() {
				select {
				case s.hangUps <- struct{}{}:
				default: // one waits already, and will see everything that this one is about
				}
				continue
			}
			signal.Stop(s.terminal)
			s.cancel(Error{n})
			select {
			case <-time.After(time.Duration(s.patience.Load())):
				late(Error{n})
			case <-s.done:
			}
			return
		}
	}
}

// Wait gives the program so much time to end after a signal. A server lets its requests end.
func (s *Signals) Wait(d time.Duration) { s.patience.Store(int64(d + grace)) }

// HangUps returns a channel of the SIGHUPs from now on, which no longer end the program, not even under
// nohup. Several that come while nobody listens count as one.
func (s *Signals) HangUps() <-chan struct{} {
	s.diverted.Store(true)
	signal.Notify(s.terminal, syscall.SIGHUP)
	return s.hangUps
}

// Stop ends the context. From now on signals do what the system does with them.
func (s *Signals) Stop() {
	signal.Stop(s.terminal)
	close(s.done)
	s.cancel(nil)
}
