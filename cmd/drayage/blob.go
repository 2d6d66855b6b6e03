package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/marks"
	"drayage/internal/source"
	"drayage/internal/transfer"
	"drayage/internal/verify"
	"drayage/registry"
)

const blobHelp = `Fetches one blob, a layer or a configuration, and compares it with its digest
while it passes. A file appears under its name only when the blob is complete
and right. What goes to standard output is tentative until the command ends
with exit code 0: a wrong blob is known as such only at its end, exit code 6.

EXAMPLES:
   drayage blob ghcr.io/team/app@sha256:... -o layer.tar.gz
   drayage blob alpine@sha256:... | tar tz
   drayage blob oci:images@sha256:... -o layer.tar.gz      from a layout`

func blobCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "blob",
		Usage:       "fetch one blob by its digest",
		UsageText:   "drayage blob REPOSITORY@DIGEST [-o FILE|-]",
		Description: blobHelp,
		Flags:       rawFlags(&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` to write, - for standard output", Value: "-"}),
		Action:      env.look("REPOSITORY@DIGEST", (*looker).blob),
	}
}

func (l *looker) blob(ctx context.Context, arg string) error {
	d, src, err := l.openBlob(ctx, arg)
	if err != nil {
		return fmt.Errorf("blob %s: %w", arg, err)
	}
	if out := l.String("output"); out != "-" {
		err = l.blobFile(ctx, d, src, out)
	} else {
		err = copyBlob(ctx, l.rawOutput(), src, d)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", arg, err)
	}
	return nil
}

// openBlob finds the blob that SOURCE@DIGEST means.
func (l *looker) openBlob(ctx context.Context, arg string) (v1.Descriptor, image.Source, error) {
	at := strings.LastIndex(arg, "@")
	if at < 0 {
		return v1.Descriptor{}, nil, usagef("which blob? Give its digest, as in %s@sha256:...", arg)
	}
	d := digest.Digest(arg[at+1:])
	if err := verify.Digest(d); err != nil {
		return v1.Descriptor{}, nil, usagef("%v", err)
	}
	src, err := l.parseSource(arg[:at])
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	if src.Kind != source.Registry {
		return l.openLocalBlob(ctx, src, d)
	}
	client, err := l.newClient(src.Ref)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	repo := client.Repository(src.Ref)
	desc, err := repo.Stat(ctx, d)
	if errors.Is(err, registry.ErrNotFound) {
		err = fmt.Errorf("%s has no such blob (if it is a manifest: drayage manifest %s@%s): %w", repo.Name(), repo.Name(), d, registry.ErrNotFound)
	}
	return desc, repo, err
}

func (l *looker) openLocalBlob(ctx context.Context, src source.Spec, d digest.Digest) (v1.Descriptor, image.Source, error) {
	opts := l.sourceOptions()
	opts.Blobs = true
	var err error
	if l.set, err = src.Open(ctx, opts); err != nil {
		return v1.Descriptor{}, nil, err
	}
	if l.set.Layout == nil {
		return v1.Descriptor{}, nil, usagef("blobs are in registries and OCI layouts; %s is a docker tar", src.Text)
	}
	desc, err := l.set.Layout.Stat(d)
	return desc, l.set.Layout, err
}

// blobFile writes the blob into a file, or into a device or named pipe.
func (l *looker) blobFile(ctx context.Context, d v1.Descriptor, src image.Source, out string) error {
	if fi, err := os.Stat(out); err == nil && isPipe(fi) {
		f, err := os.OpenFile(out, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(copyBlob(ctx, f, src, d), f.Close())
	}
	f, err := durable.CreateOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	meter := l.newMeter("blob")
	meter.Plan([]v1.Descriptor{d})
	_, err = transfer.Fill(ctx, src, d, marks.NewPart(f, 0, d.Size, nil), func(held int64) { meter.Update(d, held) })
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

// copyBlob streams the blob; that it was right is known only when it returns nil.
func copyBlob(ctx context.Context, w io.Writer, src image.Source, d v1.Descriptor) error {
	r := image.NewReader(ctx, transfer.ReadAhead(src), d)
	defer r.Close()
	_, err := io.Copy(w, r)
	return err
}
