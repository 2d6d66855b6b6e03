package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/upload"
)

// referrers pushes what belongs to the images that have been pushed, and to that in turn; or says that it stays.
func (p *pusher) referrers(ctx context.Context, pushed []upload.Result, opts upload.Options) error {
	opts.Planned, opts.Progress = nil, nil
	sent, left := 0, 0
	seen := map[digest.Digest]bool{}
	for len(pushed) > 0 {
		var next []upload.Target
		for _, r := range pushed {
			if r.Err != nil || r.Target.Layout == nil {
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
				return fmt.Errorf("push referrer %s to %s: %w", r.Target.Layout.Graph.Root.Digest, r.Target.Repository.Name(), r.Err)
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
	for _, n := range r.Target.Layout.Graph.Manifests {
		for _, im := range p.belonging[n.Descriptor.Digest] {
			if seen[im.Descriptor.Digest] {
				continue
			}
			seen[im.Descriptor.Digest] = true
			loaded, err := upload.Load(ctx, p.layout, im.Descriptor, true, nil)
			if err != nil {
				return nil, fmt.Errorf("referrer %s: %w", im.Descriptor.Digest, err)
			}
			t := upload.Target{Repository: r.Target.Repository, Layout: loaded}
			if strings.Contains(im.Ref, ".") {
				t.Tag = im.Ref
			}
			targets = append(targets, t)
		}
	}
	return targets, nil
}
