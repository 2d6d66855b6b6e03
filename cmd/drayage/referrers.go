package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
	"drayage/upload"
)

// referrers pushes what belongs to the images that have been pushed, and to that in turn; or says that it stays.
func (p *pusher) referrers(ctx context.Context, pushed []upload.Result, opts upload.Options) error {
	opts.Planned, opts.Progress, opts.Stream = nil, nil, nil
	sent, left := 0, 0
	seen := map[digest.Digest]bool{}
	for len(pushed) > 0 {
		var next []upload.Target
		for _, r := range pushed {
			if r.Err != nil || r.Target.Image == nil {
				continue
			}
			targets, err := p.referrersOf(ctx, r, seen)
			if err != nil {
				return err
			}
			next = append(next, targets...)
		}
		if !p.c.Bool("referrers") {
			left += len(next)
			break
		}
		var err error
		if pushed, err = upload.Push(ctx, next, opts); err != nil {
			return fmt.Errorf("push: %w", err)
		}
		for _, r := range pushed {
			if r.Err != nil {
				return fmt.Errorf("push referrer %s to %s: %w", r.Target.Image.Root.Digest, r.Target.Repository.Name(), r.Err)
			}
			sent++
		}
	}
	if left > 0 {
		p.env.note(p.c, "note: %d referrers (signatures, attestations, SBOMs) stay behind: --referrers takes them along", left)
	}
	if sent > 0 {
		p.env.note(p.c, "with %d referrers (signatures, attestations, SBOMs)", sent)
	}
	return nil
}

// referrersOf makes the targets for what belongs to one pushed image: into the same repository, and under the tag that
// cosign looks for where it has one.
func (p *pusher) referrersOf(ctx context.Context, r upload.Result, seen map[digest.Digest]bool) ([]upload.Target, error) {
	var targets []upload.Target
	for _, n := range r.Target.Image.Manifests {
		for _, im := range p.belonging[n.Descriptor.Digest] {
			if seen[im.Descriptor.Digest] {
				continue
			}
			seen[im.Descriptor.Digest] = true
			loaded, err := image.Open(ctx, p.layout, im.Descriptor, image.Selection{All: true})
			if err == nil {
				err = loaded.LeaveOutForeign(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("referrer %s: %w", im.Descriptor.Digest, err)
			}
			t := upload.Target{Repository: r.Target.Repository, Image: loaded}
			if strings.Contains(im.Ref, ".") {
				t.Tag = im.Ref
			}
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// subjects reads what belongs to the images of a layout once, however many images are taken from it.
func (s *saver) subjects(dir *layout.Layout) (map[digest.Digest][]layout.Image, error) {
	if known, ok := s.belonging[dir]; ok {
		return known, nil
	}
	by, err := subjects(dir)
	if err != nil {
		return nil, err
	}
	if s.belonging == nil {
		s.belonging = map[*layout.Layout]map[digest.Digest][]layout.Image{}
	}
	s.belonging[dir] = by
	return by, nil
}

// referrers finds what a layout holds that belongs to an image, and to that in turn, if the user wants it.
func (s *saver) referrers(ctx context.Context, dir *layout.Layout, g *image.Graph) ([]*image.Image, error) {
	if !s.c.Bool("referrers") {
		return nil, nil
	}
	belonging, err := s.subjects(dir)
	if err != nil {
		return nil, err
	}
	var all []*image.Image
	seen := map[digest.Digest]bool{}
	for graphs := []*image.Graph{g}; len(graphs) > 0; graphs = graphs[1:] {
		for _, n := range graphs[0].Manifests {
			for _, im := range belonging[n.Descriptor.Digest] {
				if seen[im.Descriptor.Digest] {
					continue
				}
				seen[im.Descriptor.Digest] = true
				rg, err := image.Load(ctx, dir, im.Descriptor, image.Selection{All: true})
				if err != nil {
					return nil, fmt.Errorf("referrer %s: %w", im.Descriptor.Digest, err)
				}
				r := &image.Image{Graph: rg, Source: rg.Source(dir), Subject: im.Subject}
				if strings.Contains(im.Ref, ".") {
					r.Tag = im.Ref
				}
				all, graphs = append(all, r), append(graphs, rg)
			}
		}
	}
	return all, nil
}

// wholeReferrer is a referrer of the image with the given name as an archive holds it.
func wholeReferrer(r *image.Image, name string) dockerarchive.Whole {
	w := dockerarchive.Whole{Graph: r.Graph, Source: r.Source, Subject: r.Subject}
	if ref, err := registry.ParseReference(name); err == nil && r.Tag != "" {
		w.Names = []string{ref.Name() + ":" + r.Tag}
	}
	return w
}
