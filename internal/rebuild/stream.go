package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"drayage/image"
	"drayage/internal/deflate"
	"drayage/internal/limits"
	"drayage/internal/tarpatch"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// stream is a layer that is being rebuilt: its blob, or what it unpacks to.
type stream struct {
	io.Reader
	closes []func()
}

func (s *stream) onClose(f func()) { s.closes = append(s.closes, f) }

// Close ends the stream and gives back what it holds.
func (s *stream) Close() error {
	for _, f := range slices.Backward(s.closes) {
		f()
	}
	s.closes = nil
	return nil
}

// stream begins to rebuild a layer. It waits for its turn.
func (s *Source) stream(ctx context.Context, l *layer) (io.ReadCloser, error) {
	lost, err := s.lacks(ctx, l)
	if err == nil && len(lost) > 0 {
		err = fmt.Errorf("%w: its base %s", fs.ErrNotExist, lost[0].Digest)
	}
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return nil, err
	}
	select {
	case s.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	out := &stream{}
	out.onClose(func() { <-s.turns })
	if err := s.begin(ctx, l, out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// begin makes out the stream of the blob of a layer.
func (s *Source) begin(ctx context.Context, l *layer, out *stream) error {
	content, err := s.content(ctx, l)
	if err != nil {
		return err
	}
	out.onClose(func() { content.Close() })
	out.Reader = content
	if d := l.Rebuilt.Recipe; d.Digest != "" {
		recipe, closes, err := s.held(ctx, l.blobs, d)
		if err != nil {
			return fmt.Errorf("recipe %s: %w", d.Digest, err)
		}
		out.onClose(closes)
		r, err := deflate.Open(recipe, d.Size, content, l.Rebuilt.Unpacked)
		if err != nil {
			return malformed(err)
		}
		out.onClose(func() { r.Close() })
		if r.Size() != l.Descriptor.Size {
			return verify.Mismatchf("its recipe makes %d bytes, not the %d of the layer", r.Size(), l.Descriptor.Size)
		}
		out.Reader = judged{r}
	}
	out.Reader = named{transfer.WithContext(ctx, out.Reader), l}
	return nil
}

// content is the stream of what a layer unpacks to.
func (s *Source) content(ctx context.Context, l *layer) (io.ReadCloser, error) {
	out := &stream{}
	if err := s.patch(ctx, l, out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// patch makes out the stream of what a layer unpacks to.
func (s *Source) patch(ctx context.Context, l *layer, out *stream) error {
	if err := l.check(); err != nil {
		return err
	}
	d := l.Rebuilt.Patch
	patch, closes, err := s.held(ctx, l.blobs, d)
	if err != nil {
		return fmt.Errorf("patch %s: %w", d.Digest, err)
	}
	out.onClose(closes)
	if err := l.agrees(patch); err != nil {
		return err
	}
	bases, err := s.open(ctx, l.Rebuilt.Bases, out)
	if err != nil {
		return err
	}
	r, err := tarpatch.Open(patch, d.Size, bases)
	if err != nil {
		return malformed(err)
	}
	out.onClose(func() { r.Close() })
	out.Reader = judged{transfer.WithContext(ctx, r)}
	return nil
}

// open unpacks bases. They are released when out is closed.
func (s *Source) open(ctx context.Context, all []image.Base, out *stream) (bases []tarpatch.Base, err error) {
	total := int64(0)
	for _, b := range all {
		one, err := s.plainBase(ctx, b, out)
		if err != nil {
			return nil, err
		}
		if total += one.Size; total > limits.PatchUnpacked {
			return nil, verify.Mismatchf("its bases unpack to more than the %d bytes that are accepted",
				int64(limits.PatchUnpacked))
		}
		bases = append(bases, one)
	}
	return bases, nil
}

// plainBase has a base unpacked, if it is not already.
func (s *Source) plainBase(ctx context.Context, b image.Base, out *stream) (tarpatch.Base, error) {
	if known, ok := s.finder.(Unpacked); ok {
		if content := known.Unpacked(b); content != nil {
			return tarpatch.Base{DiffID: b.DiffID, Size: content.Size(), ReaderAt: content}, nil
		}
	}
	f, release, err := s.unpacked(ctx, s.base(b))
	if err != nil {
		return tarpatch.Base{}, err
	}
	out.onClose(release)
	fi, err := f.Stat()
	if err != nil {
		return tarpatch.Base{}, err
	}
	return tarpatch.Base{DiffID: b.DiffID, Size: fi.Size(), ReaderAt: f}, nil
}

// judged makes of the errors of a patch or a recipe errors about their integrity.
type judged struct{ io.Reader }

func (j judged) Read(p []byte) (int, error) {
	n, err := j.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = malformed(err)
	}
	return n, err
}

// named says in the errors of a stream which layer it is.
type named struct {
	io.Reader
	layer *layer
}

func (n named) Read(p []byte) (int, error) {
	k, err := n.Reader.Read(p)
	if err != io.EOF {
		err = n.layer.named(err)
	}
	return k, err
}

// malformed makes of an error about foreign bytes one about their integrity. Disks have errors of their own.
func malformed(err error) error {
	switch {
	case errors.Is(err, verify.ErrMismatch), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, new(*os.PathError)):
		return err
	}
	return verify.Mismatchf("%w", err)
}
