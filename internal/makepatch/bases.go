package makepatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/limits"
	"drayage/internal/older"
	"drayage/internal/spool"
	"drayage/internal/tarpatch"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// The bases of a layer may unpack to so many times what the layer does, and to generous bytes in any case: to
// read and compare them all costs time.
const (
	share    = 8
	generous = 256 << 20
)

// bases keeps layers unpacked, in files without a name, as long as some layer may be made from them.
type bases struct {
	temp string
	mu   sync.Mutex
	all  map[digest.Digest]*base // by diff ID
}

type base struct {
	uses int // by layers that are still to be made

	once sync.Mutex
	done bool
	file *spool.File // nil: it cannot be had
}

// opened is a base that has been unpacked.
type opened struct {
	image.Base
	file *spool.File
}

func newBases(temp string) *bases { return &bases{temp: temp, all: map[digest.Digest]*base{}} }

// plan counts who may need the layers.
func (b *bases) plan(layers []older.Layer) {
	for _, l := range layers {
		if b.all[l.DiffID] == nil {
			b.all[l.DiffID] = &base{}
		}
		b.all[l.DiffID].uses++
	}
}

// done removes layers that nobody is going to need.
func (b *bases) done(layers []older.Layer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range layers {
		one := b.all[l.DiffID]
		if one.uses--; one.uses == 0 && one.file != nil {
			one.file.Close()
			one.file = nil
		}
	}
}

func (b *bases) close() {
	for _, one := range b.all {
		if one.file != nil {
			one.file.Close()
		}
	}
}

// open unpacks layers, the best first, until they are enough for a layer that unpacks to so many bytes.
func (b *bases) open(ctx context.Context, layers []older.Layer, size int64) (all []opened, err error) {
	left := int64(min(limits.PatchUnpacked, max(generous, share*size)))
	for _, l := range layers {
		if l.Size > left {
			continue
		}
		f, err := b.file(ctx, l)
		if err != nil {
			return nil, err
		}
		if f != nil && f.Size() <= left {
			left -= f.Size()
			all = append(all, opened{l.Base, f})
		}
	}
	return all, nil
}

// file is what a layer unpacks to, or nil if it cannot be had.
func (b *bases) file(ctx context.Context, l older.Layer) (*spool.File, error) {
	one := b.all[l.DiffID]
	one.once.Lock()
	defer one.once.Unlock()
	if one.done {
		return one.file, nil
	}
	f, err := b.unpack(ctx, l)
	if err != nil && !isUseless(err) {
		return nil, fmt.Errorf("base %s: %w", l.Digest, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one.file, one.done = f, true
	return f, nil
}

// isUseless tells a base that cannot be had from a failure that the user has to know of.
func isUseless(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, verify.ErrMismatch) || errors.Is(err, errLarge) ||
		errors.Is(err, compression.ErrMemory)
}

func (b *bases) unpack(ctx context.Context, l older.Layer) (*spool.File, error) {
	f, err := newFile(b.temp, l.Size)
	if err != nil {
		return nil, err
	}
	blob := image.NewReader(ctx, l.Source, l.Descriptor)
	defer blob.Close()
	sum := sha256.New()
	if err = copyPlain(ctx, &bounded{io.MultiWriter(f, sum), limits.PatchUnpacked}, blob); err == nil {
		err = unpack.CheckDiffID(digest.NewDigest(digest.SHA256, sum), l.DiffID)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// newFile makes a file without a name, into which at least atLeast bytes are going to be written.
func newFile(dir string, atLeast int64) (*spool.File, error) {
	if err := spool.Room(dir, atLeast); err != nil {
		return nil, err
	}
	return spool.Create(dir)
}

// copyPlain unpacks a blob.
func copyPlain(ctx context.Context, w io.Writer, blob io.Reader) error {
	r, err := unpack.NewReader(ctx, blob, nil)
	if err != nil {
		return unpack.Explain(err, blob)
	}
	defer r.Close()
	if _, err := io.Copy(w, r); err != nil {
		return unpack.Explain(err, blob)
	}
	return r.Rest()
}

// plain are bases for tarpatch.
func plain(bases []opened) (all []tarpatch.Base) {
	for _, b := range bases {
		all = append(all, tarpatch.Base{DiffID: b.DiffID, Size: b.file.Size(), ReaderAt: b.file})
	}
	return all
}

// finder gives out unpacked bases to whoever rebuilds a layer.
type finder []opened

// Find implements rebuild.Finder.
func (f finder) Find(_ context.Context, b image.Base) (v1.Descriptor, image.Source, error) {
	for _, o := range f {
		if o.DiffID == b.DiffID {
			d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: o.DiffID, Size: o.file.Size()}
			return d, section{o.file}, nil
		}
	}
	return v1.Descriptor{}, nil, nil
}

// Unpacked implements rebuild.Unpacked.
func (f finder) Unpacked(b image.Base) *io.SectionReader {
	for _, o := range f {
		if o.DiffID == b.DiffID {
			return whole(o.file)
		}
	}
	return nil
}

// whole is all of a file.
func whole(f *spool.File) *io.SectionReader { return io.NewSectionReader(f, 0, f.Size()) }

// section is the source of one file.
type section struct{ file *spool.File }

// Open implements [image.Source].
func (s section) Open(_ context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(image.Section(s.file, d.Size, offset, length)), nil
}
