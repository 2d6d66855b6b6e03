package main

import (
	"context"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/internal/report"
	"drayage/internal/source"
)

const digestHelp = `Prints name@sha256:... of an image: of its manifest for one platform, or with
--list of what the tag itself stands for, which for images of several platforms
is an index. Of a layout it prints one line for each image. With --list nothing
counts as a pull.

EXAMPLES:
   drayage digest alpine:3.20
   drayage digest alpine:3.20 --platform linux/arm64
   drayage digest alpine:3.20 --list
   drayage digest oci:images:alpine:3.20`

func digestCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "digest",
		Category:    commandsLook,
		Usage:       "print the digest of an image",
		UsageText:   "drayage digest SOURCE",
		Description: digestHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "list", Category: groupWhat,
				Usage: "of the index, or whatever else the tag stands for"},
			platformFlag(onePlatformUsage),
			keyFlag(),
			tempDirFlag(),
		}, lookFlags()...), outputFlags()...),
		Action: env.look("SOURCE", (*looker).digest),
	}
}

func (l *looker) digest(ctx context.Context, arg string) error {
	want, err := l.onePlatform()
	if err != nil {
		return err
	}
	if l.Bool("list") && l.given("platform") {
		return usagef("--list is about all platforms: leave out --platform")
	}
	if err := l.open(ctx, arg); err != nil {
		return fmt.Errorf("digest %s: %w", arg, err)
	}
	doc := report.Document{Source: arg, Images: []report.Image{}}
	var lines []string
	for _, im := range l.set.Images {
		r, err := l.digestOf(ctx, im, want)
		if err != nil {
			return fmt.Errorf("digest %s: %w", arg, err)
		}
		doc.Images = append(doc.Images, r)
		lines = append(lines, r.Reference)
	}
	return l.result(doc, lines)
}

func (l *looker) digestOf(ctx context.Context, im *source.Image, want []v1.Platform) (report.Image, error) {
	r := report.Image{Name: im.Label, OK: true}
	if im.Saved != nil {
		return r, noManifest(im)
	}
	if l.Bool("list") {
		d, err := im.RootDigest(ctx)
		if err != nil {
			return r, err
		}
		r.Digest = d
	} else {
		leaf, _, err := l.pick(ctx, im, want)
		if err != nil {
			return r, fmt.Errorf("%s: %w", im.Label, err)
		}
		if r.Digest = leaf.Descriptor.Digest; leaf.Platform.OS != "" {
			r.Platforms = report.Platforms([]v1.Platform{leaf.Platform})
		}
	}
	r.Reference = im.At(r.Digest)
	return r, nil
}
