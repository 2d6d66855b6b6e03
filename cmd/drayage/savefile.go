package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/internal/durable"
	"drayage/internal/pack"
	"drayage/registry"
)

// write makes the archive: a file that appears when it is whole, or a stream.
func (s *saver) write(ctx context.Context, out string) (err error) {
	meter := s.newMeter("save", s.wire)
	defer func() { s.sum = meter.finish() }()
	meter.NameImages(s.images)
	opts := dockerarchive.Options{
		Jobs: s.Int("jobs"), Planned: meter.Plan, Progress: meter.Update, Loadable: func() { s.loadable = true },
	}
	inOrder, err := writeInOrder(out, s.rawOut, func(w io.Writer) error {
		return s.record.Follow(ctx, w, "-", untrusted(s.sourceOptions()), func(w io.Writer) error {
			return s.stream(ctx, w, "standard output", opts)
		})
	})
	if inOrder {
		return err
	}
	opts.Room = func(n int64) error { return durable.Room(filepath.Dir(out), n, n) }
	return s.file(ctx, out, opts)
}

// file writes a regular file.
func (s *saver) file(ctx context.Context, out string, opts dockerarchive.Options) error {
	switch {
	case s.again != nil:
		return s.remake(ctx, opts)
	case s.Bool("change-media"):
		return s.onMedia(ctx, out, opts)
	}
	if s.cuts != nil {
		return s.cut(ctx, out, opts)
	}
	if s.resumes() {
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
		err = s.writeAt(ctx, f, f, opts)
	}
	if err == nil {
		err = s.record.FillFrom(ctx, f.File.File, out, untrusted(s.sourceOptions()))
	}
	if err != nil {
		return err
	}
	return s.commit(ctx, f, out)
}

// resumable writes a file that the same command resumes if it is broken off. Its blobs come from a
// registry, and their places are known beforehand.
func (s *saver) resumable(ctx context.Context, out string, opts dockerarchive.Options) error {
	f, err := durable.ResumeOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	err = s.writeAt(ctx, f, f, opts)
	if err == nil {
		err = s.record.FillFrom(ctx, f.File.File, out, untrusted(s.sourceOptions()))
	}
	if err != nil {
		return s.keep(f, err)
	}
	return s.commit(ctx, f, out)
}

// writeAt writes the archive out of order where the file system takes that.
func (s *saver) writeAt(
	ctx context.Context, f dockerarchive.File, w io.Writer, o dockerarchive.Options) error {
	err := dockerarchive.Write(ctx, f, s.format, s.images, o)
	if errors.Is(err, dockerarchive.ErrInOrder) && !durable.DiskFailed(err) {
		err = s.stream(ctx, w, "a file on this file system", o)
	}
	return err
}

// keeper is a file, or several, with which another run may go on.
type keeper interface {
	Keep() bool
	Partial() string
	Shared() bool
}

// keep leaves what there is for another run, and says so in the error that has ended this one.
func (s *saver) keep(f keeper, err error) error {
	if errors.Is(err, registry.ErrIntegrity) { // what is wrong in the registry stays wrong
		return err
	}
	s.told = !f.Shared()
	if f.Keep() {
		s.kept = f.Partial()
		return fmt.Errorf("%w; what has arrived is kept in %s, the same command goes on with it", err, f.Partial())
	}
	if s.told {
		return fmt.Errorf("%w; nothing is kept: going on takes a file system with locks", err)
	}
	return err
}

// rewritten is a file that may be begun anew.
type rewritten interface {
	io.WriteSeeker
	Truncate(size int64) error
}

// compressFile writes a compressed tar to a file. It reads each layer once and believes what the layer says
// of itself. Where that was wrong, it begins the file anew.
func (s *saver) compressFile(ctx context.Context, f rewritten, opts dockerarchive.Options) error {
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

// stream writes the tar in order. A docker tar takes two readings of everything then. What comes from a
// registry goes by way of a temporary layout, so that it is downloaded once. what says to users what w is.
func (s *saver) stream(ctx context.Context, w io.Writer, what string, opts dockerarchive.Options) error {
	if !s.format.Whole() && len(s.pulled) > 0 {
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
