package main

import (
	"io"
	"os"
	"runtime"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/image"
	"drayage/internal/progress"
	"drayage/internal/tally"
	"drayage/upload"
)

// meter is a tally that the user sees on standard error.
type meter struct {
	*tally.Tally
	stop func()
}

// newMeter begins to show progress. wire returns how many bytes of blobs have crossed the network; nil: none
// do. The caller calls finish.
func (c call) newMeter(verb string, wire func() int64) *meter {
	m := &meter{Tally: tally.New(wire)}
	shown := progress.Meter{
		Verb: verb, Style: c.progressStyle(), Sum: m.Sum, Screen: c.screen, Lines: c.stderr,
		Width: func() int { return width(c.rawErr) },
	}
	m.stop = shown.Start()
	return m
}

// finish stops showing progress and returns the sum. It may be called more than once.
func (m *meter) finish() tally.Sum {
	m.stop()
	m.stop = func() {}
	return m.Sum()
}

// name tells the tally which blobs images consist of.
func (m *meter) name(images []*image.Image) {
	for _, im := range images {
		names := append(slices.Clip(im.Names), im.Root.Digest.String())
		m.Name(names[0], withReferrers(im))
	}
}

func (m *meter) nameTargets(targets []upload.Target) {
	for _, t := range targets {
		m.Name(t.Name(), t.Blobs())
	}
}

// withReferrers lists the blobs of an image and of what belongs to it.
func withReferrers(im *image.Image) []v1.Descriptor {
	blobs := im.Travelling()
	for _, r := range im.Referrers {
		blobs = slices.Concat(blobs, r.Travelling())
	}
	return blobs
}

func progressFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "progress", Category: groupOutput, Value: "auto",
		Usage: "`STYLE` of progress: bar, plain (lines of text), json (an object a line), none",
		Action: func(_ *cli.Context, style string) error {
			switch progress.Style(style) {
			case "auto", progress.Bar, progress.Plain, progress.JSON, progress.None:
				return nil
			}
			return usagef("there is no --progress %q, only auto, bar, plain, json and none", style)
		},
	}
}

// progressStyle is what the flags ask for. A terminal has a bar by default, unless it can only scroll.
func (c call) progressStyle() progress.Style {
	switch style := c.String("progress"); {
	case c.Bool("quiet"):
		return progress.None
	case style != "" && style != "auto":
		return progress.Style(style)
	case isTerminal(c.rawErr) && !scrollsOnly():
		return progress.Bar
	}
	return progress.Plain
}

// scrollsOnly reports whether the environment says that output goes to a log, or that the terminal moves no
// cursor.
func scrollsOnly() bool {
	if ci := os.Getenv("CI"); ci != "" && ci != "false" && ci != "0" {
		return true
	}
	kind, set := os.LookupEnv("TERM")
	return kind == "dumb" || kind == "" && (set || runtime.GOOS != "windows")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns how many cells a line of a terminal has.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 80
}
