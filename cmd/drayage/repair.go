package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/layout"
)

// repair rebuilds what can be rebuilt of a layout, and says what it has done.
func (e *environment) repair(ctx context.Context, c *cli.Context, spec source.Spec) error {
	if spec.Kind != source.Layout || spec.Name != "" {
		return usagef("--repair takes the directory of a layout: a tar is written again by the command that made it")
	}
	r, err := layout.Repair(ctx, spec.Path)
	if err != nil {
		return err
	}
	for _, d := range r.Removed {
		e.note(c, "removed blob %s: its content was something else; fetch the image again to have it back", d)
	}
	if r.Index {
		if r.Kept != "" {
			e.note(c, "the damaged index.json is now %s", r.Kept)
		}
		e.note(c, "index.json is new: %d entries of the old one could be read, %d images were found besides, whose names are lost: fetch them again by name", r.Saved, r.Nameless)
	}
	if r.Marker {
		e.note(c, "oci-layout is new")
	}
	if len(r.Removed) == 0 && !r.Index && !r.Marker {
		e.note(c, "nothing had to be repaired")
	}
	return nil
}
