package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/internal/durable"
	"drayage/internal/spool"
	"drayage/layout"
	"drayage/registry"
)

// write makes the archive: a file that appears when it is whole, or a stream.
func (s *saver) write(ctx context.Context, out string) (err error) {
	meter := s.env.newMeter(s.c, "save")
	defer func() { s.sum = meter.finish() }()
	opts := dockerarchive.Options{Jobs: s.c.Int("jobs"), Planned: meter.Plan, Progress: meter.Update}
	w, err := s.pipe(out)
	if err != nil {
		return err
	}
	if w != nil {
		defer func() { err = errors.Join(err, w.Close()) }()
		return s.stream(ctx, w, "standard output", opts)
	}
	opts.Room = func(n int64) error { return durable.Room(filepath.Dir(out), n, n) }
	if s.resumable() {
		return s.writeResumable(ctx, out, opts)
	}
	f, err := durable.CreateOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	if s.compress != nil {
		err = s.compressFile(ctx, f, opts)
	} else {
		err = dockerarchive.Write(ctx, f, s.format, s.images, opts)
	}
	if err != nil {
		return err
	}
	return f.Commit()
}

// pipe returns where to write if that is not a regular file: standard output, a device or a named pipe.
func (s *saver) pipe(out string) (io.WriteCloser, error) {
	if out == "-" {
		return nopCloser{s.env.stdout}, nil
	}
	fi, err := os.Stat(out)
	if err != nil || fi.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) == 0 {
		return nil, nil
	}
	return os.OpenFile(out, os.O_WRONLY, 0)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// spool brings what comes from a registry into a temporary layout: a stream needs everything twice, and nobody wants to
// download twice.
func (s *saver) spool(ctx context.Context, what string, opts dockerarchive.Options) error {
	if len(s.pulled) == 0 {
		return nil
	}
	dir := tempDir(s.c)
	if err := spool.Room(dir, s.pulledBytes()); err != nil {
		return err
	}
	path, err := os.MkdirTemp(dir, "drayage-")
	if err != nil {
		return err
	}
	s.closes = append(s.closes, func() error { return os.RemoveAll(path) })
	s.env.note(s.c, "%s cannot be written out of order: layers go by way of %s", what, path)
	dst, err := layout.CreateDir(ctx, path)
	if err != nil {
		return err
	}
	s.closes = append(s.closes, dst.Close)
	fetching := s.fetching()
	fetching.Planned, fetching.Progress = opts.Planned, opts.Progress
	results, err := fetch.Into(ctx, s.pulled, dst, fetching)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		r.Image.Source = dst
	}
	return nil
}

// pulledBytes is the size of all that comes from a registry.
func (s *saver) pulledBytes() (sum int64) {
	seen := map[digest.Digest]bool{}
	for _, r := range s.pulled {
		for _, d := range r.Image.Blobs {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				sum += d.Size
			}
		}
	}
	return sum
}

// resumable reports whether an archive is worth going on with when it is broken off: blobs come from a registry and go
// to places that are known before.
func (s *saver) resumable() bool {
	return s.format == dockerarchive.OCI && s.compress == nil && len(s.pulled) > 0
}

// writeResumable makes an archive which the same command goes on with if it is broken off.
func (s *saver) writeResumable(ctx context.Context, out string, opts dockerarchive.Options) error {
	f, err := durable.ResumeOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := dockerarchive.Write(ctx, f, s.format, s.images, opts); err != nil {
		if !errors.Is(err, registry.ErrIntegrity) && f.Keep() { // what is wrong in the registry stays wrong
			err = fmt.Errorf("%w; what has arrived is kept in %s.partial, the same command goes on with it", err, out)
		}
		return err
	}
	return f.Commit()
}
