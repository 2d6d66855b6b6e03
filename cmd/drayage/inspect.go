package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/inspect"
)

const inspectHelp = `Shows what an image is: names, platforms, digests, image IDs, sizes, and for
a single platform also its configuration and layers. No layer is downloaded.
Of a layout or a saved tar it shows every image. Tables have digests cut to
12 digits, as docker images does; --json has all of everything.

EXAMPLES:
   drayage inspect alpine:3.20
   drayage inspect alpine:3.20 --platform linux/arm64
   drayage inspect images
   drayage inspect alpine.tar
   drayage inspect ghcr.io/team/app:1 --json | jq -r '.images[].platforms[].imageID'`

func inspectCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "inspect",
		Usage:       "show what an image is, without downloading it",
		UsageText:   "drayage inspect SOURCE",
		Description: inspectHelp,
		Flags: append(append([]cli.Flag{
			platformFlag("only `OS/ARCH[/VARIANT]`, in detail; repeatable, or all (default: an overview of all)"),
			&cli.BoolFlag{Name: "referrers", Usage: "list signatures, attestations and SBOMs that belong to an image in a registry"},
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: func(c *cli.Context) error { return env.inspect(c.Context, c) },
	}
}

// inspection is the JSON result.
type inspection struct {
	Source     string           `json:"source"`
	Images     []*inspect.Image `json:"images"`
	Layers     int              `json:"layers"`     // different ones in all images together
	LayerBytes int64            `json:"layerBytes"` // their size, each counted once
	Quota      *pullQuota       `json:"pullQuota,omitempty"`
}

// pullQuota is what a registry says of the pulls that it grants.
type pullQuota struct {
	Limit         int    `json:"limit"`
	Remaining     int    `json:"remaining"`
	WindowSeconds int    `json:"windowSeconds,omitempty"`
	Source        string `json:"source,omitempty"`
}

func (e *environment) inspect(ctx context.Context, c *cli.Context) error {
	l := e.newLooker(c)
	defer l.close()
	arg, err := l.argument("SOURCE")
	if err != nil {
		return err
	}
	want, all, err := platforms(c)
	if err != nil {
		return err
	}
	subjects, err := l.open(ctx, arg)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", arg, err)
	}
	doc := inspection{Source: arg, Images: []*inspect.Image{}}
	opts := inspect.Options{Platforms: want, Configs: all || len(want) > 0 || c.Bool("json")}
	errs := make([]error, len(subjects))
	for i := range subjects {
		im, err := l.inspect(ctx, &subjects[i], opts)
		if err != nil {
			if errs[i] = fmt.Errorf("inspect %s: %w", subjects[i].label, err); len(subjects) > 1 {
				fmt.Fprintf(e.stderr, "drayage: %s\n", describe(errs[i]))
			}
			continue
		}
		doc.Images = append(doc.Images, im)
	}
	if len(doc.Images) > 0 {
		doc.Quota = quotaOf(ctx, &subjects[0])
	}
	doc.Layers, doc.LayerBytes = inspect.Total(doc.Images)
	if err := l.printInspection(doc, all || len(want) > 0); err != nil {
		return err
	}
	return outcome(errs)
}

func (l *looker) inspect(ctx context.Context, s *subject, opts inspect.Options) (*inspect.Image, error) {
	if s.saved != nil {
		return inspect.Saved(*s.saved)
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	im, err := inspect.Read(ctx, s.source, s.root, opts)
	if err != nil {
		return nil, err
	}
	im.Names = append([]string{}, s.names...)
	for _, d := range im.Subjects() {
		for _, r := range s.belonging[d] {
			im.Referrers = append(im.Referrers, inspect.Referrer{Digest: r.Descriptor.Digest, ArtifactType: r.Descriptor.ArtifactType, Tag: r.Ref, Subject: d})
		}
	}
	if s.repo != nil && l.c.Bool("referrers") {
		err = im.ReadReferrers(ctx, s.repo)
	}
	return im, err
}

// quotaOf is what the registry says of pulls, if it does.
func quotaOf(ctx context.Context, s *subject) *pullQuota {
	if s.repo == nil {
		return nil
	}
	q := s.repo.Quota(ctx, s.ref.Target())
	if q == nil {
		return nil
	}
	return &pullQuota{Limit: q.Limit, Remaining: q.Remaining, WindowSeconds: int(q.Window / time.Second), Source: q.Source}
}

func (l *looker) printInspection(doc inspection, detailed bool) error {
	if l.c.Bool("json") {
		return l.env.printJSON(doc)
	}
	p := &picture{w: l.env.stdout, detailed: detailed, several: len(doc.Images) > 1}
	for i, im := range doc.Images {
		if i > 0 {
			p.line("")
		}
		p.image(im)
	}
	if !detailed && len(doc.Images) > 0 && (p.several || len(doc.Images[0].Platforms) != 1) {
		p.legend(doc.Images, l.source)
	}
	if doc.Quota != nil {
		p.quota(*doc.Quota)
	}
	return p.err
}
