package fetch

import (
	"context"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// Held is what names stand for in a layout, before images are brought into it again. [HeldBy] makes one.
type Held struct {
	src   image.Source
	named func(string) (v1.Descriptor, bool)
}

// HeldBy reads the names of a layout, which has to stay open while the result is used. What cannot be read
// holds nothing: it is replaced. A layout that is nil is not there yet.
func HeldBy(dst *layout.Dir) *Held {
	if dst == nil {
		return &Held{named: func(string) (v1.Descriptor, bool) { return v1.Descriptor{}, false }}
	}
	return &Held{src: dst, named: dst.Names()}
}

// Join adds to a selection of platforms those that the layout has of the same index under the same name: a
// second platform joins the first. If the name stands for the whole index, it stays so. root is
// what is to be brought under these full names, as registry.Reference.Names has them. A nil Held adds
// nothing.
func (h *Held) Join(
	ctx context.Context, names []string, root v1.Descriptor, sel image.Selection,
) image.Selection {
	if h == nil || sel.All || !image.IsIndex(root.MediaType) {
		return sel
	}
	for _, n := range names {
		if d, ok := h.named(n); ok {
			sel = h.add(ctx, d, root, sel)
		}
	}
	return sel
}

// add adds what the layout has under one name.
func (h *Held) add(ctx context.Context, d, root v1.Descriptor, sel image.Selection) image.Selection {
	switch {
	case d.Digest == root.Digest:
		sel.HeldWhole = true
	case !image.IsIndex(d.MediaType):
		sel.Held = append(sel.Held, d.Digest)
	default:
		raw, err := image.ReadAll(ctx, h.src, d, image.MaxManifestSize)
		if err != nil {
			return sel
		}
		doc, err := image.ParseManifest(d.MediaType, raw)
		for _, m := range doc.Manifests {
			if err == nil {
				sel.Held = append(sel.Held, m.Digest)
			}
		}
	}
	return sel
}

// joining is what it takes to join an image to those that get its name while it is on its way.
type joining struct {
	root v1.Descriptor   // the index
	sel  image.Selection // what was asked for
	from image.Source    // of what is not in the layout any more
	over digest.Digest   // what the name stood for; empty if for nothing
}

// joins returns how an image can be joined, or nil if nothing joins it.
func (h *Held) joins(
	ref registry.Reference, root v1.Descriptor, sel image.Selection, from image.Source,
) *joining {
	if h == nil || sel.All || !image.IsIndex(root.MediaType) {
		return nil
	}
	held, _ := h.named(ref.Recorded())
	return &joining{root, sel, from, held.Digest}
}

// rejoin joins an image to what its name stands for now.
func (r *Result) rejoin(ctx context.Context, dst image.Source, now v1.Descriptor) error {
	j := r.Image.joining
	h := &Held{src: dst, named: func(string) (v1.Descriptor, bool) { return now, true }}
	sel := h.Join(ctx, []string{r.Reference.Recorded()}, j.root, j.sel)
	g, err := image.Load(ctx, r.Image.Graph.Source(dst), j.root, sel)
	if err != nil {
		return err
	}
	j.over = now.Digest
	r.Image.Graph, r.Image.Source = g, g.Source(j.from)
	r.Image.Root, err = r.Image.Entry(ctx, dst)
	return err
}
