package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/farside"
	"drayage/internal/source"
	"drayage/registry"
)

// open finds the images of all sources. A source without images, or one that cannot be read, ends the
// command: nobody expects a tar with less in it than was asked for.
func (s *saver) open(ctx context.Context, args []string) error {
	specs, err := s.parseSources(args)
	if err != nil {
		return err
	}
	s.sources = specs
	s.takeAll(specs)
	s.openHeld()
	var refs []registry.Reference
	for _, spec := range specs {
		if spec.Kind == source.Registry {
			if err := s.refuseRegistry(spec.Text); err != nil {
				return err
			}
			refs = append(refs, spec.Ref)
		}
	}
	resolved, err := s.resolve(ctx, refs, len(specs))
	if err != nil {
		return err
	}
	for _, spec := range specs {
		if spec.Kind == source.Registry {
			err, resolved = s.addPulled(ctx, resolved[0]), resolved[1:]
		} else {
			err = s.addLocal(ctx, spec)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", spec.Text, spec.Explain(err))
		}
	}
	var others []string
	if !s.format.Whole() {
		others = append(others, "--format oci")
	}
	s.noteNames()
	s.noteLeft(&s.stay, "left out", others...)
	return nil
}

// noteNames says what of the registry a docker tar does not keep, and which names engines do not see.
func (s *saver) noteNames() {
	switch {
	case s.out.Form == source.LayoutDir:
	case s.format.Whole() && len(s.pinned) > 0:
		s.note("note: docker load gives no name to what was asked for by a digest (%s): --tag NAME:TAG gives one",
			source.List(s.pinned))
	case s.format.Whole():
	case len(s.pinned) > 0:
		s.note("note: a docker tar does not keep the registry's digests, nor names that hold one (%s): "+
			"--format oci keeps both, --tag NAME:TAG gives another name", source.List(s.pinned))
	case s.digests:
		s.note("note: a docker tar does not keep the registry's digests, only image IDs: --format oci keeps both")
	}
}

// noteDefault says once which platform is taken of images for several platforms.
func (s *saver) noteDefault() {
	if len(s.sel.Platforms) == 0 && !s.sel.All && !s.noted {
		s.noted = true
		s.noteDefaultPlatform("another")
	}
}

// resolve asks registries what the images in them consist of.
// With several sources each failure is said at once, and all of them end the command.
func (s *saver) resolve(ctx context.Context, refs []registry.Reference, sources int) ([]fetch.Result, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	s.noteDefault()
	client, err := s.registryClient(refs...)
	if err != nil {
		return nil, err
	}
	s.wire = client.Received
	images, opts := s.tellImages("save", sources), s.fetching()
	opts.Finished = images.fetched
	resolved := fetch.Resolve(ctx, client, refs, opts)
	lost := &nothingWritten{total: sources}
	for _, r := range resolved {
		if r.Err != nil && sources > 1 {
			lost.failed, lost.first = lost.failed+1, cmp.Or(lost.first, r.Err)
		}
	}
	if lost.failed == 0 || ctx.Err() != nil {
		return resolved, nil
	}
	images.again("failed:", len(resolved), func(i int) (string, error) {
		return resolved[i].Reference.String(), resolved[i].Err
	})
	return nil, lost
}

// fetching says how images come from a registry.
func (s *saver) fetching() fetch.Options {
	return fetch.Options{
		All: s.sel.All, Platforms: s.sel.Platforms, Referrers: s.referrers(), Jobs: s.Int("jobs"),
		Explain: missing, Held: s.held,
	}
}

