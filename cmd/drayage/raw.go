package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/marks"
	"drayage/internal/source"
	"drayage/internal/transfer"
	"drayage/internal/verify"
	"drayage/registry"
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

const onePlatformUsage = "of the image for `OS/ARCH`, such as linux/arm64/v8; " +
	"without it for linux on this machine's architecture"

func configCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "config",
		Category:    commandsLook,
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
		Category:    commandsLook,
		Usage:       "print the raw manifest or index of an image",
		UsageText:   "drayage manifest SOURCE",
		Description: manifestHelp,
		Flags: rawFlags(platformFlag(
			"the manifest for `OS/ARCH`, such as linux/arm64/v8; without it what the tag stands for")),
		Action: env.look("SOURCE", printing((*looker).manifest)),
	}
}

// rawFlags are those of commands that print bytes as they are.
func rawFlags(own ...cli.Flag) []cli.Flag {
	return append(append(own, lookFlags()...), keyFlag(), tempDirFlag(), quietFlag())
}

// readFunc returns the bytes to print of an image, for the platform that was chosen or for none.
type readFunc = func(*looker, context.Context, *source.Image, []v1.Platform) ([]byte, error)

// printing makes a command of read. SOURCE has to be a single image.
func printing(read readFunc) lookFunc {
	return func(l *looker, ctx context.Context, arg string) error {
		var raw []byte
		want, im, err := l.one(ctx, arg)
		if err == nil {
			raw, err = read(l, ctx, im, want)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", l.Command.Name, arg, err)
		}
		_, err = io.Copy(l.rawOutput(), bytes.NewReader(raw))
		return err
	}
}

func (l *looker) config(ctx context.Context, im *source.Image, want []v1.Platform) ([]byte, error) {
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

func (l *looker) manifest(ctx context.Context, im *source.Image, want []v1.Platform) ([]byte, error) {
	switch {
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

const blobHelp = `Fetches one blob, a layer or a configuration, and compares it with its digest
while it passes. A file appears under its name only when the blob is complete
and right. What goes to standard output is tentative until the command ends
with exit code 0: a wrong blob is known as such only at its end, exit code 6.

EXAMPLES:
   drayage blob ghcr.io/team/app@sha256:... -o layer.tar.gz
   drayage blob alpine@sha256:... | tar tz
   drayage blob oci:images@sha256:... -o layer.tar.gz      from a layout
   drayage blob feb.tar@sha256:... --base jan.tar -o layer.tar.gz`

func outputFlag(value string) cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere, Value: value,
		Usage: "write `FILE`, - for standard output"}
}

func blobCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "blob",
		Category:    commandsLook,
		Usage:       "fetch one blob by its digest",
		UsageText:   "drayage blob REPOSITORY@DIGEST [-o FILE|-]",
		Description: blobHelp,
		Flags: append(registryFlags(), outputFlag("-"), keyFlag(), tempDirFlag(), quietFlag(),
			basesFlag("of an archive: take what was left out of it from `X`: an earlier archive, a layout, or a "+
				"repository")),
		Action: env.look("REPOSITORY@DIGEST", (*looker).blob),
	}
}

func (l *looker) blob(ctx context.Context, arg string) error {
	d, src, err := l.openBlob(ctx, arg)
	if err == nil {
		err = l.writeBlob(ctx, d, src)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", arg, err)
	}
	return nil
}

// openBlob finds the blob that SOURCE@DIGEST means.
func (l *looker) openBlob(ctx context.Context, arg string) (d v1.Descriptor, src image.Source, err error) {
	at := strings.LastIndex(arg, "@")
	if at < 0 {
		return d, nil, usagef("which blob? Give its digest, as in %s@sha256:...", arg)
	}
	hash := digest.Digest(arg[at+1:])
	if err := verify.Digest(hash); err != nil {
		return d, nil, usagef("%v", err)
	}
	spec, err := l.parseSource(arg[:at])
	if err != nil {
		return d, nil, err
	}
	opts := l.sourceOptions()
	opts.Client, opts.Blobs = l.newClient, true
	if l.set, err = spec.Open(ctx, opts); err != nil {
		return d, nil, err
	}
	if l.set.Layout != nil {
		if d, err = l.set.Layout.Stat(hash); err == nil {
			return d, l.set.Layout, nil
		}
		if a, ok := dockerarchive.LeftOut(ctx, l.set.Layout, hash); ok {
			return l.leftOut(ctx, a)
		}
		return d, nil, err
	}
	if spec.Kind != source.Registry {
		return d, nil, usagef("blobs are in registries and OCI layouts; %s is a docker tar", spec.Text)
	}
	repo := l.set.Images[0].Repo
	if d, err = repo.Stat(ctx, hash); errors.Is(err, registry.ErrNotFound) {
		err = kind.Errorf(registry.ErrNotFound, "%s has no such blob (if it is a manifest: drayage manifest %s@%s)",
			repo.Name(), repo.Name(), hash)
	}
	return d, repo, err
}

// writeBlob writes the blob to the output. What it has written in order is right only if it returns nil.
func (l *looker) writeBlob(ctx context.Context, d v1.Descriptor, src image.Source) error {
	out := l.String("output")
	inOrder, err := writeInOrder(out, l.rawOutput(), func(w io.Writer) error {
		r := image.NewReader(ctx, transfer.ReadAhead(src), d)
		defer r.Close()
		_, err := io.Copy(w, r)
		return err
	})
	if inOrder {
		return err
	}
	f, err := durable.CreateOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	var wire func() int64
	if l.client != nil {
		wire = l.client.Received
	}
	meter := l.newMeter("blob", wire)
	meter.Plan([]v1.Descriptor{d})
	whole := marks.NewPart(f, 0, d.Size, nil)
	_, err = transfer.Fill(ctx, src, d, whole, func(held int64) { meter.Update(d, held) })
	sum := meter.finish()
	if err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	l.note("%s: %s", out, sum)
	return nil
}
