package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/cut"
	"drayage/internal/pack"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

func onlyFlag() cli.Flag {
	return &cli.StringFlag{Name: "only", Category: groupOutput,
		Usage: "make only these volumes again, such as `3,7` or 3-5 or p1, with SOURCE and flags as before; " +
			"FILE.set must be there, and each must be what it says"}
}

// redo begins the volumes of --only. It is nil if there is no such flag.
func (c call) redo(out source.Output) (*cut.Again, error) {
	text := c.String("only")
	switch {
	case text == "":
		return nil, nil
	case out.Form == source.LayoutDir || inOrder(out.Path):
		return nil, usagef("--only makes volumes of a tar again: give -o FILE as before")
	case c.Bool("dry-run"):
		return nil, usagef("--only and --dry-run do not go together")
	}
	a, err := cut.Redo(out.Path, c.paths("output")[1:], text)
	if err != nil {
		return nil, fmt.Errorf("save %s: %w", out.Path, err)
	}
	if size := c.String("volume-size"); size != "" {
		if n, err := cut.ParseSize(size); err != nil || n != a.Volume() {
			a.Abort()
			return nil, usagef("--volume-size %s: the volumes of %s have %s", size, volume.SetName(out.Path),
				terminal.Size(a.Volume()))
		}
	}
	if c.given("record") || c.given("sign") || c.given("checksum") {
		c.note("note: --only writes nothing but volumes: what stands beside them stays as it is")
	}
	return a, nil
}

// remake makes some volumes again.
func (s *saver) remake(ctx context.Context, opts dockerarchive.Options) error {
	opts.Room = s.again.Room
	err := s.remakeOnce(ctx, opts)
	if errors.Is(err, verify.ErrMismatch) && s.again.Anew() {
		err = s.remakeOnce(ctx, opts)
	}
	if err != nil {
		return err
	}
	return s.again.Commit()
}

func (s *saver) remakeOnce(ctx context.Context, opts dockerarchive.Options) (err error) {
	if s.compress != pack.None {
		err = s.compressFile(ctx, s.again, opts)
	} else {
		err = s.writeAt(ctx, s.again, s.again, opts)
	}
	if err != nil {
		return err
	}
	return s.again.Finish(ctx)
}

// reportRemade says what has been made again.
func (s *saver) reportRemade(out string) error {
	doc := report.Document{Output: out, Images: []report.Image{}, Transfer: transferred(s.sum)}
	for _, im := range s.images {
		doc.Images = append(doc.Images, describeSaved(im, im.Names))
	}
	for _, f := range s.again.Made() {
		doc.Files = append(doc.Files, report.File{Path: f.Path, SizeBytes: f.Size, Digest: f.SHA256})
		s.note("%s: %s, as %s says", f.Path, terminal.Size(f.Size), s.again.SetName())
	}
	return s.result(doc, nil)
}
