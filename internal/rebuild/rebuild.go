// Package rebuild makes layers again that an archive has as patches of others. What the bases of a layer
// unpack to becomes, with the patch, what the layer unpacks to. That becomes, with the recipe, the very bytes
// of the layer. [New] gives out such layers as an [image.Source]: whoever reads blobs reads these too.
//
// The archive and the bases are foreign. Sizes are checked before any work. What a base unpacks to is
// compared with its diff ID, and whoever reads a layer compares it with its digest.
package rebuild

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
)

// Finder knows where the layers are that patches need.
type Finder interface {
	// Find looks for a layer that unpacks to what the diff ID of b says: b itself, or the same content
	// compressed in another way. The source is nil if there is none. Find may be called concurrently.
	Find(ctx context.Context, b image.Base) (v1.Descriptor, image.Source, error)
}

// Unpacked is a finder that has layers unpacked, and has compared their diff IDs. They are read as they lie.
type Unpacked interface {
	Finder
	// Unpacked is what a base unpacks to, or nil.
	Unpacked(b image.Base) *io.SectionReader
}

// Finders ask one after the other.
type Finders []Finder

// Find implements [Finder].
func (f Finders) Find(ctx context.Context, b image.Base) (v1.Descriptor, image.Source, error) {
	for _, one := range f {
		if d, src, err := one.Find(ctx, b); src != nil || err != nil {
			return d, src, err
		}
	}
	return v1.Descriptor{}, nil, nil
}

// atOnce is how many layers are rebuilt at once. Each takes some 40 MiB of memory.
const atOnce = 2

// Source gives out layers that it rebuilds.
type Source struct {
	// Keep puts a layer into a file when it is opened for the first time. Otherwise the first two streams of a
	// layer begin at its beginning, whatever the offset, and there are no ranges. From the third one on it is
	// in a file too. Keep is set before the first Open.
	Keep bool

	finder Finder
	temp   string
	turns  chan struct{} // one for each stream

	layers   map[digest.Digest]*layer
	byDiffID map[digest.Digest]*layer

	mu    sync.Mutex
	bases map[digest.Digest]*base // by diff ID
}

// New returns a source of those of the layers that say how they are rebuilt. Their patches and recipes are
// read from blobs, their bases where the finder says. What bases unpack to is put into the directory temp, in
// files without a name.
func New(layers []image.Absent, blobs image.Source, finder Finder, temp string) *Source {
	s := &Source{
		finder: finder, temp: temp, turns: make(chan struct{}, atOnce), bases: map[digest.Digest]*base{},
		layers: map[digest.Digest]*layer{}, byDiffID: map[digest.Digest]*layer{},
	}
	s.Add(layers, blobs)
	return s
}

// Add adds the layers of another archive, before the source is used. What no finder has may be among them: so
// a layer can have a base that is rebuilt itself, by a patch in another archive.
func (s *Source) Add(layers []image.Absent, blobs image.Source) {
	for _, a := range layers {
		if a.Rebuilt == nil || a.Reason != image.LeftOut || s.layers[a.Descriptor.Digest] != nil {
			continue
		}
		l := &layer{Absent: a, blobs: blobs}
		s.layers[a.Descriptor.Digest] = l
		if s.byDiffID[a.DiffID] == nil {
			s.byDiffID[a.DiffID] = l
		}
	}
}

// Has reports whether a layer can be rebuilt: all of its bases are somewhere. They are not read yet.
func (s *Source) Has(ctx context.Context, d v1.Descriptor) (bool, error) {
	l := s.layer(d)
	if l == nil || l.Rebuilt.Content {
		return false, nil
	}
	lost, err := s.lacks(ctx, l)
	return err == nil && len(lost) == 0, err
}

// Lost lists the bases of a layer that are nowhere. It is empty for a layer that is no patch.
func (s *Source) Lost(ctx context.Context, d v1.Descriptor) ([]image.Base, error) {
	if l := s.layer(d); l != nil {
		return s.lacks(ctx, l)
	}
	return nil, nil
}

// IsContent reports whether of a layer only what it unpacks to can be made again.
func (s *Source) IsContent(d v1.Descriptor) bool {
	l := s.layer(d)
	return l != nil && l.Rebuilt.Content
}

func (s *Source) layer(d v1.Descriptor) *layer {
	if l := s.layers[d.Digest]; l != nil && l.Descriptor.Size == d.Size {
		return l
	}
	return nil
}

// Open implements [image.Source].
func (s *Source) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	l := s.layer(d)
	if l == nil {
		return nil, kind.Errorf(fs.ErrNotExist, "%s: not here", d.Digest)
	}
	var r io.ReadCloser
	var err error
	switch {
	case s.Keep || l.whole.made():
		r, err = s.section(ctx, l, offset, length)
	case length != image.ToEnd:
		return nil, image.ErrNoRanges
	case l.opened.Add(1) > 2:
		r, err = s.section(ctx, l, offset, length)
	default:
		r, err = streams{s, l}.Open(ctx, d, offset, length)
	}
	return r, l.named(err)
}

// Close removes what was put into files, when nothing is read any more.
func (s *Source) Close() error {
	var errs []error
	for _, l := range s.layers {
		errs = append(errs, l.whole.close())
	}
	for _, b := range s.bases {
		errs = append(errs, b.file.close())
	}
	return errors.Join(errs...)
}
