package main

import (
	"context"

	"drayage/layout"
)

// repair rebuilds what can be rebuilt of a layout, and says what it has done.
func (v *verifier) repair(ctx context.Context) error {
	if v.src.kind != fromLayout || v.src.name != "" {
		return usagef("--repair takes the directory of a layout: a tar is written again by the command that made it")
	}
	r, err := layout.Repair(ctx, v.src.path)
	if err != nil {
		return err
	}
	for _, d := range r.Removed {
		v.env.note(v.c, "removed blob %s: its content was something else; fetch the image again to have it back", d)
	}
	if r.Index {
		if r.Kept != "" {
			v.env.note(v.c, "the damaged index.json is now %s", r.Kept)
		}
		v.env.note(v.c, "index.json is new: %d entries of the old one could be read, %d images were found besides, whose names are lost: fetch them again by name", r.Saved, r.Nameless)
	}
	if r.Marker {
		v.env.note(v.c, "oci-layout is new")
	}
	if len(r.Removed) == 0 && !r.Index && !r.Marker {
		v.env.note(v.c, "nothing had to be repaired")
	}
	return nil
}
