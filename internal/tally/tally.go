// Package tally adds up what a command moves. Workers report of each blob how much of it is at its
// destination.
package tally

import (
	"cmp"
	"fmt"
	"iter"
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

	mu      sync.Mutex
	blobs   map[digest.Digest]*blob
	planned int               // blobs of a plan
	others  map[*blob][]int32 // the users of blobs that several images have, but the first
	images  []movingImage
	shown   int       // in images, the one that Sum names
	moved   time.Time // when a blob of that image moved
	start   time.Time
}

// blob is a blob of a plan or of an image. There may be very many.
type blob struct {
	size, held    int64
	present       int64 // of held
	user          int32 // the first image that has it, or nobody
	planned, seen bool
}

// nobody is the user of a blob that no image has.
const nobody = -1

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
	return &Tally{wire: wire, blobs: map[digest.Digest]*blob{}, others: map[*blob][]int32{}, start: time.Now()}
}

// blob returns what is known of a blob.
func (t *Tally) blob(d digest.Digest) *blob {
	b := t.blobs[d]
	if b == nil {
		b = &blob{user: nobody}
		t.blobs[d] = b
	}
	return b
}

// Plan takes the blobs to come.
func (t *Tally) Plan(blobs []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.planned == 0 {
		t.start = time.Now()
	}
	for _, d := range blobs {
		if b := t.blob(d.Digest); !b.planned {
			b.planned, b.size = true, d.Size
			t.planned++
			t.miss(b, 1)
		}
	}
}

// Name says which blobs an image consists of, before the first of them is reported. Those that are in no plan
// do not count.
func (t *Tally) Name(image string, blobs []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, missing := int32(len(t.images)), 0
	for _, d := range blobs {
		b := t.blob(d.Digest)
		others := t.others[b]
		switch {
		case b.user == i || len(others) > 0 && others[len(others)-1] == i:
			continue // it is in the image twice
		case b.user == nobody:
			b.user = i
		default:
			t.others[b] = append(others, i)
		}
		if b.planned && !b.ready() {
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
	if b == nil || !b.planned {
		return
	}
	was := b.ready()
	b.size = max(b.size, d.Size) // that of a layer in a stream is known when it comes
	held = min(held, b.size)
	if !b.seen {
		b.seen, b.present = true, held
	} else if held > b.held {
		t.show(b)
	}
	b.held, b.present = held, min(b.present, held) // what was there may have proved wrong
	if is := b.ready(); is && !was {
		t.miss(b, -1)
	} else if was && !is {
		t.miss(b, 1)
	}
}

// users gives the images that have a blob, in the order in which they were named.
func (t *Tally) users(b *blob) iter.Seq[int] {
	return func(yield func(int) bool) {
		if b.user == nobody || !yield(int(b.user)) {
			return
		}
		for _, i := range t.others[b] {
			if !yield(int(i)) {
				return
			}
		}
	}
}

// miss changes how many blobs the images lack that consist of a blob.
func (t *Tally) miss(b *blob, by int) {
	for i := range t.users(b) {
		t.images[i].missing += by
	}
}

// steady is how long an image is named although it is another one that moves.
const steady = 2 * time.Second

// show chooses the image that Sum names, when a blob has moved.
func (t *Tally) show(b *blob) {
	now := time.Now()
	done := t.shown >= len(t.images) || t.images[t.shown].missing == 0
	if !done && t.has(t.shown, b) {
		t.moved = now
		return
	}
	if !done && now.Sub(t.moved) <= steady {
		return
	}
	for i := range t.users(b) {
		if t.images[i].missing > 0 {
			t.shown, t.moved = i, now
			return
		}
	}
}

// has reports whether an image has a blob.
func (t *Tally) has(image int, b *blob) bool {
	_, found := slices.BinarySearch(t.others[b], int32(image)) // they were named one after another
	return found || int(b.user) == image
}

// Sum returns the sum so far.
func (t *Tally) Sum() Sum {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Sum{Blobs: t.planned, Elapsed: time.Since(t.start), local: t.wire == nil}
	for _, b := range t.blobs {
		if !b.planned {
			continue
		}
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
