// Package shelf opens what is going to be served: layouts, archives and folders of these, as they lie.
// [Open] makes of every SOURCE what package serve takes, and finds what was left out of one in the others and
// in bases. [Keeper] opens everything again when something has changed, while requests go on.
//
// Nothing is written and no layer is read, with two exceptions: a compressed archive or a stream is copied to
// a temporary file, and a [Packing] keeps compressed layers in a folder of its own.
package shelf

import (
	"context"
	"fmt"
	"slices"

	"drayage/internal/rebuild"
	"drayage/internal/source"
	"drayage/internal/want"
	"drayage/serve"
)

// Options say how SOURCEs are opened.
type Options struct {
	Source source.Options // of SOURCEs; nobody asks Trust about bases
	Bases  []source.Spec  // further places to look in for what was left out of the SOURCEs
	Packed *Packing       // compresses layers that are not; nil: they stay as they are

	// Empty lets a folder hold nothing yet.
	Empty bool
	// Before is what was open until now. What had to be copied, and has not changed, is taken over.
	Before *Shelves
}

// Shelves are all that is served. They are open until Close.
type Shelves struct {
	Shelves []serve.Shelf
	Names   []string   // of all images, those without a name not among them
	Images  int        // different ones
	Sources int        // that were opened
	Lacking []Lacking  // images that are not whole
	Missing *want.List // the blobs that they lack
	Remarks []string   // what people should know besides
	Left    []Left     // what of a folder is not served

	state  state // of all files, before the first of them was opened
	places []*place
	bases  func()

	rebuilt *rebuild.Source // or nil
}

// Lacking is an image with blobs that are nowhere to be had.
type Lacking struct {
	Image string
	Blobs int
	Bytes int64
	// Content counts the blobs that are layers whose compression is lost: they come back uncompressed.
	Content int
}

// Left is a file or directory in a folder that cannot be served, or not yet.
type Left struct {
	Path string
	Err  error
}

// Open opens SOURCEs. If one of them cannot be opened, it opens none. Of a folder it leaves out what it
// cannot open, and tells in Left.
func Open(ctx context.Context, specs []source.Spec, opts Options) (*Shelves, error) {
	s := &Shelves{bases: func() {}, Missing: &want.List{}}
	s.state = lookAll(specs, opts.Source.Volumes)
	o := &opener{Options: opts, ctx: ctx, shelves: s}
	for _, spec := range specs {
		if err := o.open(spec); err != nil {
			s.Close()
			return nil, fmt.Errorf("%s: %w", spec.Text, err)
		}
	}
	if err := o.gather(); err != nil {
		s.Close()
		return nil, err
	}
	s.count()
	return s, nil
}

// count fills in what the shelves amount to.
func (s *Shelves) count() {
	seen := map[string]bool{}
	for _, p := range s.places {
		s.Remarks = append(s.Remarks, p.remarks...)
	}
	for _, sh := range s.Shelves {
		for _, im := range sh.Images {
			if im.Subject != "" {
				continue
			}
			s.Names = append(s.Names, im.Names...)
			if d := im.Root.Digest.String(); !seen[d] {
				seen[d] = true
				s.Images++
			}
		}
	}
	slices.Sort(s.Names)
	s.Names = slices.Compact(s.Names)
	s.Sources = len(s.places)
}

// Close closes everything that no other Shelves use.
func (s *Shelves) Close() {
	s.bases()
	for _, p := range s.places {
		p.leave()
	}
	s.places, s.Shelves, s.bases = nil, nil, func() {}
}

// opener is one run of Open.
type opener struct {
	Options
	ctx     context.Context
	shelves *Shelves
	folders folders
}

// open opens a SOURCE, or everything in a folder.
func (o *opener) open(spec source.Spec) error {
	items, is, err := source.Folder(spec)
	if err != nil {
		return err
	}
	if !is {
		return o.add(spec)
	}
	for _, item := range items {
		err := o.add(item)
		if o.ctx.Err() != nil {
			return context.Cause(o.ctx)
		}
		if err != nil {
			o.shelves.Left = append(o.shelves.Left, Left{item.Path, err})
			o.goOn(item)
		}
	}
	if len(o.shelves.places) == 0 && !o.Empty {
		return o.nothing(spec)
	}
	return nil
}

// nothing says why a folder has nothing that can be served.
func (o *opener) nothing(spec source.Spec) error {
	if left := o.shelves.Left; len(left) > 0 {
		return fmt.Errorf("%s: %w", left[0].Path, left[0].Err)
	}
	return o.add(spec) // it is no folder of archives, and this says what it is
}
