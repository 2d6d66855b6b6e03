package rebuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/spool"
	"drayage/internal/tarpatch"
	"drayage/internal/verify"
)

// layer is one that is rebuilt.
type layer struct {
	image.Absent
	blobs image.Source // has the patch and the recipe

	opened atomic.Int32
	broken atomic.Pointer[error] // why it could not be put into a file: it is not tried again
	whole  kept                  // the rebuilt blob

	lost atomic.Pointer[[]image.Base] // bases that were not found, as soon as that is known
}

const (
	expansion = 1032      // bytes that one byte of deflate unpacks to at most
	slack     = 64 << 10  // bytes that small layers may have besides
	inMemory  = 512 << 10 // bytes of a patch or a recipe that are not put into a file
)

// check refuses what no patch is like that somebody has made in earnest.
func (l *layer) check() error {
	r, d := l.Rebuilt, l.Descriptor
	for _, part := range append(r.Parts(), d) {
		if err := verify.Descriptor(part); err != nil {
			return verify.Mismatchf("%w", err)
		}
	}
	switch {
	case verify.Digest(l.DiffID) != nil:
		return verify.Mismatchf("it has no diff ID")
	case r.Unpacked < 0 || (r.Unpacked-slack)/expansion > d.Size:
		return verify.Mismatchf("a layer of %d bytes cannot unpack to %d", d.Size, r.Unpacked)
	case r.Unpacked > limits.PatchUnpacked:
		return verify.Mismatchf("it unpacks to %d bytes, more than the %d that are accepted", r.Unpacked,
			int64(limits.PatchUnpacked))
	case r.Recipe.Digest != "" && d.Size > 2*r.Unpacked+slack:
		return verify.Mismatchf("a gzip layer of %d bytes is not what %d bytes become", d.Size, r.Unpacked)
	case r.Recipe.Digest == "" && !r.Content && (r.Unpacked != d.Size || l.DiffID != d.Digest):
		return verify.Mismatchf("it is compressed, and there is no recipe for that")
	case r.Size() > d.Size+slack:
		return verify.Mismatchf("its patch has %d bytes, more than the %d of the layer", r.Size(), d.Size)
	}
	return nil
}

// agrees compares what a patch says of itself with what the delta document says of it.
func (l *layer) agrees(patch io.ReaderAt) error {
	h, err := tarpatch.ReadHeader(patch, l.Rebuilt.Patch.Size)
	if err != nil {
		return malformed(err)
	}
	has := map[digest.Digest]bool{}
	for _, b := range l.Rebuilt.Bases {
		has[b.DiffID] = true
	}
	for _, b := range h.Bases {
		if !has[b] {
			return verify.Mismatchf("its patch needs %s, which the delta document does not say", b)
		}
	}
	if h.Size != l.Rebuilt.Unpacked || h.Target != l.DiffID {
		return verify.Mismatchf("its patch makes %d bytes with the diff ID %s, and the delta document says %d, %s",
			h.Size, h.Target, l.Rebuilt.Unpacked, l.DiffID)
	}
	return nil
}

// named says of an error which layer it is about.
func (l *layer) named(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s cannot be rebuilt: %w", l.Descriptor.Digest, err)
}

// held is a verified blob that can be read at any place. The caller closes it.
func (s *Source) held(
	ctx context.Context, src image.Source, d v1.Descriptor,
) (at io.ReaderAt, closes func(), err error) {
	if d.Size <= inMemory {
		raw, err := image.ReadAll(ctx, src, d, inMemory)
		return bytes.NewReader(raw), func() {}, err
	}
	r := image.NewReader(ctx, src, d)
	defer r.Close()
	f, err := spool.Copy(ctx, s.temp, r, d.Size)
	return f, func() { f.Close() }, err
}

// section keeps the blob of a layer in a file, and opens a part of it.
func (s *Source) section(ctx context.Context, l *layer, offset, length int64) (io.ReadCloser, error) {
	if broken := l.broken.Load(); broken != nil {
		return nil, *broken
	}
	f, release, err := l.whole.use(ctx, func() (*os.File, error) {
		return s.roomy(func() (*os.File, error) {
			r := image.NewReader(ctx, streams{s, l}, l.Descriptor)
			defer r.Close()
			return spool.Copy(ctx, s.temp, r, l.Descriptor.Size)
		})
	})
	if err != nil {
		if errors.Is(err, verify.ErrMismatch) {
			l.broken.Store(&err)
		}
		return nil, err
	}
	s.spare(l)
	return &part{image.Section(f, l.Descriptor.Size, offset, length), release}, nil
}

// spare removes the bases of a layer which all layers that need them have been made of.
func (s *Source) spare(l *layer) {
	needed := map[digest.Digest]bool{}
	for _, other := range s.layers {
		for _, b := range other.Rebuilt.Bases {
			needed[b.DiffID] = needed[b.DiffID] || !other.whole.made()
		}
	}
	for _, b := range l.Rebuilt.Bases {
		if !needed[b.DiffID] {
			s.base(b).file.drop()
		}
	}
}

// streams gives out one layer as a stream, each time from its beginning.
type streams struct {
	source *Source
	layer  *layer
}

// Open implements [image.Source].
func (s streams) Open(ctx context.Context, _ v1.Descriptor, offset, _ int64) (io.ReadCloser, error) {
	r, err := s.source.stream(ctx, s.layer)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
