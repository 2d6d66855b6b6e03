package main

import (
	"context"
	"errors"
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
	opts := dockerarchive.Options{Jobs: s.c.Int("jobs"), Planned: meter.plan, Progress: meter.update}
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
	switch {
	case s.compress != nil:
		err = s.compressFile(ctx, f, opts)
	case s.oci:
		err = dockerarchive.WriteOCI(ctx, f, s.wholes, opts)
	default:
		err = dockerarchive.Write(ctx, f, s.images, opts)
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
	var refs []registry.Reference
	for _, im := range s.pulled {
		ref := im.Reference
		if ref.Digest = im.Root.Digest; im.Schema1 != "" {
			ref.Digest = im.Schema1 // what it was converted into is not in the registry
		}
		refs = append(refs, ref)
	}
	results, err := fetch.Images(ctx, s.client, refs, dst, fetch.Options{Platforms: s.sel.Platforms, Planned: opts.Planned, Progress: opts.Progress})
	if err != nil {
		return err
	}
	local := map[string]bool{}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		local[r.Image.Root.Digest.String()] = true
	}
	for i := range s.images {
		if local[s.images[i].Manifest.Digest.String()] {
			s.images[i].Source = dst
		}
	}
	return nil
}

// pulledBytes is the size of all that comes from a registry.
func (s *saver) pulledBytes() (sum int64) {
	seen := map[digest.Digest]bool{}
	for _, im := range s.pulled {
		for _, d := range im.Blobs {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				sum += d.Size
			}
		}
	}
	return sum
}
