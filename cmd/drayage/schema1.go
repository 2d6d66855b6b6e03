package main

import (
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/fetch"
	"drayage/registry"
)

// noteConverted says that an image is not what the registry has, if that has it in Docker's schema 1.
func (e *environment) noteConverted(c *cli.Context, im *fetch.Image) {
	if im.Schema1 != "" {
		e.note(c, "note: %s is in Docker's old schema 1 and was converted: it has the image ID that Docker gives it, but not the registry's digest %s",
			im.Reference, im.Schema1)
	}
}

// resolve finds out what an image in a registry consists of. For one in schema 1 that takes reading all of it, which is shown.
func (s *saver) resolve(ctx context.Context, ref registry.Reference) (*fetch.Image, error) {
	var m *meter
	opts := fetch.Options{All: s.sel.All, Platforms: s.sel.Platforms, Referrers: s.c.Bool("referrers"), Jobs: s.c.Int("jobs")}
	opts.Planned = func(blobs []v1.Descriptor) {
		s.env.note(s.c, "%s is in Docker's old schema 1, which does not say what is in its layers: they are read twice", ref)
		m = s.env.newMeter(s.c, "read")
		m.plan(blobs)
	}
	opts.Progress = func(d v1.Descriptor, read int64) { m.update(d, read) }
	im, err := fetch.Resolve(ctx, s.client, ref, opts)
	if m != nil {
		m.finish()
	}
	if err == nil {
		s.env.noteConverted(s.c, im)
	}
	return im, err
}
