package main

import (
	"context"

	"drayage/internal/source"
	"drayage/layout"
)

// repair rebuilds a layout as far as possible, and says what it has done.
func (c call) repair(ctx context.Context, spec source.Spec) error {
	if spec.Kind != source.Layout || spec.Name != "" {
		return usagef("--repair takes the directory of a layout: " +
			"a tar is written again by the command that made it")
	}
	r, err := layout.Repair(ctx, spec.Path)
	if r == nil {
		return err
	}
	for _, d := range r.Removed {
		c.note("removed blob %s: its content was something else; fetch the image again to have it back", d)
	}
	if r.Kept != "" {
		c.note("the damaged index.json is now %s", r.Kept)
	}
	if r.Index {
		c.note("index.json is new: %d entries of the old one could be read, %d images were found besides, "+
			"whose names are lost: fetch them again by name", r.Saved, r.Nameless)
	}
	if r.Entries > 0 {
		c.note("%d entries of index.json were wrong: their size, their type, or a second one of the same name",
			r.Entries)
	}
	if r.Marker {
		c.note("oci-layout is new")
	}
	if len(r.Removed)+r.Entries == 0 && !r.Index && !r.Marker && err == nil {
		c.note("nothing had to be repaired")
	}
	return err
}
