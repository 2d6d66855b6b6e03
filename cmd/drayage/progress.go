package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"drayage/internal/tally"
)

const (
	drawEvery = 150 * time.Millisecond
	lineEvery = 5 * time.Second
)

// meter shows a tally from a goroutine of its own: as a bar on a terminal, else as a line every few seconds.
type meter struct {
	*tally.Tally
	verb string
	out  io.Writer // for lines
	bars io.Writer // for bars
	bar  *progressbar.ProgressBar

	stop, stopped chan struct{}
}

// newMeter starts showing progress on standard error, unless the user wants none. The caller calls finish.
func (c call) newMeter(verb string) *meter {
	m := &meter{Tally: tally.New(), verb: verb, out: c.stderr, bars: c.rawErr}
	if c.Bool("quiet") {
		return m
	}
	m.stop, m.stopped = make(chan struct{}), make(chan struct{})
	if isTerminal(c.rawErr) {
		go m.show(drawEvery, m.draw)
	} else {
		go m.show(lineEvery, func(s tally.Sum) { fmt.Fprintf(m.out, "%s: %s\n", m.verb, s.Line()) })
	}
	return m
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
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
			if m.bar != nil {
				_ = m.bar.Clear()
			}
			return
		case <-tick.C:
		}
		if s := m.Sum(); s.Blobs > 0 && s.Total > 0 {
			show(s)
		}
	}
}

// draw shows a bar: bytes, rate, time left and how many blobs are done.
func (m *meter) draw(s tally.Sum) {
	if m.bar == nil {
		m.bar = progressbar.NewOptions64(s.Total, progressbar.OptionSetWriter(m.bars),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionShowTotalBytes(true),
			progressbar.OptionSetWidth(24),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(drawEvery/2))
	}
	if m.bar.GetMax64() != s.Total {
		m.bar.ChangeMax64(s.Total)
	}
	m.bar.Describe(fmt.Sprintf("%s %d/%d", m.verb, s.Ready, s.Blobs))
	_ = m.bar.Set64(min(s.Moved, s.Total-1)) // a full bar would end itself
}