// addPulled adds an image in a registry.
func (s *saver) addPulled(ctx context.Context, r fetch.Result) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Image.Schema1 != "" && s.Bool("dry-run") {
		s.old = append(s.old, r)
		return nil
	}
	if err := s.convert(ctx, r, s.fetching()); err != nil {
		return err
	}
	s.notePassed(r.Reference.String(), r.Image.Platforms, r.Image.Passed)
	if s.format.Whole() {
		s.notePinned(r.Image)
	}
	s.pulled = append(s.pulled, r)
	s.stay.enter(&r.Image.Image, nil, r.Image.IndexReferrers)
	s.named[&r.Image.Image] = true
	s.take(&r.Image.Image)
	return nil
}

// convert makes an image of one in schema 1, which has to be read whole for that.
func (c call) convert(ctx context.Context, r fetch.Result, opts fetch.Options) error {
	if r.Image.Schema1 == "" {
		return nil
	}
	c.note("%s is in Docker's old schema 1, which does not say what is in its layers: they are read twice",
		r.Reference)
	meter := c.newMeter("read", nil)
	opts.Planned, opts.Progress = meter.Plan, meter.Update
	err := r.Image.Convert(ctx, opts)
	meter.finish()
	if err == nil {
		c.noteConverted(r.Image)
	}
	return err
}

// addLocal adds the images of a layout or an archive.
func (s *saver) addLocal(ctx context.Context, spec source.Spec) error {
	set, err := spec.Open(ctx, s.sourceOptions())
	if err != nil {
		return err
	}
	s.closes = append(s.closes, func() error { set.Close(); return nil })
	s.noteRemarks(set)
	if err := set.Fault(); err != nil {
		return err
	}
	if err := set.CheckPlatforms(s.sel.Platforms, "taken"); err != nil {
		return err
	}
	for i, im := range set.Images {
		if err := s.add(ctx, im, spec.Name != ""); err != nil {
			return err
		}
		set.Images[i] = nil // there may be very many
	}
	set.Forget()
	return nil
}

// add adds an image of a layout or an archive. chosen says that the user gave its name.
func (s *saver) add(ctx context.Context, im *source.Image, chosen bool) error {
	sel := s.sel
	if im.IsIndex() {
		s.noteDefault()
		root, _, _ := im.Root(ctx) // no request: it is in a layout or an archive
		sel = s.held.Join(ctx, im.Names, root, sel)
	}
	loaded, err := im.Load(ctx, sel)
	var judged image.Judgement
	if err == nil {
		im.Spare(loaded)
		judged, err = loaded.Judge(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", im.Label, err)
	}
	s.notePassed(im.Label, loaded.Platforms, loaded.Passed)
	if !s.format.Whole() && !chosen && judged.Kind == image.Artifact {
		s.note("note: %s is no container image: it is left out of a docker tar", im.Label)
		return nil
	}
	for _, a := range loaded.Absent {
		if a.Reason == image.ForeignLayer { // a tar without it loads nowhere
			return fmt.Errorf("%s: %w", im.Label, &registry.ForeignError{Layer: a.Descriptor})
		}
	}
	if s.referrers() {
		if loaded.Referrers, err = im.Referrers(ctx, loaded); err != nil {
			return err
		}
	}
	if err := s.stay.add(ctx, im, loaded); err != nil {
		return err
	}
	if chosen {
		s.named[loaded] = true
	}
	s.take(loaded)
	return nil
}

// take adds an image whose platforms have been chosen.
func (s *saver) take(im *image.Image) {
	if len(im.Names) == 0 && len(s.names) == 0 && !im.Uncompressed && s.out.Form != source.LayoutDir {
		s.note("note: %s has no name with a tag: it will be loaded without one", im.Root.Digest)
	}
	for _, n := range im.Names {
		if strings.Contains(n, "@") && len(s.names) == 0 {
			s.pinned = append(s.pinned, n)
		}
	}
	s.digests = s.digests || !im.Uncompressed
	s.images = append(s.images, im)
	if s.noteContent(im); im.Rewritten && farside.KeptContent(im) == 0 && s.format.Whole() {
		s.note("note: only some platforms travel, in a new index: its digest is not the registry's")
	}
}
