// Fuzz runs every fuzz target of the parent module for a while, as many at once as there are processors. It
// says how many inputs each has tried. Usage:
//
//	go run ./cmd/fuzz [-time 30s] [-run REGEXP] [-results reliability/testdata]
//
// An input that fails is kept in the testdata of its package, where the tests find it from then on. Go's
// build cache keeps what is worth trying again in the next run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"drayage/test/reliability"
)

func main() {
	module := flag.String("module", "..", "the `directory` of the module to fuzz")
	each := flag.Duration("time", 30*time.Second, "how long each target runs")
	only := flag.String("run", "", "run only targets whose name matches this `expression`")
	results := flag.String("results", "", "enter the figures into this `directory`, for docs/reliability.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *module, *only, *each, *results)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "fuzz: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintf(os.Stderr, "fuzz: %v\n", err)
		os.Exit(1)
	}
}

// run does everything with one temporary directory, which is gone when it returns.
func run(ctx context.Context, module, only string, each time.Duration, results string) (err error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if module, err = filepath.Abs(module); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "drayage-fuzz-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	targets, err := build(ctx, module, dir, match)
	if err != nil {
		return err
	}
	fmt.Printf("%d targets built in %.0f s; each runs for %s\n", len(targets), time.Since(began).Seconds(), each)
	err = runAll(ctx, targets, each)
	total := 0
	for _, t := range targets {
		total += t.execs
	}
	fmt.Printf("%d inputs in %d targets, %.0f s\n", total, len(targets), time.Since(began).Seconds())
	if err != nil || results == "" || only != "" {
		return err
	}
	return section(targets, total, each).Save(results, "60-fuzz")
}

func section(targets []*target, total int, each time.Duration) reliability.Section {
	s := reliability.Section{
		Title: "Fuzzing", Date: time.Now().UTC().Format(time.DateOnly), Source: "make fuzz",
		Text: fmt.Sprintf(
			"Parsers of untrusted bytes have fuzz targets. Their seeds are what real tools write and what "+
				"breaks parsers. One run tried each target for %s, with %d inputs in all. No input broke a rule "+
				"that its target checks. Interesting inputs of earlier runs are tried again and do not count.", each,
			total),
		Head: []string{"package", "target", "inputs"},
	}
	for _, t := range targets {
		s.Rows = append(s.Rows, []string{t.pkg, t.name, fmt.Sprint(t.execs)})
	}
	return s
}
