package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"drayage/internal/progress"
	"drayage/internal/tally"
)

const (
	drawEvery = 150 * time.Millisecond
	lineEvery = 5 * time.Second
)

// meter shows a tally from a goroutine of its own: as a status line on a terminal, else as a line of text
// every few seconds.
type meter struct {
	*tally.Tally
	verb   string
	out    io.Writer // for lines
	screen *progress.Screen
	width  func() int

	stop, stopped chan struct{}
}

// newMeter starts showing progress on standard error, unless the user wants none. The caller calls finish.
func (c call) newMeter(verb string) *meter {
	m := &meter{Tally: tally.New(), verb: verb, out: c.stderr, screen: c.screen}
	if c.Bool("quiet") {
		return m
	}
	m.stop, m.stopped = make(chan struct{}), make(chan struct{})
	if isTerminal(c.rawErr) {
		m.width = func() int { return width(c.rawErr) }
		go m.show(drawEvery, func(s tally.Sum) {
			m.screen.Show(progress.Cut(m.verb+"  "+s.Line(), m.width()-1))
		})
	} else {
		go m.show(lineEvery, func(s tally.Sum) { fmt.Fprintf(m.out, "%s: %s\n", m.verb, s.Line()) })
	}
	return m
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

// finish stops showing progress and returns the sum.
func (m *meter) finish() tally.Sum {
	if m.stop != nil {
		close(m.stop)
		<-m.stopped
		m.stop = nil
	}
	return m.Sum()
}

// show calls show regularly until finish is called.
func (m *meter) show(every time.Duration, show func(tally.Sum)) {
	defer close(m.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			m.screen.Show("")
			return
		case <-tick.C:
		}
		if s := m.Sum(); s.Blobs > 0 && s.Total > 0 {
			show(s)
		}
	}
}
