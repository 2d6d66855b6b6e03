package farside

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/imagesign"
)

// asked is how many questions and configurations are under way at once.
const asked = 16

// Division says what of some images travels, and what stays behind.
type Division struct {
	Travel, Left Sum
	Blobs        map[digest.Digest]bool // those that stay behind
}

// Sum is a number of blobs, each counted once, and their bytes.
type Sum struct {
	Blobs int
	Bytes int64
}

func (s *Sum) add(d v1.Descriptor) {
	s.Blobs++
	s.Bytes += d.Size
}

// LeaveOut enters what one of the sides has into image.Image.Absent of the images and their referrers. A
// layer may stay behind if a side has its blob, or if a side has unpacked it and all layers below it. A blob
// stays behind only if no image needs it to travel. Manifests, configurations and small signatures always
// travel, so that whoever has the archive alone can tell what it has and who has signed that.
//
// Each side is asked once for a blob, several at a time. The images are as they were if LeaveOut fails: it
// does where a side cannot answer.
func LeaveOut(ctx context.Context, images []*image.Image, sides []Side) (Division, error) {
	c := &cutter{
		images: withReferrers(images), sides: sides,
		sizes: map[digest.Digest]int64{}, prefixes: map[digest.Digest]int{},
		there: map[digest.Digest]bool{}, travels: map[digest.Digest]bool{},
	}
	c.gather()
	if err := c.ask(ctx); err != nil {
		return Division{}, err
	}
	if err := c.unpacked(ctx); err != nil {
		return Division{}, err
	}
	for _, im := range c.images {
		c.need(im)
	}
	return c.enter(), nil
}

// withReferrers lists images and their referrers, each once.
func withReferrers(images []*image.Image) (all []*image.Image) {
	seen := map[*image.Image]bool{}
	add := func(im *image.Image) {
		if !seen[im] {
			seen[im] = true
			all = append(all, im)
		}
	}
	for _, im := range images {
		add(im)
		for _, r := range im.Referrers {
			add(r)
		}
	}
	return all
}

// cutter is one run of LeaveOut.
type cutter struct {
	images   []*image.Image
	sides    []Side
	blobs    []v1.Descriptor // those that may stay behind, each once
	sizes    map[digest.Digest]int64
	there    map[digest.Digest]bool // a side has the blob
	travels  map[digest.Digest]bool // an image needs the blob to travel
	prefixes map[digest.Digest]int  // by configuration: how many of its layers a side has unpacked
}

// gather finds the blobs that may stay behind. What images describe in different sizes travels: one of them
// is wrong, and whoever reads the blob finds out which.
func (c *cutter) gather() {
	for _, im := range c.images {
		for i := range im.Manifests {
			n := &im.Manifests[i]
			c.travels[n.Descriptor.Digest] = true
			if config := n.Document.Config; config != nil {
				c.travels[config.Digest] = true
			}
		}
	}
	for _, im := range c.images {
		for _, d := range im.Blobs {
			size, met := c.sizes[d.Digest]
			switch {
			case met && size != d.Size, image.IsManifest(d.MediaType), imagesign.IsSmall(d):
				c.travels[d.Digest] = true
			case !met:
				c.sizes[d.Digest] = d.Size
				c.blobs = append(c.blobs, d)
			}
		}
	}
	c.blobs = slices.DeleteFunc(c.blobs, func(d v1.Descriptor) bool { return c.travels[d.Digest] })
}

// ask asks the sides for the blobs: those first that answer without a request.
func (c *cutter) ask(ctx context.Context) error {
	var near, far []Side
	for _, s := range c.sides {
		if _, ok := s.(remote); ok {
			far = append(far, s)
		} else {
			near = append(near, s)
		}
	}
	var mu sync.Mutex
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(asked)
	for _, d := range c.blobs {
		there, err := Has(ctx, near, d)
		if err != nil {
			return waited(eg, err)
		}
		if there || len(far) == 0 {
			mu.Lock()
			c.there[d.Digest] = there
			mu.Unlock()
			continue
		}
		eg.Go(func() error {
			there, err := Has(ctx, far, d)
			mu.Lock()
			defer mu.Unlock()
			c.there[d.Digest] = there
			return err
		})
	}
	return eg.Wait()
}

