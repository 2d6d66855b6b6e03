//go:build linux

// Bench measures drayage beside the other tools that are on this machine, on Linux. It installs nothing; it
// says how to get what is missing. Usage, with more in -help:
//
//	go run ./cmd/bench -drayage ../bin/drayage [-run REGEXP] [-n RUNS] [-o FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"drayage/test/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hidden, err := bench.Hidden(ctx, os.Args[1:])
	if !hidden {
		err = run(ctx)
	}
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted && !hidden:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config := bench.Config{Log: os.Stderr}
	output := flag.String("o", "", "`FILE` for the report, besides standard output")
	page := flag.String("crossing", "", "`FILE` of the page about what crosses: its table is made anew")
	only := flag.String("run", "", "only the scenarios that match this `REGEXP`")
	tools := flag.String("tools", "", "only the tools that match this `REGEXP`, besides drayage")
	flag.StringVar(&config.Drayage, "drayage", filepath.Join("..", "bin", "drayage"), "the `BINARY` to measure")
	flag.StringVar(&config.Before, "before", "", "an earlier `BINARY` of drayage, to measure beside it")
	flag.StringVar(&config.Peers, "peers", os.Getenv("DRAYAGE_BENCH_PEERS"),
		"`DIRECTORY` with tools besides those in PATH (or $DRAYAGE_BENCH_PEERS)")
	flag.StringVar(&config.Work, "work", filepath.Join(os.TempDir(), "drayage-bench"),
		"`DIRECTORY` that keeps the images between runs: some 10 GB")
	flag.IntVar(&config.Runs, "n", 5, "measured `RUNS` of each tool")
	flag.IntVar(&config.Scale, "scale", 100, "`PERCENT` of the real size of images, to try this program out")
	flag.BoolVar(&config.Huge, "huge", false, "measure memory with a layer of 10 GB too: some 30 GB more")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() > 0 || config.Runs < 1 || config.Scale < 1 || config.Scale > 100 {
		return errors.New("wrong usage; see -help")
	}
	var err error
	if config.Drayage, err = filepath.Abs(config.Drayage); err != nil {
		return err
	}
	if config.Before != "" {
		if config.Before, err = filepath.Abs(config.Before); err != nil {
			return err
		}
	}
	if config.Only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if *tools != "" {
		if config.Tools, err = regexp.Compile(*tools); err != nil {
			return err
		}
	}
	report, err := bench.Run(ctx, config)
	if err != nil && (ctx.Err() == nil || report == nil || len(report.Results) == 0) {
		return err
	}
	if *page != "" {
		return renew(report, *page)
	}
	return write(report, *output)
}

// renew makes the table of a page anew.
func renew(report *bench.Report, page string) error {
	raw, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err := report.WithCrossing(string(raw))
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o644)
}

// write writes the report to standard output and, if path is not empty, to a file too.
func write(report io.WriterTo, path string) error {
	if _, err := report.WriteTo(os.Stdout); err != nil {
		return err
	}
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = report.WriteTo(f)
	return errors.Join(err, f.Close())
}

func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprintln(out,
		"Bench measures drayage beside the other tools that are here. All of it takes some half an hour.")
	flag.PrintDefaults()
	fmt.Fprintln(out, "Scenarios, for -run:")
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(out, "  %-26s %s\n", s[0], s[1])
	}
}
