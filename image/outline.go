package image

import (
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Outline is an image as far as its index tells. Use it where the manifests below an index are not all
// needed: registries may count each as a pull. It may be used concurrently.
type Outline struct {
	Root   Node
	Leaves []Leaf // in the order of the indexes, each once; the root alone if it is no index

	*Tree
}

// LoadOutline reads root and, if it is an index, the indexes below it.
func LoadOutline(ctx context.Context, src Source, root v1.Descriptor) (*Outline, error) {
	t := NewTree(src, Policy{Reads: func(d v1.Descriptor) bool { return IsIndex(d.MediaType) }})
	if err := t.Read(ctx, root); err != nil {
		return nil, err
	}
	o := &Outline{Tree: t, Root: *t.Node(root), Leaves: []Leaf{{Descriptor: root}}}
	var err error
	if o.IsIndex() {
		o.Leaves, err = t.leaves(root, IsManifest)
	}
	return o, err
}

// IsIndex reports whether the image has an index.
func (o *Outline) IsIndex() bool { return IsIndex(o.Root.Document.MediaType) }

// Pick returns the best leaf for each wanted platform, in the order of the leaves, with its platform filled
// in. An image without an index is taken whatever its platform if the selection is empty. An artifact
// without an index is taken for every platform.
func (o *Outline) Pick(ctx context.Context, sel Selection) ([]Leaf, error) {
	want, asked := sel.wanted()
	if !o.IsIndex() && !asked {
		return o.Leaves, nil
	}
	leaves := append([]Leaf(nil), o.Leaves...)
	if err := o.fillPlatforms(ctx, leaves); err != nil {
		return nil, err
	}
	if !o.IsIndex() && leaves[0].Platform.OS == "" {
		return o.Leaves, nil
	}
	return pick(leaves, want)
}
