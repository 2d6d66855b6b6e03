package main

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/forecast"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

// pushOrForesee pushes images that have their places, or says how much that would move.
func (p *pusher) pushOrForesee(ctx context.Context, spec source.Spec) error {
	if p.Bool("dry-run") {
		return p.forecast(ctx, spec)
	}
	return p.push(ctx, spec)
}

// forecast says what a push or copy would move.
func (p *pusher) forecast(ctx context.Context, spec source.Spec) error {
	told := p.images
	if told == nil {
		told = p.tellImages(p.Command.Name, len(p.placed.Targets))
	}
	d, err := p.newDryRun(told)
	if err != nil {
		return err
	}
	d.sources = p.sources
	belonging, err := p.foreseeReferrers(ctx)
	if err == nil {
		err = upload.Foresee(ctx, p.placed.Targets, p.opts, func(t upload.Target, moves []image.Move, err error) {
			d.add(describeTarget(t), partsOf(t, append(moves, belonging.of(t)...)), err)
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Command.Name, err)
	}
	for _, r := range p.lost {
		d.add(report.Image{Name: r.Target.Name()}, nil, r.Err)
	}
	p.noteBehind()
	doc := report.Document{Source: spec.Text, Destination: p.dest.String(), Images: d.images}
	d.errs = append(d.errs, p.unplaced(spec, &doc)...)
	d.images = doc.Images
	if err := d.end(doc); err != nil || len(d.Table.Lacking) == 0 {
		return err
	}
	return kind.Errorf(registry.ErrNotFound, "%s: %s were left out of %s, and %s does not have them",
		p.Command.Name, terminal.Count(len(d.Table.Lacking), "blob"), spec.Text, p.dest)
}

func describeTarget(t upload.Target) report.Image {
	im := report.Image{Name: t.Name()}
	if t.Image != nil {
		im.Digest, im.MediaType = t.Image.Root.Digest, t.Image.Root.MediaType
	}
	return im
}

// partsOf divides what is pushed into platforms.
func partsOf(t upload.Target, moves []image.Move) []forecast.Part {
	if t.Image != nil {
		return forecast.Parts(t.Image, moves)
	}
	label := "-"
	if config, err := image.ParseConfig(t.Saved.Config); err == nil && config.Platform.OS != "" {
		label = image.FormatPlatform(config.Platform)
	}
	return []forecast.Part{{Label: label, Moves: moves}}
}

// belonging is what would become of the referrers of images, by repository and digest.
type belonging map[belongs][]image.Move

type belongs struct {
	repository string
	referrer   digest.Digest
}

// foreseeReferrers finds out what would become of the referrers of all images, if they were asked for.
func (p *pusher) foreseeReferrers(ctx context.Context) (belonging, error) {
	all := belonging{}
	if !p.Bool("referrers") {
		return all, nil
	}
	var pushed []upload.Result
	for _, t := range p.placed.Targets {
		pushed = append(pushed, upload.Result{Target: t})
	}
	for _, part := range upload.Referrers(pushed) {
		var failed error
		err := upload.Foresee(ctx, part, p.opts, func(t upload.Target, moves []image.Move, err error) {
			if all[belongs{t.Repository.Name(), t.Image.Root.Digest}] = moves; err != nil && failed == nil {
				failed = err
			}
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// of is what would become of the referrers of an image.
func (b belonging) of(t upload.Target) (all []image.Move) {
	if t.Image == nil {
		return nil
	}
	for _, r := range t.Image.Referrers {
		all = append(all, b[belongs{t.Repository.Name(), r.Root.Digest}]...)
	}
	return all
}
