//go:build unix

package interrupt

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestSignals(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGHUP: 129, syscall.SIGINT: 130,
		syscall.SIGTERM: 143} {
		if signal.Ignored(sig) {
			continue // the tests themselves run under nohup
		}
		ctx, stop := Context(t.Context(), func(Error) { t.Error("too late") })
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		var e Error
		if got := context.Cause(ctx); !errors.As(got, &e) || e.Code() != code {
			t.Errorf("%v: %v, want exit code %d", sig, got, code)
		}
		stop.Stop()
	}
}

// A command that does not come to its end is ended.
func TestSignalToWhatHangs(t *testing.T) {
	late := make(chan Error)
	_, stop := Context(t.Context(), func(s Error) { late <- s })
	defer stop.Stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := <-late; s.Code() != 143 {
		t.Errorf("exit code %d", s.Code())
	}
}

// What is started by nohup goes on when the terminal is gone.
func TestIgnoredHangUpStaysIgnored(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	_, stop := Context(t.Context(), nil)
	defer stop.Stop()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("it is not ignored any more")
	}
}

// A server takes SIGHUP for something else, and the other signals still end it.
func TestHangUpsOfAServer(t *testing.T) {
	ctx, signals := Context(t.Context(), func(Error) { t.Error("too late") })
	defer signals.Stop()
	signals.Wait(time.Minute)
	hangUps := signals.HangUps()
	for range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-hangUps
	}
	if ctx.Err() != nil {
		t.Errorf("the context ended: %v", context.Cause(ctx))
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if got := context.Cause(ctx); got != (Error{syscall.SIGTERM}) {
		t.Errorf("%v", got)
	}
}
