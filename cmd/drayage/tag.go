package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"drayage/internal/pattern"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/layout"
	"drayage/registry"
)

const tagHelp = `Gives an image of a layout another name. It keeps the one that it has. A name
without a tag gets the tag latest, as with docker tag.

EXAMPLES:
   drayage tag oci:images:alpine:3.20 registry.corp/base/alpine:3.20
   drayage tag oci:images:app:1.2.3 app:1.2`

func tagCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "tag",
		Category:    commandsLayout,
		Usage:       "give an image of a layout another name",
		UsageText:   "drayage tag oci:DIR:NAME NEWNAME",
		Description: tagHelp,
		Flags:       outputFlags(),
		Action:      env.run(call.tag),
	}
}

func (c call) tag(ctx context.Context) error {
	if c.NArg() != 2 {
		return usagef("tag needs an image of a layout and its new name: %s", c.Command.UsageText)
	}
	spec, err := c.layoutSpec(c.Args().First())
	if err != nil {
		return err
	}
	ref, err := registry.ParseReference(c.Args().Get(1))
	if err == nil && ref.Digest != "" {
		err = usagef("%q has a digest, which cannot be given: leave it out", c.Args().Get(1))
	}
	if err != nil {
		return usagef("new name: %v", err)
	}
	d, err := layout.OpenDir(spec.Path)
	if err != nil {
		return err
	}
	defer d.Close()
	of, old, err := d.AddName(ctx, func(all []layout.Image) ([]int, error) {
		return theOne(all, spec)
	}, ref.String(), ref.Tag)
	if err != nil {
		return err
	}
	id := of.Descriptor.Digest
	shown := report.Image{Name: ref.String(), OK: true, Reference: ref.Name() + "@" + id.String()}
	if shown.Digest = id; old.Digest != "" && old.Digest != id {
		shown.Replaced = old.Digest
		c.note("note: %s was %s before", ref, old.Digest)
	}
	return c.result(report.Document{Output: spec.Path, Images: []report.Image{shown}}, []string{shown.Reference})
}

// theOne chooses the one image that a SOURCE means. Without a name a layout must not have another one.
func theOne(all []layout.Image, spec source.Spec) ([]int, error) {
	if pattern.IsGlob(spec.Name) {
		return nil, usagef("%q is a pattern: tag is for one image", spec.Name)
	}
	name := spec.Name
	if name == "" {
		name = "*"
	}
	at, err := source.Choose(all, []string{name})
	for _, i := range at {
		if all[i].Descriptor.Digest != all[at[0]].Descriptor.Digest {
			return nil, usagef("there are %d images: choose one with oci:%s:NAME", len(at), spec.Path)
		}
	}
	return at, err
}