// waited returns err when what else is under way has ended.
func waited(eg *errgroup.Group, err error) error {
	eg.Go(func() error { return err }) // ends the others too
	_ = eg.Wait()
	return err
}

// Has reports whether one of the sides has a blob.
func Has(ctx context.Context, sides []Side, d v1.Descriptor) (bool, error) {
	for _, s := range sides {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if there, err := s.Has(ctx, d); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// unpacked finds out how many layers of each image the sides have unpacked. It reads each configuration once.
func (c *cutter) unpacked(ctx context.Context) error {
	var knows []Unpacked
	for _, s := range c.sides {
		if u, ok := s.(Unpacked); ok {
			knows = append(knows, u)
		}
	}
	if len(knows) == 0 {
		return nil
	}
	var mu sync.Mutex
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(asked)
	met := map[digest.Digest]bool{}
	for _, im := range c.images {
		for i := range im.Manifests {
			doc := &im.Manifests[i].Document
			if !doc.MayBeImage() || met[doc.Config.Digest] {
				continue
			}
			met[doc.Config.Digest] = true
			eg.Go(func() error {
				n, err := prefix(ctx, im.Source, doc, knows)
				mu.Lock()
				defer mu.Unlock()
				c.prefixes[doc.Config.Digest] = n
				return err
			})
		}
	}
	return eg.Wait()
}

// prefix is the number of layers, base first, that one of the sides has unpacked.
func prefix(ctx context.Context, src image.Source, doc *image.Document, sides []Unpacked) (int, error) {
	raw, err := image.ReadAll(ctx, src, *doc.Config, image.MaxConfigSize)
	if err != nil {
		return 0, fmt.Errorf("configuration: %w", err)
	}
	config, err := image.ParseConfig(raw)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doc.Config.Digest, err)
	}
	diffIDs, err := config.DiffIDs(len(doc.Layers))
	if err != nil {
		return 0, nil // nobody can tell what the layers unpack to
	}
	for i, id := range slices.Backward(image.ChainIDs(diffIDs)) {
		if slices.ContainsFunc(sides, func(s Unpacked) bool { return s.HasChain(id) }) {
			return i + 1, nil
		}
	}
	return 0, nil
}

// need enters what has to travel for an image.
func (c *cutter) need(im *image.Image) {
	layers := map[digest.Digest]bool{}
	for i := range im.Manifests {
		doc, known := &im.Manifests[i].Document, 0
		if doc.Config != nil {
			known = c.prefixes[doc.Config.Digest]
		}
		for k, l := range doc.Layers {
			layers[l.Digest] = true
			if k >= known && !c.there[l.Digest] {
				c.travels[l.Digest] = true
			}
		}
	}
	for _, d := range im.Blobs {
		if !layers[d.Digest] && !c.there[d.Digest] {
			c.travels[d.Digest] = true
		}
	}
}

// enter enters into each image what stays behind of it.
func (c *cutter) enter() Division {
	sum := Division{Blobs: map[digest.Digest]bool{}}
	for _, d := range c.blobs {
		if c.travels[d.Digest] {
			sum.Travel.add(d)
		} else {
			sum.Left.add(d)
			sum.Blobs[d.Digest] = true
		}
	}
	if sum.Left.Blobs == 0 {
		return sum
	}
	for _, im := range c.images {
		absent := map[digest.Digest]bool{}
		for _, a := range im.Absent {
			absent[a.Descriptor.Digest] = true
		}
		part := image.PartBlob
		if slices.ContainsFunc(im.Manifests, func(n image.Node) bool { return n.Document.MayBeImage() }) {
			part = image.PartLayer
		}
		for _, d := range im.Blobs {
			if sum.Blobs[d.Digest] && !absent[d.Digest] {
				im.Absent = append(im.Absent, image.Absent{Part: part, Descriptor: d, Reason: image.LeftOut})
			}
		}
	}
	return sum
}
