//go:build linux

// Pairs measures what an update of real software costs as a patch, beside other programs, and writes the
// tables of docs/crossing.md. It needs Debian with apt, root, and debootstrap, npm, python3, pigz, zstd,
// xdelta3 and bsdiff.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"drayage/test/pairs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "pairs: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config := pairs.Config{Log: os.Stderr}
	flag.StringVar(&config.Work, "work", filepath.Join(os.TempDir(), "drayage-pairs"),
		"`DIRECTORY` that keeps the pairs between runs: some 3 GB")
	flag.StringVar(&config.Drayage, "drayage", "", "the `BINARY` whose save and push are measured; empty: none")
	flag.BoolVar(&config.Quick, "quick", false, "leave out slow programs, and all encoders but one")
	flag.StringVar(&config.Repo, "repo", ".", "the `DIRECTORY` of drayage's repository")
	only := flag.String("run", "", "only the pairs that match this `REGEXP`")
	page := flag.String("page", "", "`FILE` of the page whose tables are made anew")
	own := flag.Bool("own", false, "for this program: what it measures in a process of its own")
	flag.Parse()
	if *own {
		return pairs.Own(ctx, flag.Args())
	}
	var err error
	if config.Only, err = regexp.Compile(*only); err != nil {
		return err
	}
	report, err := pairs.Run(ctx, config)
	if err != nil {
		return err
	}
	fmt.Print(report.Table())
	if *page == "" {
		return nil
	}
	text, err := os.ReadFile(*page)
	if err != nil {
		return err
	}
	written, err := report.On(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(*page, []byte(written), 0o644)
}
