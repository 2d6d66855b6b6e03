package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/image"
)

const manifestHelp = `Prints the bytes of a manifest or index exactly as they are stored, so that
their SHA-256 is the digest. Without --platform it is what the tag stands for,
for images of several platforms an index.

EXAMPLES:
   drayage manifest alpine:3.20
   drayage manifest alpine:3.20 --platform linux/arm64 | jq .layers
   drayage manifest oci:images:alpine:3.20 | sha256sum`

func manifestCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "manifest",
		Usage:       "print the raw manifest or index of an image",
		UsageText:   "drayage manifest SOURCE",
		Description: manifestHelp,
		Flags:       rawFlags(platformFlag("`OS/ARCH[/VARIANT]`: the manifest for this platform (default: what the tag stands for)")),
		Action:      func(c *cli.Context) error { return env.manifest(c.Context, c) },
	}
}

func (e *environment) manifest(ctx context.Context, c *cli.Context) error {
	l := e.newLooker(c)
	defer l.close()
	arg, err := l.argument("SOURCE")
	if err != nil {
		return err
	}
	raw, err := l.manifest(ctx, arg)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", arg, err)
	}
	return e.printRaw(raw)
}

func (l *looker) manifest(ctx context.Context, arg string) ([]byte, error) {
	want, err := l.onePlatform()
	if err != nil {
		return nil, err
	}
	s, err := l.one(ctx, arg)
	switch {
	case err != nil:
		return nil, err
	case s.saved != nil:
		return nil, noManifest(s)
	case len(want) == 0 && s.repo != nil:
		_, raw, err := s.repo.Raw(ctx, s.ref.Target())
		return raw, err
	case len(want) == 0:
		return image.ReadAll(ctx, s.source, s.root, image.MaxManifestSize)
	}
	leaf, o, err := l.pick(ctx, s, want)
	if err != nil {
		return nil, err
	}
	n, err := o.Manifest(ctx, leaf.Descriptor)
	if err != nil {
		return nil, err
	}
	return n.Raw, nil
}
