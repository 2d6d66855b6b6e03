package layout

import (
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Chooser chooses among the entries of an index.json, by their places.
type Chooser func(all []Image) (at []int, err error)

// Removal says what [Dir.Remove] has done.
type Removal struct {
	Removed []Image // the entries that were chosen
	Along   []Image // referrers that belonged to nothing but these

	// Blobs is how many blobs no entry leads to any more, those from before included, and Bytes is their size.
	// [Dir.Collect] removes them.
	Blobs int
	Bytes int64
}

// Remove takes entries off index.json, together with the referrers that belong to nothing else in the layout.
// The blobs stay until [Dir.Collect]. With dryRun it only says what would be done.
func (d *Dir) Remove(ctx context.Context, choose Chooser, dryRun bool) (*Removal, error) {
	r := newReach(d.Layout)
	_, err := d.holdings(ctx, r, nil) // before anybody has to wait for it
	if err != nil {
		return nil, err
	}
	var done *Removal
	remove := func(ix *index) (changed bool, err error) {
		h, err := d.holdings(ctx, r, ix)
		if err != nil {
			return false, err
		}
		at, err := choose(h.images)
		if err != nil {
			return false, err
		}
		gone := make([]bool, len(h.images))
		for _, i := range at {
			gone[i] = true
		}
		if done, err = h.remove(gone); err != nil || dryRun {
			return false, err
		}
		for i := range gone {
			ix.entries[i].gone = gone[i]
		}
		return true, nil
	}
	if dryRun { // without the lock, which could not be had on a read-only disk
		_, err = remove(nil)
	} else {
		err = d.change(ctx, remove)
	}
	return done, err
}

// holdings reads what the entries of an index lead to. Without an index it reads index.json.
func (d *Dir) holdings(ctx context.Context, r *reach, ix *index) (_ *holdings, err error) {
	if ix == nil {
		if ix, err = readIndex(d.fsys); err != nil {
			return nil, d.named(err)
		}
	}
	all, err := ix.images(d.Layout)
	if err != nil {
		return nil, d.named(err)
	}
	h, err := hold(ctx, r, all)
	return h, d.named(err)
}

// remove enters the referrers that go along with the entries in gone, and says what goes.
func (h *holdings) remove(gone []bool) (*Removal, error) {
	before, after := h.newClosure(), h.newClosure()
	all := make([]bool, len(h.images))
	for _, i := range h.heads() {
		h.add(before, h.roots[i], all, nil)
		if !gone[i] {
			h.add(after, h.roots[i], gone, nil)
		}
	}
	done := &Removal{}
	for i, im := range h.images {
		switch {
		case gone[i]:
			done.Removed = append(done.Removed, im)
		case before.attached[i] && !after.attached[i]:
			gone[i] = true
			done.Along = append(done.Along, im)
		}
	}
	blobs, err := h.src.Blobs()
	if err != nil {
		return nil, err
	}
	live := h.live(gone)
	for _, b := range blobs {
		if !h.has(live, b) {
			done.Blobs++
			done.Bytes += b.Size
		}
	}
	return done, nil
}

// has reports whether a blob is among some parts, or tells of what the layout lacks on purpose.
func (h *holdings) has(parts []bool, b v1.Descriptor) bool {
	n, known := h.numbers[b.Digest]
	return known && parts[n] || h.belongs[b.Digest]
}

// AddName gives the image that choose chooses, which must be one, another name, and a tag unless that is
// empty. It returns the entry of the image, and what the name referred to before, if anything.
func (d *Dir) AddName(
	ctx context.Context, choose Chooser, name, tag string,
) (of Image, old v1.Descriptor, err error) {
	err = d.change(ctx, func(ix *index) (changed bool, err error) {
		all, err := ix.images(d.Layout)
		if err != nil {
			return false, d.named(err)
		}
		at, err := choose(all)
		if err != nil {
			return false, err
		}
		of = all[at[0]]
		if _, err := d.Stat(of.Descriptor.Digest); err != nil {
			return false, d.named(err)
		}
		old, changed = ix.set(of.Descriptor, name, tag)
		return changed, nil
	})
	return of, old, err
}
