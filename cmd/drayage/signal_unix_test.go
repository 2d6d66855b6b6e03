//go:build unix

package main

import (
	"context"
	"os/signal"
	"syscall"
	"testing"
)

func TestSignals(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGHUP: 129, syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		if signal.Ignored(sig) {
			continue // the tests themselves run under nohup
		}
		ctx, stop := withSignals(t.Context(), func(signalled) { t.Error("too late") })
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if got := exitCode(ctx, context.Cause(ctx)); got != code {
			t.Errorf("%v: exit code %d, want %d", sig, got, code)
		}
		stop()
	}
}

// A command that does not come to its end is ended.
func TestSignalToWhatHangs(t *testing.T) {
	late := make(chan signalled)
	_, stop := withSignals(t.Context(), func(s signalled) { late <- s })
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := <-late; s.code() != 143 {
		t.Errorf("exit code %d", s.code())
	}
}

// What is started by nohup goes on when the terminal is gone.
func TestIgnoredHangUpStaysIgnored(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	_, stop := withSignals(t.Context(), nil)
	defer stop()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("it is not ignored any more")
	}
}
