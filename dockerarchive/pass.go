package dockerarchive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Pass reads a tar from a stream in one go. [NewPass] holds what it begins with, up to the first large file. Then either
// everything is there already ([Pass.Whole]), or [Pass.Plan] says what images there are and [Pass.Next] goes through
// the files that they need, or [Pass.Rest] gives all of the stream to be copied to where it can be read at any place.
// Memory is bounded. A Pass is for one goroutine; what reads a file that Next has come to may be another.
type Pass struct {
	*scan
	whole   bool
	pending *pending // the first large entry, whose header has been read

	plan    *Reader // what has come, and what is awaited
	planned []string
	awaited map[string]bool // names of files that are to come; false when they have come
	layers  map[string][]*stored
}

type pending struct {
	header *tar.Header
	offset int64
}

// NewPass reads the beginning of the uncompressed tar in r.
func NewPass(ctx context.Context, r io.Reader) (*Pass, error) {
	p := &Pass{scan: newScan(ctx, r, "run the same command again, what has arrived is skipped"), awaited: map[string]bool{}, layers: map[string][]*stored{}}
	p.tape.all = true
	if err := p.sniff(); err != nil {
		return nil, err
	}
	for {
		h, offset, err := p.next()
		if err == io.EOF {
			p.whole, p.tape.all = true, false // nobody reads what is behind the end, however long it is
			return p, p.end()
		}
		if err != nil {
			return nil, err
		}
		if size := contentSize(h); isSparse(h) || !p.tape.room(size) {
			p.pending = &pending{h, offset}
			return p, nil
		}
		p.tape.begin(h.Name, contentSize(h), true, false)
		if err := p.add(h, offset); err != nil {
			return nil, err
		}
	}
}

// Whole returns the archive if it is so small that all of it is held, or nil.
func (p *Pass) Whole() *Reader {
	if p.whole {
		return p.reader
	}
	return nil
}

// Rest returns the stream from its beginning, what has been read already included. Nothing else may be called after it, nor
// after a Plan that has succeeded.
func (p *Pass) Rest() io.Reader {
	var all []io.Reader
	for _, s := range p.tape.held {
		all = append(all, bytes.NewReader(p.tape.data(s)))
	}
	p.tape.held, p.tape.chunks = nil, nil // the readers let go of it, one after another
	return io.MultiReader(append(all, p.tape.r)...)
}

// Awaits reports whether a file with that name is still to come. Names are those of SavedLayer.Path; a blob is at
// blobs/ALGORITHM/HEX.
func (p *Pass) Awaits(name string) bool { return p.awaited[name] }

// Next goes on to the next file that the planned images need and returns its name. It can be read then, once and forwards, until Next is
// called again; only as long as it is short can it be read from the beginning again. The error is io.EOF when the
// whole archive has gone by and has been found to be what Plan made of its beginning. Until then nothing may rely on it.
func (p *Pass) Next(ctx context.Context) (string, error) {
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		h, offset, err := p.entry()
		if err == io.EOF {
			if err = p.confirm(ctx); err == nil {
				err = io.EOF
			}
			return "", err
		}
		if err != nil {
			return "", err
		}
		if err := p.add(h, offset); err != nil {
			return "", err
		}
		name := clean(h.Name)
		if !p.awaited[name] {
			if err := p.pass(h); err != nil {
				return "", err
			}
			continue
		}
		if h.Typeflag != tar.TypeReg || isSparse(h) {
			return "", fmt.Errorf("entry %q is a link or no plain file, which cannot be followed in a stream: give the archive as a file", h.Name)
		}
		return name, p.arrive(h, name)
	}
}

// entry is the next entry of the tar.
func (p *Pass) entry() (*tar.Header, int64, error) {
	if e := p.pending; e != nil {
		p.pending, p.tape.all = nil, false
		return e.header, e.offset, nil
	}
	return p.next()
}

// arrive lets an awaited file be read.
func (p *Pass) arrive(h *tar.Header, name string) error {
	p.awaited[name] = false
	var s span
	for s = range p.reader.all(name) {
		continue // the last one has just come
	}
	p.plan.entries.replace(name, s)
	for _, content := range p.layers[name] {
		content.span = s
	}
	p.tape.begin(h.Name, h.Size, false, true)
	_, err := p.tape.peek()
	return err
}

// confirm makes sure that the whole archive says the same as its beginning did.
func (p *Pass) confirm(ctx context.Context) error {
	if err := p.end(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.awaited)) {
		if p.awaited[name] {
			return fmt.Errorf("archive has no entry %q: %w", name, ErrIntegrity)
		}
	}
	for name := range p.plan.each() {
		if !p.reader.has(name) {
			continue // it is in a directory that is around everything: what follows finds that
		}
		if _, err := p.reader.single(name); err != nil {
			return err
		}
	}
	contents, err := p.reader.Contents(ctx)
	if err != nil {
		return err
	}
	planned, err := contents.images()
	if err == nil && !slices.Equal(planned, p.planned) {
		err = errors.New("what stands at the end of the archive changes what its images are: give it as a file")
	}
	return err
}
