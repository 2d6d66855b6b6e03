package main

import (
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/internal/progress"
	"drayage/internal/tally"
)

// meter is a tally that the user sees on standard error.
type meter struct {
	*tally.Tally
	start, stop func() // of what is shown
}

// newMeter begins to show progress. wire returns how many bytes of blobs have crossed the network; nil: none
// do. The caller calls finish.
func (c call) newMeter(verb string, wire func() int64) *meter {
	m := &meter{Tally: tally.New(wire)}
	style := progress.Style(c.String("progress")).Choose(isTerminal(c.rawErr))
	switch {
	case c.Bool("quiet"):
		style = progress.None
	case c.tell.JSON && style != progress.None:
		style = progress.JSON
	}
	shown := progress.Meter{
		Verb: verb, Style: style, Sum: m.Sum, Lines: c.stderr,
		Screen: c.screen, Width: func() int { return width(c.rawErr) },
	}
	m.start = func() { m.stop = shown.Start() }
	m.start()
	return m
}

// finish stops showing progress and returns the sum. It may be called more than once.
func (m *meter) finish() tally.Sum {
	m.stop()
	m.stop = func() {}
	return m.Sum()
}

func progressFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "progress", Category: groupOutput, Value: "auto",
		Usage:  "`STYLE` of progress: auto, bar, plain (lines of text), json (an object a line), none",
		Action: func(_ *cli.Context, style string) error { return progress.CheckStyle(style) },
	}
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

// narrow is the width of a terminal with less than 80 columns that shows the results, else 0.
func (e *environment) narrow() int {
	if n := width(e.rawOut); isTerminal(e.rawOut) && n < 80 {
		return n
	}
	return 0
}
