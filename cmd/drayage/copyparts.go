package main

import (
	"context"

	"drayage/fetch"
	"drayage/image"
	"drayage/registry"
	"drayage/upload"
)

// copyWindow is how many images copy finds out about before it moves them. It bounds what is in memory of
// their manifests, and how long it takes until the first of very many images is there.
const copyWindow = 1000

// turnsTaken are the images of a copy that goes by turns: so many are found out about and moved at once.
type turnsTaken struct {
	refs     []registry.Reference
	opts     fetch.Options
	meter    *meter
	run      *upload.Run
	referred int   // referrers that have been pushed
	err      error // of the first referrer that could not be pushed
}

// byTurns reports whether the images can be copied by turns. They cannot if it takes all of their manifests
// to know that two of them do not go to one place. An error says that there is no place for an image.
func (p *pusher) byTurns(refs []registry.Reference) (bool, error) {
	if len(refs) <= copyWindow || p.Bool("dry-run") || !p.shard.All() {
		return false, nil
	}
	taken := map[string]bool{}
	for _, ref := range refs {
		at, err := p.dest.Place(ref.Recorded())
		if err != nil {
			return false, usagef("%v", err)
		}
		if name := at.String(); at.Tag != "" && taken[name] {
			return false, nil
		} else if at.Tag != "" {
			taken[name] = true
		}
	}
	return true, nil
}

// find finds out about images in registries, and gives them their places. It returns how many are there.
func (p *pusher) find(
	ctx context.Context, refs []registry.Reference, opts fetch.Options,
) (there int, _ error) {
	for _, r := range fetch.Resolve(ctx, p.client, refs, opts) {
		if err := p.placeFound(ctx, r, opts); err != nil {
			return there, err
		}
		if r.There {
			there++
			p.images.there[p.copyAt(r.Reference).String()] = true
		}
	}
	return there, nil
}

// send pushes the images that have their places, or finds out about images and pushes them by turns.
func (p *pusher) send(
	ctx context.Context, m *meter, opts upload.Options,
) (results []upload.Result, err error) {
	t := p.turns
	if t == nil {
		return upload.Push(ctx, p.placed.Targets, opts)
	}
	if t.run, err = upload.NewRun(opts); err != nil {
		return nil, err
	}
	t.meter = m
	there := 0
	for refs := t.refs; len(refs) > 0; {
		if ctx.Err() != nil {
			return append(results, p.unbegun(ctx, refs)...), context.Cause(ctx)
		}
		part := refs[:min(len(refs), copyWindow)]
		refs = refs[len(part):]
		some, n, err := p.turn(ctx, part)
		if results, there = append(results, some...), there+n; err != nil && ctx.Err() == nil {
			return results, err
		}
	}
	p.noteThere(there, len(t.refs))
	return results, context.Cause(ctx)
}

// turn finds out about some images and pushes them.
func (p *pusher) turn(ctx context.Context, refs []registry.Reference) ([]upload.Result, int, error) {
	p.placed.Targets = nil
	there, err := p.find(ctx, refs, p.turns.opts)
	if ctx.Err() != nil {
		return p.unbegun(ctx, refs), 0, context.Cause(ctx)
	}
	if err != nil {
		return nil, 0, err
	}
	for _, t := range p.placed.Targets {
		p.turns.meter.Name(t.Name(), t.Blobs())
	}
	results, err := p.turns.run.Push(ctx, p.placed.Targets)
	if err == nil && p.turns.err == nil && p.Bool("referrers") {
		n, failed := p.pushReferrers(ctx, results)
		p.turns.referred, p.turns.err = p.turns.referred+n, failed
	}
	for i := range results {
		p.settle(&results[i])
	}
	return results, there, err
}

// settle drops what is in memory of an image that has been pushed, but for what is told of it at the end.
func (p *pusher) settle(r *upload.Result) {
	im := r.Target.Image
	if r.Err == nil {
		p.turns.meter.Held(im.Travelling(), p.images.counted)
		r.Target.Image = &image.Image{Graph: &image.Graph{Root: im.Root}}
	} else {
		r.Target.Image = &image.Image{Graph: &image.Graph{Root: im.Root, Blobs: im.Travelling()}}
	}
	for _, of := range im.Referrers {
		r.Target.Image.Referrers = append(r.Target.Image.Referrers,
			&image.Image{Graph: &image.Graph{Root: of.Root}})
	}
}

// unbegun are the results of images whose turn does not come, because ctx has ended.
func (p *pusher) unbegun(ctx context.Context, refs []registry.Reference) (all []upload.Result) {
	for _, ref := range refs {
		if p.images.failed[ref.String()] {
			continue
		}
		at := p.copyAt(ref)
		all = append(all, upload.Result{
			Target: upload.Target{Repository: p.client.Repository(at), Tag: at.Tag}, Err: context.Cause(ctx),
		})
	}
	return all
}

func (p *pusher) noteThere(there, of int) {
	if there > 0 {
		p.note("%d of %d images are there already, unchanged", there, of)
	}
}

// convertAlone is convert, which shows progress of its own.
func (p *pusher) convertAlone(ctx context.Context, r fetch.Result, opts fetch.Options) error {
	if p.turns != nil && r.Image.Schema1 != "" {
		p.turns.meter.stop()
		defer p.turns.meter.start()
	}
	return p.convert(ctx, r, opts)
}
