package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/layout"
)

const rmHelp = `Takes images out of a layout, by name, by digest, or by a pattern in which *
stands for any text. The signatures and SBOMs that belong to nothing else go
along. It prints what it takes out. The room on the disk is free after
drayage gc DIR.

EXAMPLES:
   drayage rm oci:images:alpine:3.19
   drayage rm 'oci:images:*/app:1.2*' --dry-run
   drayage rm oci:images:sha256:0a4eaa0eecf5...`

func rmCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "rm",
		Category:    commandsLayout,
		Usage:       "take images out of a layout",
		UsageText:   "drayage rm oci:DIR:NAME...",
		Description: rmHelp,
		Flags:       append([]cli.Flag{dryRunFlag()}, outputFlags()...),
		Action:      env.run(call.rm),
	}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: groupWhat,
		Usage: "change nothing, and say what would be done"}
}

// layoutSpec reads an argument that has to be a layout, or an image in one.
func (c call) layoutSpec(arg string) (source.Spec, error) {
	spec, err := c.parseSource(arg)
	if err == nil && spec.Kind != source.Layout {
		err = usagef("%s works in the directory of a layout, and %q is none: give %s",
			c.Command.Name, c.mask(arg), c.Command.UsageText)
	}
	return spec, err
}

func (c call) rm(ctx context.Context) error {
	names := map[string][]string{}
	var dirs []string
	for _, arg := range c.Args().Slice() {
		spec, err := c.layoutSpec(arg)
		if err != nil {
			return err
		}
		if spec.Name == "" {
			return usagef("%q names no image: give oci:%s:NAME, or 'oci:%s:*' for all images", arg, spec.Path,
				spec.Path)
		}
		if !slices.Contains(dirs, spec.Path) {
			dirs = append(dirs, spec.Path)
		}
		names[spec.Path] = append(names[spec.Path], spec.Name)
	}
	switch len(dirs) {
	case 0:
		return usagef("rm needs an image: oci:DIR:NAME")
	case 1:
		return c.removeFrom(ctx, dirs[0], names[dirs[0]])
	}
	return usagef("rm works in one layout at a time, and these are %d: %s", len(dirs), source.List(dirs))
}

func (c call) removeFrom(ctx context.Context, dir string, names []string) error {
	d, err := layout.OpenDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	did, err := d.Remove(ctx, func(all []layout.Image) ([]int, error) {
		return source.Choose(all, names)
	}, c.Bool("dry-run"))
	if err != nil {
		return err
	}
	doc := report.Document{Output: dir, Images: []report.Image{}, DryRun: c.Bool("dry-run"),
		Unreferenced: &report.Blobs{BlobCount: did.Blobs, SizeBytes: did.Bytes}}
	var lines []string
	for i, im := range slices.Concat(did.Removed, did.Along) {
		name := cmp.Or(im.Label(), im.Descriptor.Digest.String())
		shown := report.Image{Name: name, OK: true}
		shown.Digest, shown.MediaType = im.Descriptor.Digest, im.Descriptor.MediaType
		doc.Images = append(doc.Images, shown)
		if i >= len(did.Removed) {
			name += " (a referrer of " + im.Subject.String() + ", which nothing else has)"
		}
		lines = append(lines, name)
	}
	if c.Bool("dry-run") {
		c.note("dry run: nothing has changed; without it drayage gc %s would free %s", dir,
			terminal.Size(did.Bytes))
	} else if did.Blobs > 0 {
		c.note("drayage gc %s frees %s", terminal.ShellWord(dir), terminal.Size(did.Bytes))
	}
	return c.result(doc, lines)
}
