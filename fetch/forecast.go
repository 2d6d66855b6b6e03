package fetch

import (
	"context"
	"slices"

	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// Forecast tells what [Images] and [Into] would do, and does nothing of it. It asks registries for manifests,
// and looks what the layout has. What that has of a blob counts without being read: Images reads it, and
// brings it again if it is damaged.
type Forecast struct {
	Layout *layout.Dir // nil: there is none yet
	// Tell takes each image in order, with what would become of its blobs. An image that would fail before
	// anything moves has an error instead.
	Tell func(Result, []image.Move)

	named twins
	held  map[wanted]int64
}

// Images tells what Images would do. Of opts it uses those that say what is wanted of images.
func (f *Forecast) Images(
	ctx context.Context, c *registry.Client, refs []registry.Reference, opts Options,
) error {
	opts.Finished = nil
	for part := range slices.Chunk(refs, window) {
		opts.Held = HeldBy(f.Layout)
		sel := image.Selection{All: opts.All, Platforms: opts.Platforms, Later: true}
		if err := f.Into(ctx, resolveAll(ctx, c, part, sel, opts)); err != nil {
			return err
		}
	}
	return nil
}

// Into tells what Into would do with images that have been resolved.
func (f *Forecast) Into(ctx context.Context, resolved []Result) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if f.named == nil {
		f.named, f.held = twins{}, map[wanted]int64{}
	}
	results := slices.Clone(resolved)
	f.named.refuse(results, func(*Result) {})
	var images []*Result
	var entries []layout.Entry
	for i := range results {
		if r := &results[i]; r.Err == nil {
			images, entries = append(images, r), append(entries, r.entries()...)
		}
	}
	for _, j := range newPlan(images).Jobs() {
		if _, known := f.held[j.Key]; !known && f.Layout != nil {
			f.held[j.Key] = f.Layout.Held(j.Blob)
		}
	}
	for _, r := range results {
		var moves []image.Move
		if r.Err == nil {
			moves = f.moves(r.Image)
		}
		f.Tell(r, moves)
	}
	if f.Layout == nil {
		return nil
	}
	return f.Layout.Fits(entries)
}

// moves says what would become of the blobs of an image.
func (f *Forecast) moves(im *Image) (all []image.Move) {
	seen := map[wanted]bool{}
	for _, j := range im.jobs() {
		if !seen[j.Key] {
			seen[j.Key] = true
			all = append(all, image.Move{Blob: j.Blob, There: f.held[j.Key]})
		}
	}
	return all
}
