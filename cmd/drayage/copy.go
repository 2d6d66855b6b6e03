package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

const copyHelp = `Copies images from registry to registry. Nothing is stored on disk. Images
go byte for byte and with all platforms, so that digests stay. What the
destination has is not sent again, and an image that is there already costs no
pull. SOURCE may also be a layout or a saved tar, as for push.

DEST is the new name of a single image, or ends in / and takes every image under
its own path and tag: docker.io/library/alpine:3.20 becomes
DEST + library/alpine:3.20. A DEST without a tag takes several tags of one
repository.

EXAMPLES:
   drayage copy alpine:3.20 harbor.corp/team/alpine:3.20
   drayage copy alpine:3.20 ghcr.io/team/app:1.2 harbor.corp/mirror/
   drayage copy --from list.txt harbor.corp/mirror/ --keep-host
   drayage copy quay.io/team/app:1 harbor.corp/app:1 --platform linux/amd64`

func copyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "copy",
		Aliases:     []string{"cp"},
		Category:    commandsMove,
		Usage:       "copy images from registry to registry",
		UsageText:   "drayage copy SOURCE... DEST",
		Description: copyHelp,
		Flags: slices.Concat([]cli.Flag{
			platformFlag("copy only what is for `OS/ARCH`; without it everything, unchanged"),
			fromFlag(),
			keyFlag(),
			volumesFlag(),
			&cli.BoolFlag{Name: "referrers", Category: groupWhat,
				Usage: "also the referrers of the images: signatures, attestations, SBOMs"},
			foreignFlag(),
			moveDryRunFlag(),
			jobsFlag("transfers", "8, and 16 more of small blobs"),
			shardLookFlag(),
		}, shardPushFlags(), renameFlags(), sideFlags(), bothFlags(), outputFlags(progressFlag())),
		Action: env.run(call.copy),
	}
}

func (c call) copy(ctx context.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 || len(args) == 1 && len(c.lists()) == 0 {
		return usagef("copy needs a SOURCE and a DEST: %s given", terminal.Count(len(args), "argument"))
	}
	names, to := args[:len(args)-1], args[len(args)-1]
	if how := source.Bring(names, to); how != "" {
		return usagef("copy takes images to a registry, and %q is none: %s", to, how)
	}
	dest, err := c.destination(to)
	if err != nil {
		return err
	}
	refs, local, err := c.copied(names)
	switch {
	case err != nil:
		return err
	case local != nil:
		return c.pushLocal(ctx, *local, dest, upload.Compression{})
	}
	if err := c.refuseRegistry("an image that copy takes"); err != nil {
		return err
	}
	return c.copyImages(ctx, refs, dest)
}

// copied tells what is to be copied: images in registries, each once, or a layout or an archive.
func (c call) copied(args []string) (refs []registry.Reference, local *source.Spec, err error) {
	names := source.Names{Parse: func(name string) (registry.Reference, error) {
		spec, err := c.parseSource(name)
		switch {
		case err != nil || spec.Kind == source.Registry:
		case len(args) > 1 || len(c.lists()) > 0:
			err = usagef("%q is no image in a registry: copy it alone", name)
		default:
			local = &spec
		}
		return spec.Ref, err
	}}
	if err = c.gather(&names, args); source.IsAbsent(err) {
		err = c.about(err)
	}
	return names.Refs, local, err
}

// copyImages copies images that are in registries.
func (c call) copyImages(ctx context.Context, refs []registry.Reference, dest upload.Destination) error {
	dest, err := dest.For(refs)
	if err != nil {
		return err
	}
	p, err := c.newPusher(hosts(refs), dest)
	if err != nil {
		return err
	}
	defer p.client.Close()
	c.noteUnfit(dest, refs)
	refs, others := c.share(refs)
	p.placed, p.sources = upload.NewPlacement(p.client, dest), map[string]string{}
	p.images = c.tellImages("copy", len(refs))
	opts := fetch.Options{
		All: p.sel.All, Platforms: p.sel.Platforms, Referrers: c.Bool("referrers"), Jobs: c.Int("jobs"),
		There: p.copyAt, Finished: p.images.fetched, Explain: c.missing, Later: true,
	}
	if err := p.findOrWait(ctx, refs, opts); err != nil {
		return err
	}
	p.seeNamed(ctx, others, opts)
	spec := source.Spec{Kind: source.Registry}
	if len(refs) == 1 {
		spec.Text = refs[0].String()
	}
	return p.pushOrForesee(ctx, spec)
}

// findOrWait finds out about all images, unless that is done by turns.
func (p *pusher) findOrWait(ctx context.Context, refs []registry.Reference, opts fetch.Options) error {
	turns, err := p.byTurns(refs)
	if err != nil {
		return err
	}
	if turns {
		p.turns = &turnsTaken{refs: refs, opts: opts}
		return nil
	}
	there, err := p.find(ctx, refs, opts)
	if err == nil {
		p.noteThere(there, len(refs))
	}
	return err
}

// copyAt is where an image goes.
func (p *pusher) copyAt(ref registry.Reference) registry.Reference {
	at, err := p.dest.Place(ref.Recorded())
	if err != nil {
		return registry.Reference{}
	}
	return at
}

// placeFound gives an image its place, unless it could not be found out about.
func (p *pusher) placeFound(ctx context.Context, r fetch.Result, opts fetch.Options) error {
	at, err := p.dest.Place(r.Reference.Recorded())
	if err != nil {
		return usagef("%v", err)
	}
	p.sources[upload.Target{Repository: p.client.Repository(at), Tag: at.Tag}.Name()] = r.Reference.String()
	if r.Err == nil {
		r.Err = p.prepare(ctx, r, opts)
	}
	if r.Err != nil {
		p.lost = append(p.lost, upload.Result{
			Target: upload.Target{Repository: p.client.Repository(at), Tag: at.Tag},
			Err:    fmt.Errorf("from %s: %w", r.Reference, r.Err),
		})
		return nil
	}
	t := upload.Target{Image: &r.Image.Image, From: p.client.Repository(r.Reference)}
	return p.collision(p.placed.Add(t, r.Reference.Names(), r.Reference.String()))
}

// prepare makes an image ready to be pushed: one in schema 1 is converted, foreign layers may be absent.
func (p *pusher) prepare(ctx context.Context, r fetch.Result, opts fetch.Options) error {
	if r.Image.Schema1 != "" && p.Bool("dry-run") {
		p.note("note: %s is in Docker's old schema 1 and would be converted: its layers are read twice",
			r.Reference)
	} else if err := p.convertAlone(ctx, r, opts); err != nil {
		return err
	}
	for _, im := range append([]*image.Image{&r.Image.Image}, r.Image.Referrers...) {
		if err := im.LeaveOutForeign(ctx); err != nil {
			return err
		}
	}
	p.notePassed(r.Reference.String(), r.Image.Platforms, r.Image.Passed)
	p.noteForeign(&r.Image.Image)
	if r.Image.Rewritten {
		p.note("note: only some platforms of %s travel, in a new index: its digest is not the registry's",
			r.Reference)
	}
	p.left.enter(&r.Image.Image, nil, r.Image.IndexReferrers)
	return nil
}
