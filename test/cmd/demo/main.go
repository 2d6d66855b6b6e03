// Demo carries an image from one real registry to another with drayage, as a user would, and checks the
// outcome without it. It needs the go command, and no container engine, no network and no root. Usage:
//
//	go run ./cmd/demo -drayage ../bin/drayage
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	drayage := flag.String("drayage", filepath.Join("..", "bin", "drayage"), "the `binary` to show")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *drayage)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintf(os.Stderr, "\ndemo: FAILED: %v\n", err)
		os.Exit(1)
	}
}

// run does everything in one temporary directory, which is gone when it returns.
func run(ctx context.Context, drayage string) (err error) {
	began := time.Now()
	binary, err := filepath.Abs(drayage)
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("there is no drayage binary at %s; build it first with: make build", binary)
	}
	dir, err := os.MkdirTemp("", "drayage-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := prepare(ctx, os.Stdout, binary, dir)
	if err != nil {
		return err
	}
	defer d.close()
	for _, step := range []func(context.Context) error{
		d.fetch, d.fetchAgain, d.save, d.push, d.pushAll, d.compare, d.runInEngine,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.say("")
	d.say("Every check passed in %.1f s.", time.Since(began).Seconds())
	return nil
}
