package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/internal/spool"
	"drayage/registry"
)

func tempDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "temp-dir", Usage: "`DIR` for what has to be stored in between", DefaultText: "that of the output, or TMPDIR"}
}

// tempDir is where temporary files go: where the user wants them, else where the output will need the space anyway.
func tempDir(c *cli.Context) string {
	if dir := c.String("temp-dir"); dir != "" {
		return dir
	}
	out := c.String("output")
	if c.Command.Name != "save" || out == "" || out == "-" {
		return os.TempDir()
	}
	if fi, err := os.Stat(out); err == nil && !fi.Mode().IsRegular() {
		return os.TempDir()
	}
	return filepath.Dir(out)
}

// spooler brings an archive that is a stream, or compressed, to where it can be read.
type spooler struct {
	env    *environment
	c      *cli.Context
	in     *input
	closes *[]func() error
}

// begin reads what the archive begins with.
func (s *spooler) begin(ctx context.Context) (*dockerarchive.Pass, error) {
	plain, err := s.in.plain(s.closes)
	if err != nil {
		return nil, err
	}
	return dockerarchive.NewPass(ctx, plain)
}

// skim goes over the archive once, without a temporary file unless more than the small files of it is needed.
func (s *spooler) skim(ctx context.Context) (*dockerarchive.Reader, error) {
	plain, err := s.in.plain(s.closes)
	if err != nil {
		return nil, err
	}
	r, err := dockerarchive.Scan(ctx, plain)
	if err != nil || !s.in.regular {
		return r, err
	}
	if !lacks(ctx, r) {
		return r, nil
	}
	if plain, err = s.in.plain(s.closes); err != nil {
		return nil, err
	}
	return s.spool(ctx, plain, "what describes its images is large, or is to be told from its layers")
}

// lacks reports whether something has gone by that is needed to describe the images. Whoever asks next gets all other errors again.
func lacks(ctx context.Context, r *dockerarchive.Reader) bool {
	contents, err := r.Contents(ctx)
	if err != nil {
		return errors.Is(err, dockerarchive.ErrGone)
	}
	for _, im := range contents.Saved {
		for _, l := range im.Layers {
			if _, err := l.Compression(); errors.Is(err, dockerarchive.ErrGone) { // of a sparse file
				return true
			}
		}
	}
	return false
}

// spool copies the archive into a temporary file, and says why.
func (s *spooler) spool(ctx context.Context, plain io.Reader, why string) (*dockerarchive.Reader, error) {
	dir := tempDir(s.c)
	s.env.note(s.c, "%s is copied to a temporary file in %s: %s", s.in.what(), dir, why)
	f, err := spool.Copy(ctx, dir, plain, s.in.size)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, registry.ErrIntegrity):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("copy to a temporary file: %w", err)
	}
	*s.closes = append(*s.closes, f.Close)
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return dockerarchive.NewReader(f, fi.Size())
}

// what is the archive in messages.
func (in *input) what() string {
	if in.kind == compression.None {
		return in.text
	}
	return fmt.Sprintf("%s (%s)", in.text, in.kind)
}
