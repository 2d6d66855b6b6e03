package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

const configHelp = `Prints the bytes of an image's configuration exactly as they are stored: their
SHA-256 is the image ID. No layer is downloaded.

EXAMPLES:
   drayage config alpine:3.20
   drayage config ghcr.io/team/app:1 --platform linux/arm64 | jq .config.Labels
   drayage config alpine.tar | sha256sum`

func configCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "config",
		Usage:       "print the raw configuration of an image",
		UsageText:   "drayage config SOURCE",
		Description: configHelp,
		Flags:       rawFlags(platformFlag("`OS/ARCH[/VARIANT]` of the image (default: linux on this machine's architecture)")),
		Action:      func(c *cli.Context) error { return env.config(c.Context, c) },
	}
}

func (e *environment) config(ctx context.Context, c *cli.Context) error {
	l := e.newLooker(c)
	defer l.close()
	arg, err := l.argument("SOURCE")
	if err != nil {
		return err
	}
	raw, err := l.config(ctx, arg)
	if err != nil {
		return fmt.Errorf("config %s: %w", arg, err)
	}
	return e.printRaw(raw)
}

func (l *looker) config(ctx context.Context, arg string) ([]byte, error) {
	want, err := l.onePlatform()
	if err != nil {
		return nil, err
	}
	s, err := l.one(ctx, arg)
	if err != nil {
		return nil, err
	}
	if s.saved != nil {
		return s.saved.Config, nil
	}
	leaf, o, err := l.pick(ctx, s, want)
	if err != nil {
		return nil, err
	}
	n, err := o.Manifest(ctx, leaf.Descriptor)
	if err != nil {
		return nil, err
	}
	return o.Config(ctx, n)
}
