package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

// use gives the images their places.
func (p *pusher) use(ctx context.Context, set *source.Set) error {
	if err := set.Fault(); err != nil {
		return err
	}
	dest, images, err := p.going(set)
	if err == nil {
		err = set.CheckPlatforms(p.sel.Platforms, "pushed")
	}
	if err != nil {
		return err
	}
	images, others := p.shareFound(images)
	if p.restorer != nil {
		p.restorer.alone, p.restorer.without = len(images) == 1, nil
	}
	p.left, p.strays, p.nameless, p.placed = leftovers{}, nil, nil, upload.NewPlacement(p.client, dest)
	for _, im := range images {
		placed, err := p.placeOne(ctx, im)
		if err != nil {
			return err
		}
		if !placed {
			p.nameless = append(p.nameless, im.Label)
		}
	}
	if err := cmp.Or(p.signed(), p.restorer.unused()); err != nil {
		return err
	}
	p.seeFound(ctx, dest, others)
	for _, t := range p.placed.Targets {
		if t.Image != nil {
			p.left.travel(t.Image.Root.Digest)
		}
	}
	if nameless := append(p.nameless, p.strays...); len(p.placed.Targets) == 0 && len(nameless) > 0 {
		return dest.Nameless(source.List(nameless))
	}
	return p.gather(ctx)
}

// placeOne gives one image its places. It reports whether that was possible. Of artifacts without a name it
// notes that they stay behind: they came with an image that is not here.
func (p *pusher) placeOne(ctx context.Context, im *source.Image) (placed bool, err error) {
	t := upload.Target{Saved: im.Saved}
	if im.Saved == nil {
		if t.Image, err = p.load(ctx, im); err != nil {
			return false, fmt.Errorf("%s: %w", im.Label, err)
		}
	}
	if err := p.checkSignature(ctx, im, t.Image); err != nil {
		return false, err
	}
	if p.restorer != nil {
		if t, err = p.restorer.target(ctx, im, t); err != nil {
			return false, err
		}
	}
	names := im.Names
	switch {
	case p.dest.IsPrefix() && len(names) == 0 && t.Image != nil && isArtifact(t.Image):
		p.strays = append(p.strays, im.Label)
		return true, nil
	case p.dest.IsPrefix() && len(names) == 0:
		return false, nil
	case len(names) == 0:
		names = []string{im.Tag}
	}
	return true, p.collision(p.placed.Add(t, names, im.Label))
}

// collision adds to an error about two images for one place what to do about it.
func (p *pusher) collision(err error) error {
	if !errors.As(err, new(*upload.CollisionError)) {
		return err
	}
	how := "choose one by its name (as in oci:DIR:NAME), and give each a DEST of its own"
	if p.dest.IsPrefix() && !p.Bool("keep-host") {
		how = "--keep-host keeps their registries apart, --map FILE gives each a name, or " + how
	}
	return usagef("%v: %s", err, how)
}

func isArtifact(im *image.Image) bool {
	doc := &im.RootNode().Document
	return !image.IsIndex(doc.MediaType) && !doc.MayBeImage()
}

// going chooses which images go where. An image without a name goes by the names that it has elsewhere.
// Images with several tags or digests go into one repository under their own, if DEST has none and they are
// of one repository.
func (p *pusher) going(set *source.Set) (upload.Destination, []*source.Image, error) {
	if len(set.Images) == 0 {
		return p.dest, nil, kind.Errorf(registry.ErrNotFound, "there is no image to push")
	}
	digests, tags := map[digest.Digest]bool{}, map[string]bool{}
	repositories, named := map[string]bool{}, map[digest.Digest]bool{}
	untagged := false
	for _, im := range set.Images {
		digests[im.Digest()] = true
		named[im.Digest()] = named[im.Digest()] || len(im.Names) > 0
		for _, n := range im.Names {
			ref, err := registry.ParseReference(n)
			untagged = untagged || err != nil
			tags[cmp.Or(ref.Tag, ref.Digest.String())], repositories[ref.Name()] = true, true
		}
		if untagged = untagged || len(im.Names) == 0 && im.Tag == ""; im.Tag != "" {
			tags[im.Tag] = true
		}
	}
	if p.dest.IsPrefix() {
		return p.dest, slices.DeleteFunc(slices.Clone(set.Images), func(im *source.Image) bool {
			return len(im.Names) == 0 && named[im.Digest()]
		}), nil
	}
	ofOne := len(tags) > 1 && !untagged && len(repositories) < 2
	if kept, ok := p.dest.KeepTags(); ok && ofOne {
		return kept, set.Images, nil
	}
	if len(digests) > 1 {
		return p.dest, nil, p.several(set, len(digests), ofOne)
	}
	if err := p.tagless(tags, untagged); err != nil {
		return p.dest, nil, err
	}
	return p.dest, set.Images[:1], nil
}

// tagless is the error about a DEST without a tag for one image with a tag: nobody means latest.
func (p *pusher) tagless(tags map[string]bool, untagged bool) error {
	if _, bare := p.dest.KeepTags(); !bare || len(tags) != 1 || untagged || tags["latest"] {
		return nil
	}
	for tag := range tags {
		return usagef("DEST %s has no tag: %[1]s:%s names the image, %[1]s/ keeps its own name below it",
			p.dest, tag)
	}
	return nil
}

// several is the error about several images for one name.
func (p *pusher) several(set *source.Set, images int, ofOne bool) error {
	there, also := "there are", ""
	if set.Layout == nil {
		there = "the archive holds"
	}
	if ofOne {
		also = "leave out its tag to keep theirs, "
	}
	return usagef("%s is the name of one image, but %s %d: %s: "+
		"end DEST in / to keep their names, %sor choose one with %s:%s:NAME",
		p.dest, there, images, source.Labels(set.Images), also, set.Spec.Before(set.Layout == nil), set.Spec.Path)
}

// load loads an image of a layout, with its referrers if they were asked for.
func (p *pusher) load(ctx context.Context, im *source.Image) (*image.Image, error) {
	loaded, err := im.Load(ctx, p.sel)
	if err != nil {
		return nil, err
	}
	im.Spare(loaded)
	p.notePassed(im.Label, loaded.Platforms, loaded.Passed)
	p.noteForeign(loaded)
	if p.Bool("referrers") {
		if loaded.Referrers, err = im.Referrers(ctx, loaded); err != nil {
			return nil, err
		}
	}
	return loaded, p.left.add(ctx, im, loaded)
}

// unplaced adds the images that could not be pushed because they have no name. One line says so of all.
func (p *pusher) unplaced(spec source.Spec, doc *report.Document) (errs []error) {
	if len(p.nameless) == 0 {
		return nil
	}
	how := ""
	if spec.Path != "" {
		one := spec.Before(spec.Kind == source.Archive) + ":" + spec.Path + ":" + p.nameless[0]
		how = fmt.Sprintf(", as in drayage push %s %srepository:tag", terminal.ShellWord(one), p.dest)
	}
	err := usagef("it has no name: give it a DEST of its own%s", how)
	_ = p.failed(fmt.Errorf("push %s: %w", source.List(p.nameless), err), len(doc.Images)+1)
	for _, label := range p.nameless {
		doc.Images = append(doc.Images, report.Image{Name: label, Error: p.reported(p.Context.Context, err)})
		errs = append(errs, err)
	}
	return errs
}
