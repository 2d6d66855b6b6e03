// Package tally adds up what a command moves. Workers report of each blob how much of it is at its
// destination.
package tally

import (
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// Tally adds up reports. It may be used concurrently.
type Tally struct {
	mu    sync.Mutex
	blobs map[digest.Digest]*blob
	sum   Sum // without what Sum finds out: Ready, Blobs and Elapsed
	start time.Time
}

type blob struct {
	size, held int64
	seen       bool
}

// Sum is what a command has moved.
type Sum struct {
	Total, Moved int64 // bytes that have to move, and have
	Present      int64 // bytes that did not have to
	Ready, Blobs int   // blobs that are done, and all of them
	Elapsed      time.Duration
}

// New returns a tally of nothing. Its time begins now, and anew with the first plan.
func New() *Tally { return &Tally{blobs: map[digest.Digest]*blob{}, start: time.Now()} }

// Plan takes the blobs to come.
func (t *Tally) Plan(blobs []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.blobs) == 0 {
		t.start = time.Now()
	}
	for _, d := range blobs {
		if t.blobs[d.Digest] == nil {
			t.blobs[d.Digest] = &blob{size: d.Size}
			t.sum.Total = verify.AddSize(t.sum.Total, d.Size)
		}
	}
}

// Update takes how much of a blob is held. What the first report of a blob says was there before.
func (t *Tally) Update(d v1.Descriptor, held int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.blobs[d.Digest]
	if b == nil {
		return
	}
	if d.Size > b.size { // that of a layer in a stream is known when it comes
		t.sum.Total = verify.AddSize(t.sum.Total, d.Size-b.size)
		b.size = d.Size
	}
	held = min(held, b.size)
	if !b.seen {
		b.seen, b.held = true, held
		t.sum.Total = verify.AddSize(t.sum.Total, -held)
		t.sum.Present = verify.AddSize(t.sum.Present, held)
	}
	t.sum.Moved = verify.AddSize(t.sum.Moved, held-b.held)
	b.held = held
}

// Sum returns the sum so far.
func (t *Tally) Sum() Sum {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sum
	s.Blobs, s.Elapsed = len(t.blobs), time.Since(t.start)
	for _, b := range t.blobs {
		if b.seen && b.held == b.size {
			s.Ready++
		}
	}
	return s
}

// String says what a command has moved, when it has ended.
func (s Sum) String() string {
	text := terminal.Size(s.Moved) + " transferred"
	if s.Present > 0 {
		text += ", " + terminal.Size(s.Present) + " already there"
	}
	if s.Moved > 0 {
		text += " in " + s.Elapsed.Round(10*time.Millisecond).String()
	}
	if s.Elapsed > 100*time.Millisecond && s.Moved > 1<<20 {
		text += fmt.Sprintf(" (%s/s)", terminal.Size(int64(float64(s.Moved)/s.Elapsed.Seconds())))
	}
	return text
}

// Line says how far a command is.
func (s Sum) Line() string {
	line := fmt.Sprintf("%s of %s, %d of %d blobs",
		terminal.Size(s.Moved), terminal.Size(s.Total), s.Ready, s.Blobs)
	if rate := float64(s.Moved) / s.Elapsed.Seconds(); rate > 0 {
		left := time.Duration(float64(s.Total-s.Moved) / rate * float64(time.Second))
		line += fmt.Sprintf(", %s/s, %s left", terminal.Size(int64(rate)), left.Round(time.Second))
	}
	return line
}
