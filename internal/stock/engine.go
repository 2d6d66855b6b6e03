package stock

import (
	"context"

	"drayage/internal/engine"
	"drayage/internal/usage"
	"drayage/registry"
)

// CheckEngine refuses an engine whose layers an archive could not leave out.
func (t *Taker) CheckEngine(ctx context.Context, c *engine.Client) error {
	about, err := c.About(ctx)
	if err != nil {
		return err
	}
	switch about.Store {
	case engine.Containerd:
		return usage.Errorf("the engine (%.40q, %.40q) keeps images in containerd's store, and does not tell "+
			"which blobs are there; a saved tar does: docker save IMAGE... | drayage inventory - -o FILE",
			about.Version, about.Driver)
	case engine.Podman:
		return usage.Errorf("the engine is podman's (%.40q), which does not tell which blobs it has: "+
			"give save --since the archives that were loaded into it instead", about.Version)
	}
	return nil
}

// Engine visits a Docker engine that keeps layers unpacked. of is the name of one image in it, or empty.
func (t *Taker) Engine(ctx context.Context, c *engine.Client, of string) error {
	done := 0
	return c.Images(ctx, of, func(im engine.Image, total int) error {
		done++
		t.looked(done, total)
		t.images.Add(1)
		for _, name := range im.Names {
			if ref, err := registry.ParseReference(name); err == nil {
				name = ref.String()
			}
			if err := t.name(name, im.ID); err != nil {
				return err
			}
		}
		return t.chains(im.DiffIDs)
	})
}
