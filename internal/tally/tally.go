// Package tally adds up what a command moves. Workers report of each blob how much of it is at its
// destination.
package tally

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// Tally adds up reports. It may be used concurrently.
type Tally struct {
	wire func() int64 // may be nil

	mu     sync.Mutex
	blobs  map[digest.Digest]*blob
	users  map[digest.Digest][]int // in images
	images []movingImage
	shown  int       // in images, the one that Sum names
	moved  time.Time // when a blob of that image moved
	start  time.Time
}

type blob struct {
	size, held int64
	present    int64 // of held
	seen       bool
}

func (b *blob) ready() bool { return b.seen && b.held == b.size }

type movingImage struct {
	name    string
	missing int // blobs of the plan that are not ready
}

// Sum is what a command has moved.
type Sum struct {
	Total, Held  int64  // all bytes, and those at their destination
	Present      int64  // of Held, those that were there before
	Moved        int64  // bytes that have crossed the network, or else the rest of Held
	Ready, Blobs int    // blobs that are done, and all of them
	Image        string // the image that moves; empty: unknown
	Images       int    // images that are not done
	Elapsed      time.Duration

	local bool
}

// New returns a tally of nothing. Its time begins now, and anew with the first plan. wire returns how many
// bytes of blobs have crossed the network so far. nil: they do not come from a network.
func New(wire func() int64) *Tally {
	blobs, users := map[digest.Digest]*blob{}, map[digest.Digest][]int{}
	return &Tally{wire: wire, blobs: blobs, users: users, start: time.Now()}
}

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
			t.miss(d.Digest, 1)
		}
	}
}

// Name says which blobs an image consists of, before the first of them is reported. Those that are in no plan
// do not count.
func (t *Tally) Name(image string, blobs []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, missing := len(t.images), 0
	for _, d := range blobs {
		users := t.users[d.Digest]
		if len(users) > 0 && users[len(users)-1] == i {
			continue // it is in the image twice
		}
		t.users[d.Digest] = append(users, i)
		if b := t.blobs[d.Digest]; b != nil && !b.ready() {
			missing++
		}
	}
	t.images = append(t.images, movingImage{image, missing})
}

// NameImages says which blobs images consist of, each under the first of its names.
func (t *Tally) NameImages(images []*image.Image) {
	for _, im := range images {
		t.NameImage("", im)
	}
}

// NameImage says which blobs an image consists of, those of its referrers included. Without a name it is the
// first that the image has, or its digest.
func (t *Tally) NameImage(name string, im *image.Image) {
	blobs := im.Travelling()
	for _, r := range im.Referrers {
		blobs = slices.Concat(blobs, r.Travelling())
	}
	for _, n := range append(slices.Clip(im.Names), im.Root.Digest.String()) {
		name = cmp.Or(name, n)
	}
	t.Name(name, blobs)
}

// Update takes how much of a blob is held. What the first report of a blob says was there before.
func (t *Tally) Update(d v1.Descriptor, held int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.blobs[d.Digest]
	if b == nil {
		return
	}
	was := b.ready()
	b.size = max(b.size, d.Size) // that of a layer in a stream is known when it comes
	held = min(held, b.size)
	if !b.seen {
		b.seen, b.present = true, held
	} else if held > b.held {
		t.show(t.users[d.Digest])
	}
	b.held, b.present = held, min(b.present, held) // what was there may have proved wrong
	if is := b.ready(); is && !was {
		t.miss(d.Digest, -1)
	} else if was && !is {
		t.miss(d.Digest, 1)
	}
}

// miss changes how many blobs the images lack that consist of a blob.
func (t *Tally) miss(blob digest.Digest, by int) {
	for _, i := range t.users[blob] {
		t.images[i].missing += by
	}
}

// steady is how long an image is named although it is another one that moves.
const steady = 2 * time.Second

// show chooses the image that Sum names, when a blob of images has moved.
func (t *Tally) show(images []int) {
	now := time.Now()
	done := t.shown >= len(t.images) || t.images[t.shown].missing == 0
	switch {
	case !done && slices.Contains(images, t.shown):
		t.moved = now
	case done || now.Sub(t.moved) > steady:
		unfinished := func(i int) bool { return t.images[i].missing > 0 }
		if i := slices.IndexFunc(images, unfinished); i >= 0 {
			t.shown, t.moved = images[i], now
		}
	}
}

// Sum returns the sum so far.
func (t *Tally) Sum() Sum {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Sum{Blobs: len(t.blobs), Elapsed: time.Since(t.start), local: t.wire == nil}
	for _, b := range t.blobs {
		s.Total = verify.AddSize(s.Total, b.size)
		s.Held = verify.AddSize(s.Held, b.held)
		s.Present = verify.AddSize(s.Present, b.present)
		if b.ready() {
			s.Ready++
		}
	}
	s.Moved = s.Held - s.Present
	if t.wire != nil {
		s.Moved = t.wire()
	}
	for _, im := range t.images {
		if im.missing > 0 {
			s.Images++
		}
	}
	if t.shown < len(t.images) && !t.moved.IsZero() {
		s.Image = t.images[t.shown].name
	}
	return s
}

// Transferred returns how many bytes of blobs have crossed the network.
func (s Sum) Transferred() int64 {
	if s.local {
		return 0
	}
	return s.Moved
}

// String says what a command has moved, when it has ended.
func (s Sum) String() string {
	text := terminal.Size(s.Moved) + " transferred"
	if s.local {
		text = terminal.Size(s.Moved) + " written"
	}
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
