package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"drayage/internal/terminal"
)

const configHelp = `Prints the bytes of an image's configuration exactly as they are stored: their
SHA-256 is the image ID. No layer is downloaded.

EXAMPLES:
   drayage config alpine:3.20
   drayage config ghcr.io/team/app:1 --platform linux/arm64 | jq .config.Labels
   drayage config alpine.tar | sha256sum`

const manifestHelp = `Prints the bytes of a manifest or index exactly as they are stored, so that
their SHA-256 is the digest. Without --platform it is what the tag stands for,
for images of several platforms an index.

EXAMPLES:
   drayage manifest alpine:3.20
   drayage manifest alpine:3.20 --platform linux/arm64 | jq .layers
   drayage manifest oci:images:alpine:3.20 | sha256sum`

const onePlatformUsage = "`OS/ARCH[/VARIANT]` of the image (default: linux on this machine's architecture)"

func configCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "config",
		Usage:       "print the raw configuration of an image",
		UsageText:   "drayage config SOURCE",
		Description: configHelp,
		Flags:       rawFlags(platformFlag(onePlatformUsage)),
		Action:      env.look("SOURCE", printing((*looker).config)),
	}
}

func manifestCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "manifest",
		Usage:       "print the raw manifest or index of an image",
		UsageText:   "drayage manifest SOURCE",
		Description: manifestHelp,
		Flags: rawFlags(platformFlag(
			"`OS/ARCH[/VARIANT]`: the manifest for this platform (default: what the tag stands for)")),
		Action: env.look("SOURCE", printing((*looker).manifest)),
	}
}

// rawFlags are those of commands that print bytes as they are.
func rawFlags(own ...cli.Flag) []cli.Flag {
	return append(append(own, registryFlags()...), tempDirFlag(), quietFlag())
}

// printing makes a command of a function that returns the bytes to print.
func printing(read func(*looker, context.Context, string) ([]byte, error)) lookFunc {
	return func(l *looker, ctx context.Context, arg string) error {
		raw, err := read(l, ctx, arg)
		if err != nil {
			return fmt.Errorf("%s %s: %w", l.Command.Name, arg, err)
		}
		_, err = io.Copy(l.rawOutput(), bytes.NewReader(raw))
		return err
	}
}

func (l *looker) config(ctx context.Context, arg string) ([]byte, error) {
	want, err := l.onePlatform()
	if err != nil {
		return nil, err
	}
	im, err := l.one(ctx, arg)
	if err != nil {
		return nil, err
	}
	if im.Saved != nil {
		return im.Saved.Config, nil
	}
	leaf, o, err := l.pick(ctx, im, want)
	if err != nil {
		return nil, err
	}
	n, err := o.Manifest(ctx, leaf.Descriptor)
	if err != nil {
		return nil, err
	}
	return o.Config(ctx, n)
}

func (l *looker) manifest(ctx context.Context, arg string) ([]byte, error) {
	want, err := l.onePlatform()
	if err != nil {
		return nil, err
	}
	im, err := l.one(ctx, arg)
	switch {
	case err != nil:
		return nil, err
	case im.Saved != nil:
		return nil, noManifest(im)
	case len(want) == 0:
		return im.Raw(ctx)
	}
	leaf, o, err := l.pick(ctx, im, want)
	if err != nil {
		return nil, err
	}
	n, err := o.Manifest(ctx, leaf.Descriptor)
	if err != nil {
		return nil, err
	}
	return n.Raw, nil
}

// rawOutput is standard output for bytes from elsewhere.
func (e *environment) rawOutput() io.Writer {
	if isTerminal(e.stdout) {
		return terminal.TextOnly{Writer: e.stdout}
	}
	return e.stdout
}
