package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/tables"
)

const inspectHelp = `Shows what an image is: names, platforms, digests, image IDs, sizes, and for
a single platform also its configuration and layers. No layer is downloaded.
Of a layout or a saved tar it shows every image. Tables have digests cut to
12 digits, as docker images does; --json has whole digests.

EXAMPLES:
   drayage inspect alpine:3.20
   drayage inspect alpine:3.20 --platform linux/arm64
   drayage inspect images
   drayage inspect alpine.tar
   drayage inspect alpine.tar --record alpine.html
   drayage inspect ghcr.io/a/b:1 --json | jq -r '.images[].platforms[].imageID'`

func inspectCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "inspect",
		Category:    commandsLook,
		Usage:       "show what an image is, without downloading it",
		UsageText:   "drayage inspect SOURCE",
		Description: inspectHelp,
		Flags: append(append([]cli.Flag{
			platformFlag("show only what is for `OS/ARCH`, or all, in detail; without it an overview of all"),
			&cli.BoolFlag{Name: "referrers", Category: groupWhat,
				Usage: "list signatures, attestations and SBOMs that belong to an image in a registry"},
			recordFlag(recordUsage),
			basesFlag("do not show as left out what `X` has: an earlier archive, a layout, or a repository"),
			wantOutFlag(),
			keyFlag(),
			volumesFlag(),
			tempDirFlag(),
		}, lookFlags()...), outputFlags()...),
		Action: env.look("SOURCE", (*looker).inspect),
	}
}

func (l *looker) inspect(ctx context.Context, arg string) error {
	want, all, err := l.platforms()
	if err != nil {
		return err
	}
	if err := l.open(ctx, arg); err != nil {
		return fmt.Errorf("inspect %s: %w", arg, err)
	}
	if gap := l.gap(); gap != nil {
		return fmt.Errorf("inspect %s: %w", arg, gap)
	}
	recorded, err := l.record(ctx)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", arg, err)
	}
	missing, err := l.lookInBases(ctx)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", arg, err)
	}
	opts := inspect.Options{Platforms: want, Configs: all || len(want) > 0 || l.Bool("json")}
	images, bad, errs, err := l.inspectAll(ctx, opts)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", arg, err)
	}
	var quota *inspect.Quota
	if len(images) > 0 && l.set.Images[0].Repo != nil {
		quota = inspect.ReadQuota(ctx, l.set.Images[0].Repo, l.set.Images[0].Ref.Target())
	}
	if l.Bool("json") {
		doc := report.Document{Source: arg, Images: append(report.Inspected(images), bad...), PullQuota: quota,
			RecordFiles: recorded.Paths(), Volumes: l.volumes()}
		doc.LayerCount, doc.LayerBytes = inspect.Total(images)
		if n, bytes := inspect.LeftOut(images); n > 0 {
			doc.LeftOut = &report.Blobs{BlobCount: n, SizeBytes: bytes}
		}
		if l.IsSet("base") {
			doc.Missing = missingBlobs(missing)
		}
		err = l.result(doc, nil)
	} else {
		err = l.inspected(images, quota, all || len(want) > 0)
	}
	if err != nil {
		return err
	}
	l.saidRecord(recorded)
	return errors.Join(outcome(errs), l.writeWant(missing))
}

// inspectAll describes all images of the set, and those that it cannot describe. errs has an entry for each.
func (l *looker) inspectAll(
	ctx context.Context, opts inspect.Options,
) (images []*inspect.Image, bad []report.Image, errs []error, err error) {
	errs, bad = make([]error, len(l.set.Images)), []report.Image{}
	known := map[digest.Digest]*inspect.Image{} // one image may have very many names
	for i, im := range l.set.Images {
		shown, err := l.inspectNamed(ctx, im, opts, known)
		if errors.Is(err, image.ErrTooMany) {
			return nil, nil, nil, err
		}
		if err != nil {
			errs[i] = l.failed(fmt.Errorf("inspect %s: %w", im.Label, err), len(errs))
			bad = append(bad, report.Image{Name: im.Label, Error: l.reported(ctx, errs[i])})
			continue
		}
		images = append(images, shown)
	}
	return images, bad, errs, nil
}

// inspectNamed describes an image that may be known by another name.
func (l *looker) inspectNamed(
	ctx context.Context, s *source.Image, opts inspect.Options, known map[digest.Digest]*inspect.Image,
) (*inspect.Image, error) {
	im := known[s.Digest()]
	if im == nil || s.Digest() == "" || s.Saved != nil {
		var err error
		if im, err = l.inspectOne(ctx, s, opts); err != nil {
			return nil, err
		}
	}
	known[s.Digest()] = im
	named := *im
	named.Names, named.Ref = append([]string{}, s.Names...), ""
	if len(s.Names) == 0 && s.Saved == nil && s.Label != s.Digest().String() {
		named.Ref = s.Label
	}
	parts := len(im.Platforms)
	for _, p := range im.Platforms {
		parts += len(p.Layers)
	}
	return &named, l.set.Take(parts)
}

func (l *looker) inspectOne(
	ctx context.Context, s *source.Image, opts inspect.Options,
) (*inspect.Image, error) {
	if s.Saved != nil {
		return inspect.Saved(*s.Saved)
	}
	root, src, err := s.Root(ctx)
	if err != nil {
		return nil, err
	}
	im, err := inspect.Read(ctx, src, root, opts)
	if err != nil {
		return nil, err
	}
	im.LeaveOut(s.NotHere)
	for _, d := range im.Subjects() {
		for _, r := range l.set.Referring(d) {
			im.Referrers = append(im.Referrers, inspect.Referrer{
				Digest: r.Descriptor.Digest, ArtifactType: r.Descriptor.ArtifactType, Tag: r.Tag, Subject: d,
			})
		}
	}
	if s.Repo != nil && l.Bool("referrers") {
		err = im.ReadReferrers(ctx, s.Repo)
	}
	return im, err
}

// inspected shows images.
func (l *looker) inspected(images []*inspect.Image, quota *inspect.Quota, detailed bool) error {
	p := &tables.Printer{W: l.stdout, Detailed: detailed, Several: len(images) > 1, Width: l.narrow()}
	if lines := l.volumeLines(); len(lines) > 0 {
		p.Line(strings.Join(append(lines, ""), "\n"))
	}
	for i, im := range images {
		if i > 0 {
			p.Line("")
		}
		p.Image(im)
	}
	if !detailed && len(images) > 0 && (p.Several || len(images[0].Platforms) != 1) {
		p.Legend(images, l.set.Spec)
	}
	p.LeftOut(images)
	if quota != nil {
		p.Quota(quota)
	}
	return p.Err
}
