package fetch

import (
	"context"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// held is what names stand for in a layout, before images are fetched into it again.
type held struct {
	src   *layout.Dir
	named map[string]v1.Descriptor
}

// heldBy reads the names of a layout. What cannot be read holds nothing: it is replaced.
func heldBy(dst *layout.Dir) *held {
	h := &held{src: dst, named: map[string]v1.Descriptor{}}
	all, _ := dst.Images()
	for _, im := range all {
		if im.Name != "" && im.Subject == "" {
			h.named[im.Name] = im.Descriptor
		}
	}
	return h
}

// join adds to a selection of platforms those that the layout has of the same index under the same name: a
// second platform joins the first. If the name stands for the whole index, it stays so.
func (h *held) join(
	ctx context.Context, ref registry.Reference, root v1.Descriptor, sel image.Selection,
) image.Selection {
	if h == nil || sel.All || !image.IsIndex(root.MediaType) {
		return sel
	}
	d, ok := h.named[ref.Recorded()]
	switch {
	case !ok:
	case d.Digest == root.Digest:
		sel.HeldWhole = true
	case !image.IsIndex(d.MediaType):
		sel.Held = []digest.Digest{d.Digest}
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
