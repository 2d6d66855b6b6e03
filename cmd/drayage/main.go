// Command drayage moves container images across an air gap without a container engine: it fetches them from a
// registry into an OCI layout, saves them as tars that docker load takes, and pushes them into another registry.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"drayage/internal/secrets"
)

// memoryGoal is what the garbage collector aims at, unless the user has set Go's own variable. Without a goal, garbage
// grows with the number of processors: sixteen took 230 MiB for what needs a third of that.
const memoryGoal = 64 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	os.Exit(run(secrets.Hide(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the exit, so that tests can drive the real command line.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background(), func(s signalled) {
		fmt.Fprintf(stderr, "drayage: %s; something does not answer\n", s)
		os.Exit(s.code())
	})
	defer stop()
	app := newApp(&environment{stdin: stdin, stdout: stdout, stderr: stderr})
	err := app.RunContext(ctx, reorder(app, args))
	if err != nil {
		fmt.Fprintf(stderr, "drayage: %s\n", describe(err))
	}
	return exitCode(ctx, err)
}

// signalled is why a context ends when the user or the system wants drayage to stop.
type signalled struct{ signal syscall.Signal }

func (s signalled) Error() string {
	switch s.signal {
	case syscall.SIGINT:
		return "interrupted"
	case syscall.SIGHUP:
		return "hung up"
	}
	return "terminated"
}

// code is the exit code of a command that a signal has ended.
func (s signalled) code() int { return 128 + int(s.signal) }

// grace is how long a command may take to clean up after a signal. What it leaves then is what a crash would: partial files to go on with.
const grace = 1800 * time.Millisecond

// withSignals ends the context at the first signal, so that what is half done is cleaned up, and calls late if that takes too long: reads of
// pipes and writes to broken disks cannot be called off. The second signal ends the process at once.
func withSignals(parent context.Context, late func(signalled)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it; else a lost terminal must not leave gigabytes of temporary files
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			n, _ := s.(syscall.Signal)
			cancel(signalled{n})
			select {
			case <-time.After(grace):
				late(signalled{n})
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
