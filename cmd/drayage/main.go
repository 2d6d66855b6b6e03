// Command drayage moves container images across an air gap without a container engine. It fetches images from
// a registry into an OCI layout, saves them as tars that docker load takes, and pushes them into a registry.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"drayage/internal/interrupt"
	"drayage/internal/secrets"
)

// memoryGoal is what the garbage collector aims at, unless the user has set Go's own variable. Without a
// goal, garbage grows with the number of processors: sixteen took 230 MiB for what needs a third of that.
const memoryGoal = 64 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	os.Exit(run(secrets.Hide(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the exit, so that tests can drive the real command line.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := interrupt.Context(context.Background(), func(s interrupt.Error) {
		fmt.Fprintf(stderr, "drayage: %s; something does not answer\n", s)
		os.Exit(s.Code())
	})
	defer stop()
	app := newApp(&environment{stdin: stdin, stdout: stdout, stderr: stderr})
	err := app.RunContext(ctx, reorder(app, args))
	if err != nil {
		fmt.Fprintf(stderr, "drayage: %s\n", describe(err))
	}
	return exitCode(ctx, err)
}
