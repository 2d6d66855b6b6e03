package shelf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/farside"
	"drayage/internal/want"
	"drayage/serve"
)

// gather looks for what was left out of the images: in the other SOURCEs, whose content is served anyway, and
// then in the bases. What travels as a patch is rebuilt from both. What is nowhere is entered in Lacking.
func (o *opener) gather() error {
	wanted := o.wanted()
	if len(wanted) > 0 {
		if err := o.fill(wanted); err != nil {
			return err
		}
	}
	nowhere := nowhere{}
	for _, w := range wanted {
		for _, a := range w.Absent {
			nowhere[a.Descriptor.Digest] = a
			delete(w.sizes, a.Descriptor.Digest)
		}
		if len(w.sizes) > 0 {
			content := filled{w.Source, w.sizes}
			o.shelves.Shelves = append(o.shelves.Shelves, serve.Shelf{Name: "--base", Content: content})
		}
	}
	if len(nowhere) > 0 {
		if err := o.shelves.lack(o.ctx, nowhere); err != nil {
			return err
		}
		o.shelves.Shelves = append(o.shelves.Shelves, serve.Shelf{Content: nowhere})
	}
	return nil
}

// wanted is what was left out of the images of a place, and is on no shelf.
type wanted struct {
	*image.Image
	sizes map[digest.Digest]v1.Descriptor
}

func (o *opener) wanted() (all []wanted) {
	seen := map[digest.Digest]bool{}
	for _, p := range o.shelves.places {
		w := wanted{&image.Image{Source: p.blobs}, map[digest.Digest]v1.Descriptor{}}
		for _, l := range p.lacks {
			for _, a := range l.absent {
				if d := a.Descriptor; !seen[d.Digest] && !o.shelves.have(d) {
					w.Absent = append(w.Absent, a)
					w.sizes[d.Digest] = d
				}
				seen[a.Descriptor.Digest] = true
			}
		}
		if len(w.sizes) > 0 {
			all = append(all, w)
		}
	}
	return all
}

// have reports whether one of the shelves has a blob.
func (s *Shelves) have(d v1.Descriptor) bool { return shelved{s.Shelves}.of(d) != nil }

// fill looks in the bases for what is absent.
func (o *opener) fill(all []wanted) error {
	opts := o.Source
	opts.Trust = nil // what is read of a base is compared with the digests that SOURCE has
	var opened []func()
	o.shelves.bases = func() {
		for _, f := range slices.Backward(opened) {
			f()
		}
	}
	shelved := shelved{o.shelves.Shelves}
	bases := []farside.Base{{Side: shelved, Source: shelved}}
	for _, spec := range o.Bases {
		some, done, err := farside.OpenBase(o.ctx, spec, opts)
		opened = append(opened, done)
		if err != nil {
			return fmt.Errorf("--base %s: %w", spec.Text, spec.Explain(err))
		}
		bases = append(bases, some...)
	}
	var images []*image.Image
	for _, w := range all {
		images = append(images, w.Image)
	}
	rebuilt, err := farside.Fill(o.ctx, images, bases, opts.TempDir)
	rebuilt.Keep = true // clients ask for parts, and break off
	o.shelves.rebuilt = rebuilt
	opened = append(opened, func() { rebuilt.Close() })
	if err != nil {
		return fmt.Errorf("--base: %w", err)
	}
	return nil
}

// shelved is what is on the shelves, as a base.
type shelved struct{ shelves []serve.Shelf }

func (s shelved) of(d v1.Descriptor) image.Source {
	for _, sh := range s.shelves {
		if found, err := sh.Content.Stat(d.Digest); err == nil && found.Size == d.Size {
			return sh.Content
		}
	}
	return nil
}

// Has implements [farside.Side].
func (s shelved) Has(_ context.Context, d v1.Descriptor) (bool, error) { return s.of(d) != nil, nil }

// Open implements [image.Source].
func (s shelved) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if src := s.of(d); src != nil {
		return src.Open(ctx, d, offset, length)
	}
	return nil, notHere(d.Digest)
}

// lack enters the images that lack one of the blobs.
func (s *Shelves) lack(ctx context.Context, nowhere nowhere) error {
	var images []*image.Image
	for _, p := range s.places {
		for _, l := range p.lacks {
			one, im := Lacking{Image: l.label}, &image.Image{Names: []string{l.label}}
			for _, a := range l.absent {
				if _, lacks := nowhere[a.Descriptor.Digest]; lacks {
					one.Blobs++
					one.Bytes += a.Descriptor.Size
					if a.Rebuilt != nil && a.Rebuilt.Content {
						one.Content++
					}
					im.Absent = append(im.Absent, a)
				}
			}
			if one.Blobs > 0 {
				s.Lacking = append(s.Lacking, one)
				images = append(images, im)
			}
		}
	}
	s.Missing = want.Missing(images, func(im *image.Image) []string { return im.Names })
	return farside.Explain(ctx, s.Missing, s.rebuilt)
}

// filled is what the bases have of what was left out of SOURCEs. Nobody gets anything else of a base.
type filled struct {
	image.Source
	sizes map[digest.Digest]v1.Descriptor
}

// Stat implements [serve.Content].
func (f filled) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc, ok := f.sizes[d]
	if !ok {
		return v1.Descriptor{}, notHere(d)
	}
	return desc, nil
}

// Open implements [image.Source].
func (f filled) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	known, ok := f.sizes[d.Digest]
	if !ok {
		return nil, notHere(d.Digest)
	}
	return f.Source.Open(ctx, known, offset, length)
}

// nowhere has what is nowhere to be had. It tells who asks for it why.
type nowhere map[digest.Digest]image.Absent

// Stat implements [serve.Content].
func (n nowhere) Stat(d digest.Digest) (v1.Descriptor, error) {
	if a, ok := n[d]; ok {
		return v1.Descriptor{}, errors.Join(a, fs.ErrNotExist)
	}
	return v1.Descriptor{}, notHere(d)
}

// Open implements [image.Source].
func (n nowhere) Open(_ context.Context, d v1.Descriptor, _, _ int64) (io.ReadCloser, error) {
	_, err := n.Stat(d.Digest)
	return nil, err
}
