package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

const (
	drawEvery = 150 * time.Millisecond
	lineEvery = 5 * time.Second
)

// meter adds up what the workers report and shows it from a goroutine of its own: a bar on a terminal,
// else a line every few seconds.
type meter struct {
	verb string
	out  io.Writer

	mu      sync.Mutex
	blobs   map[digest.Digest]*blobState
	total   int64 // bytes that have to move
	moved   int64
	ready   int   // blobs that are done
	present int64 // bytes that did not have to move
	start   time.Time

	stop, stopped chan struct{}
}

type blobState struct {
	size, held int64
	seen, done bool
}

// newMeter starts showing progress on standard error, unless the user wants none. The caller calls finish.
func (e *environment) newMeter(c *cli.Context, verb string) *meter {
	m := &meter{verb: verb, out: e.stderr, blobs: map[digest.Digest]*blobState{}, start: time.Now()}
	if c.Bool("quiet") {
		return m
	}
	m.stop, m.stopped = make(chan struct{}), make(chan struct{})
	if f, ok := e.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		go m.draw()
	} else {
		go m.lines()
	}
	return m
}

// plan takes the blobs to come.
func (m *meter) plan(blobs []v1.Descriptor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range blobs {
		if m.blobs[d.Digest] == nil {
			m.blobs[d.Digest] = &blobState{size: d.Size}
			m.total += d.Size
		}
	}
	m.start = time.Now()
}

// update takes the progress of one blob. What the first report of a blob says was there before.
func (m *meter) update(d v1.Descriptor, held int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.blobs[d.Digest]
	if b == nil {
		return
	}
	if d.Size > b.size { // that of a layer in a stream is known when it comes
		m.total += d.Size - b.size
		b.size = d.Size
	}
	held = min(held, b.size)
	if !b.seen {
		b.seen, b.held = true, held
		m.total -= held
		m.present += held
	}
	if done := held == b.size; done != b.done {
		b.done = done
		if done {
			m.ready++
		} else {
			m.ready--
		}
	}
	m.moved += held - b.held
	b.held = held
}

// finish stops showing and returns what there is to sum up.
func (m *meter) finish() summary {
	if m.stop != nil {
		close(m.stop)
		<-m.stopped
		m.stop = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return summary{Moved: m.moved, Present: m.present, Blobs: len(m.blobs), Elapsed: time.Since(m.start)}
}

// summary is what a command has moved.
type summary struct {
	Moved, Present int64
	Blobs          int
	Elapsed        time.Duration
}

func (s summary) String() string {
	text := size(s.Moved) + " transferred"
	if s.Present > 0 {
		text += ", " + size(s.Present) + " already there"
	}
	if s.Moved > 0 {
		text += " in " + s.Elapsed.Round(10*time.Millisecond).String()
	}
	if s.Elapsed > 100*time.Millisecond && s.Moved > 1<<20 {
		text += fmt.Sprintf(" (%s/s)", size(int64(float64(s.Moved)/s.Elapsed.Seconds())))
	}
	return text
}

type snapshot struct {
	total, moved int64
	ready, blobs int
	elapsed      time.Duration
}

func (m *meter) snapshot() snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return snapshot{m.total, m.moved, m.ready, len(m.blobs), time.Since(m.start)}
}

// draw shows a bar: bytes, rate, time left and how many blobs are done.
func (m *meter) draw() {
	defer close(m.stopped)
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	var bar *progressbar.ProgressBar
	for {
		select {
		case <-m.stop:
			if bar != nil {
				_ = bar.Clear()
			}
			return
		case <-tick.C:
		}
		s := m.snapshot()
		if s.blobs == 0 || s.total <= 0 {
			continue
		}
		if bar == nil {
			bar = m.newBar(s.total)
		}
		if bar.GetMax64() != s.total {
			bar.ChangeMax64(s.total)
		}
		bar.Describe(fmt.Sprintf("%s %d/%d", m.verb, s.ready, s.blobs))
		_ = bar.Set64(min(s.moved, s.total-1)) // a full bar would end itself
	}
}

func (m *meter) newBar(total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(m.out), progressbar.OptionShowBytes(true), progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(true), progressbar.OptionSetWidth(24), progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(drawEvery/2))
}

// lines shows the same for logs.
func (m *meter) lines() {
	defer close(m.stopped)
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		if s := m.snapshot(); s.blobs > 0 && s.total > 0 {
			fmt.Fprintln(m.out, s.line(m.verb))
		}
	}
}

func (s snapshot) line(verb string) string {
	line := fmt.Sprintf("%s: %s of %s, %d of %d blobs", verb, size(s.moved), size(s.total), s.ready, s.blobs)
	rate := float64(s.moved) / s.elapsed.Seconds()
	if rate > 0 {
		left := time.Duration(float64(s.total-s.moved) / rate * float64(time.Second))
		line += fmt.Sprintf(", %s/s, %s left", size(int64(rate)), left.Round(time.Second))
	}
	return line
}

// size writes a number of bytes for people, in units of a thousand as registries and disks do.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 4 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}
