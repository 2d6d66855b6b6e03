// Package stock finds out what places have: layouts, archives, repositories in registries, and Docker
// engines. A [Taker] visits one place after the other, and makes one inventory of all of them. What is not
// there is left out, so that an inventory never says too much of a place that stays as it is.
package stock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/inventory"
	"drayage/registry"
)

// Taker takes an inventory. Places are visited one at a time.
type Taker struct {
	Names bool // the inventory has the names of images
	Jobs  int  // images of a registry that are asked for at once; 0 means 8

	// Skipped is told what is not counted of a place, and why. It may be called concurrently.
	Skipped func(Skip)
	// Looked is told how many images of a place have been looked at, and how many there are. It may be called
	// concurrently.
	Looked func(done, total int)

	images atomic.Int64
	mu     sync.Mutex
	names  inventory.Builder
	blobs  map[digest.Digest]fact

	// Of the place that is visited: manifests whose parts have been looked for, blobs that have been asked for,
	// and those that do not count.
	met, asked, refused map[digest.Digest]bool
}

// fact is what is known of a blob.
type fact struct {
	size   int64
	there  bool
	diffID digest.Digest
}

// Inventory returns what all places have. The taker is empty then.
func (t *Taker) Inventory() (*inventory.Inventory, error) {
	for d, f := range t.blobs {
		if !f.there {
			continue
		}
		if err := t.names.AddBlob(inventory.Blob{Digest: d, Size: f.size, DiffID: f.diffID}); err != nil {
			return nil, err
		}
	}
	t.blobs = nil
	return t.names.Inventory()
}

// Images is how many images have been visited.
func (t *Taker) Images() int { return int(t.images.Load()) }

// begin begins a visit.
func (t *Taker) begin() {
	t.met, t.asked, t.refused = map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}
	if t.blobs == nil {
		t.blobs = map[digest.Digest]fact{}
	}
}

// skip tells of something that is not counted.
func (t *Taker) skip(im, format string, args ...any) {
	if t.Skipped != nil {
		t.Skipped(Skip{im, fmt.Sprintf(format, args...)})
	}
}

func (t *Taker) looked(done, total int) {
	if t.Looked != nil {
		t.Looked(done, total)
	}
}

// once reports whether nobody has looked for the parts of a manifest at this place.
func (t *Taker) once(d digest.Digest) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.met[d]
	t.met[d] = true
	return first
}

// asks reports whether a blob is to be asked for: nobody has done that at this place, and it is not known to
// be there.
func (t *Taker) asks(d v1.Descriptor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.blobs[d.Digest]
	first := !t.asked[d.Digest] && !(f.there && f.size == d.Size)
	t.asked[d.Digest] = true
	return first
}

// unpacksTo notes the diff ID of a layer, which need not be there. Should two configurations contradict each
// other, the order in which they were read does not matter.
func (t *Taker) unpacksTo(d, diffID digest.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.blobs[d]; diffID != "" && (f.diffID == "" || diffID < f.diffID) {
		f.diffID = diffID
		t.blobs[d] = f
	}
}

// enter enters a blob that is there. If it was entered with another size, one of the two is damaged, and
// nobody knows which: the first stays.
func (t *Taker) enter(im string, d v1.Descriptor) {
	t.mu.Lock()
	f := t.blobs[d.Digest]
	was := f
	if !f.there {
		f.there, f.size = true, d.Size
		t.blobs[d.Digest] = f
	}
	t.mu.Unlock()
	if was.there && was.size != d.Size {
		t.skip(im, "%s: it has %d bytes here and %d bytes elsewhere", d.Digest, d.Size, was.size)
	}
}

// name enters the name of an image, if names are wanted.
func (t *Taker) name(name string, d digest.Digest) error {
	if !t.Names || name == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names.AddImage(inventory.Image{Name: name, Digest: d})
}

// chains enters the chain IDs of layers that are there unpacked, base first.
func (t *Taker) chains(diffIDs []digest.Digest) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, chain := range image.ChainIDs(diffIDs) {
		if err := t.names.AddChain(chain); err != nil {
			return err
		}
	}
	return nil
}

// place is where the blobs of an image may be. look returns why a blob is not there with the size that its
// descriptor says, or nil.
type place struct {
	image.Source
	look func(context.Context, v1.Descriptor) error
}

// image enters those parts of an image that are there. called is the image's name in what Skipped is told.
func (t *Taker) image(ctx context.Context, at place, called string, root v1.Descriptor) error {
	tree := image.NewTree(at, image.Policy{Tolerant: true})
	if err := tree.Read(ctx, root); err != nil {
		return err
	}
	return tree.Walk(root, func(v image.Visit) error {
		switch {
		case v.Node == nil: // an entry of an index that is no manifest
			return t.blob(ctx, at, called, v.Descriptor)
		case v.Node.Err != nil:
			return t.fault(ctx, called, v.Descriptor, v.Node.Err)
		case !t.once(v.Descriptor.Digest):
			return nil
		}
		t.enter(called, v.Descriptor)
		return t.parts(ctx, at, called, tree, v.Node)
	})
}

// parts enters what a manifest consists of.
func (t *Taker) parts(ctx context.Context, at place, called string, tree *image.Tree, n *image.Node) error {
	doc := &n.Document
	diffIDs, err := t.config(ctx, at, called, tree, n)
	if err != nil {
		return err
	}
	for i, l := range doc.Layers {
		if len(diffIDs) == len(doc.Layers) {
			t.unpacksTo(l.Digest, diffIDs[i])
		}
		if err := t.blob(ctx, at, called, l); err != nil {
			return err
		}
	}
	for _, b := range doc.Blobs {
		if err := t.blob(ctx, at, called, b); err != nil {
			return err
		}
	}
	return nil
}

// config enters the configuration of a manifest. It returns the diff IDs of the layers if that tells them.
func (t *Taker) config(
	ctx context.Context, at place, called string, tree *image.Tree, n *image.Node,
) ([]digest.Digest, error) {
	d := n.Document.Config
	if d == nil {
		return nil, nil
	}
	if !n.Document.MayBeImage() {
		return nil, t.blob(ctx, at, called, *d)
	}
	raw, err := tree.Config(ctx, n)
	if err != nil {
		return nil, t.fault(ctx, called, *d, err)
	}
	t.enter(called, *d)
	return n.Document.Judge(raw).DiffIDs, nil
}

// blob enters a blob if it is there.
func (t *Taker) blob(ctx context.Context, at place, called string, d v1.Descriptor) error {
	if !t.asks(d) {
		return nil
	}
	err := at.look(ctx, d)
	switch {
	case err == nil:
		t.enter(called, d)
		return nil
	case isMissing(err) && len(d.URLs) > 0: // a foreign layer need not be there
		return nil
	}
	return t.fault(ctx, called, d, err)
}

// fault decides on an error about a part of an image: what is missing or damaged is not counted, but a place
// that does not answer ends the visit.
func (t *Taker) fault(ctx context.Context, called string, d v1.Descriptor, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case endsVisit(err):
		return err
	}
	t.mu.Lock()
	t.refused[d.Digest] = true
	t.mu.Unlock()
	if isMissing(err) {
		err = errors.New("it is not there")
	}
	text := strings.TrimPrefix(err.Error(), d.Digest.String()+": ")
	t.skip(called, "%s: %s", d.Digest, text)
	return nil
}

// endsVisit reports whether an error is about the place and not about an image.
func endsVisit(err error) bool {
	return errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrDenied)
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, registry.ErrNotFound)
}
