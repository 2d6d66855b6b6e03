package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/internal/durable"
	"drayage/internal/pack"
	"drayage/registry"
)

// write makes the archive: a file that appears when it is whole, or a stream.
func (s *saver) write(ctx context.Context, out string) (err error) {
	meter := s.newMeter("save")
	defer func() { s.sum = meter.finish() }()
	opts := dockerarchive.Options{Jobs: s.Int("jobs"), Planned: meter.Plan, Progress: meter.Update}
	if out == "-" {
		return s.stream(ctx, s.stdout, "standard output", opts)
	}
	if fi, err := os.Stat(out); err == nil && isPipe(fi) {
		f, err := os.OpenFile(out, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(s.stream(ctx, f, "standard output", opts), f.Close())
	}
	opts.Room = func(n int64) error { return durable.Room(filepath.Dir(out), n, n) }
	return s.file(ctx, out, opts)
}

// isPipe reports whether a file is a device or a named pipe, which is written in order.
func isPipe(fi os.FileInfo) bool { return fi.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0 }

// file writes a regular file.
func (s *saver) file(ctx context.Context, out string, opts dockerarchive.Options) error {
	if s.format == dockerarchive.OCI && s.compress == pack.None && len(s.pulled) > 0 {
		return s.resumable(ctx, out, opts)
	}
	f, err := durable.CreateOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	if s.compress != pack.None {
		err = s.compressFile(ctx, f, opts)
	} else {
		err = dockerarchive.Write(ctx, f, s.format, s.images, opts)
	}
	if err != nil {
		return err
	}
	return f.Commit()
}

// resumable writes a file whose blobs come from a registry and go to places that are known before. The same
// command resumes it if it is broken off.
func (s *saver) resumable(ctx context.Context, out string, opts dockerarchive.Options) error {
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

// compressFile writes a compressed tar to a file. It reads each layer once and believes what the layer says
// of itself. Where that was wrong, it begins the file anew.
func (s *saver) compressFile(ctx context.Context, f *durable.Output, opts dockerarchive.Options) error {
	err := pack.Archive(f, s.compress, func(w io.Writer) error {
		once := opts
		once.Once = true
		return dockerarchive.Stream(ctx, w, s.format, s.images, once)
	})
	changedOnTheWay := len(s.pulled) > 0 && errors.Is(err, dockerarchive.ErrIntegrity)
	if !errors.Is(err, dockerarchive.ErrUnsized) && !changedOnTheWay {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.stream(ctx, f, "a compressed tar", opts)
}

// stream writes the tar in order. A docker tar reads everything twice then, and nobody wants to download
// twice: what comes from a registry goes by way of a temporary layout, and what says to users why.
func (s *saver) stream(ctx context.Context, w io.Writer, what string, opts dockerarchive.Options) error {
	if s.format == dockerarchive.Docker && len(s.pulled) > 0 {
		t, err := fetch.NewTemporary(ctx, s.tempDir(), s.pulled)
		if err != nil {
			return err
		}
		s.closes = append(s.closes, t.Close)
		s.note("%s cannot be written out of order: layers go by way of %s", what, t.Path)
		fetching := s.fetching()
		fetching.Planned, fetching.Progress = opts.Planned, opts.Progress
		if err := t.Bring(ctx, s.pulled, fetching); err != nil {
			return err
		}
	}
	return pack.Archive(w, s.compress, func(w io.Writer) error {
		return dockerarchive.Stream(ctx, w, s.format, s.images, opts)
	})
}
