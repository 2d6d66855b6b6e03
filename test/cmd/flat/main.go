//go:build linux

// Command flat measures what each verb costs for each image, with few images and with many.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"drayage/test/flat"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "flat:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 2 && os.Args[1] == "meter" {
		return flat.Meter(os.Args[2:])
	}
	binary := flag.String("drayage", "bin/drayage", "the `binary`")
	dir := flag.String("dir", "", "`directory` for what is written (default: that of temporary files)")
	sizes := flag.String("n", "100,1000,10000", "`numbers` of images")
	shapes := flag.String("shape", "", "`shapes` of images (default: all)")
	only := flag.String("run", "", "`pattern` of the verbs")
	hold := flag.Bool("hold", false, "print the commands and wait, for trying them by hand")
	flag.Parse()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := flat.Options{Binary: *binary, Self: self, Dir: *dir, Shapes: flat.Shapes, Out: os.Stdout, Hold: *hold}
	if o.Only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if *shapes != "" {
		o.Shapes = nil
		for _, s := range strings.Split(*shapes, ",") {
			o.Shapes = append(o.Shapes, flat.Shape(s))
		}
	}
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return err
		}
		o.Sizes = append(o.Sizes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return flat.Run(ctx, o)
}
