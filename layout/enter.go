package layout

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Entry is what index.json is to say about a manifest or index.
type Entry struct {
	Descriptor v1.Descriptor
	Name       string        // a full name, such as docker.io/library/alpine:3.20, or one with a digest
	Tag        string        // may be empty
	Subject    digest.Digest // of a referrer without a name: the image that it refers to

	// Over, if it is set, is what the name is thought to stand for; an empty digest is nothing. If the name
	// stands for something else by then, the entry stays out, and [Dir.Enter] returns that.
	Over *digest.Digest
}

// Refused reports whether an entry stayed out because its name stood for something else, which is old.
func (e Entry) Refused(old v1.Descriptor) bool {
	return e.Over != nil && old.Digest != *e.Over && old.Digest != e.Descriptor.Digest
}

// Enter puts entries into index.json, all or none of them, but for those that are refused. What they lead to
// must be in the layout. Enter returns the descriptor that each name referred to before, if any. Entries and
// fields of other tools stay as they are. Enter may be called concurrently.
func (d *Dir) Enter(ctx context.Context, entries []Entry) (old []v1.Descriptor, err error) {
	for _, e := range entries {
		if err := verify.Descriptor(e.Descriptor); err != nil {
			return nil, err
		}
		if e.Name == "" && e.Subject == "" {
			return nil, errors.New("an entry of index.json needs a name")
		}
	}
	old = make([]v1.Descriptor, len(entries))
	return old, d.change(ctx, func(ix *index) (changed bool, _ error) {
		for i, e := range entries {
			var one bool
			old[i], one = ix.put(e)
			changed = changed || one
		}
		return changed, nil
	})
}

// Missing lists which of the entries are not in index.json any more, by their places. What its name refers to
// now may be something else.
func (d *Dir) Missing(entries []Entry) (missing []int, _ error) {
	ix, unlock, err := d.look()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for i, e := range entries {
		if ix.lacks(e) {
			missing = append(missing, i)
		}
	}
	return missing, nil
}

// Names returns a function that tells what a full name stands for in index.json, as it is now or when this
// Dir has changed it, and whether that is an image. What cannot be read stands for nothing.
func (d *Dir) Names() func(name string) (v1.Descriptor, bool) {
	ix, unlock, err := d.look()
	if err != nil {
		return func(string) (v1.Descriptor, bool) { return v1.Descriptor{}, false }
	}
	unlock()
	return func(name string) (v1.Descriptor, bool) {
		d.indexing.Lock()
		defer d.indexing.Unlock()
		found := &index{}
		for _, i := range ix.find(name) {
			if e := ix.entries[i]; !e.gone && !e.refers() {
				found.entries = append(found.entries, e)
			}
		}
		all, _ := found.images(d.Layout)
		if len(all) == 0 {
			return v1.Descriptor{}, false
		}
		return all[len(all)-1].Descriptor, true
	}
}

// Tag is Enter of one entry with a name and without a platform.
func (d *Dir) Tag(ctx context.Context, desc v1.Descriptor, name, tag string) (old v1.Descriptor, err error) {
	desc.Platform = nil
	all, err := d.Enter(ctx, []Entry{{Descriptor: desc, Name: name, Tag: tag}})
	if err != nil {
		return old, err
	}
	return all[0], nil
}

// Fits returns an error if index.json would grow too large to be read with these entries. It is for asking
// before anything is fetched. [Dir.Enter] asks the same.
func (d *Dir) Fits(entries []Entry) error {
	raw, err := d.RawIndex()
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	more := emptyIndex()
	for _, e := range entries {
		more.put(e)
	}
	added, err := more.marshal()
	if err != nil || withinLimits(raw, added) == nil { // mostly, and it need not be parsed for that
		return err
	}
	ix, err := parseIndex(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	for _, e := range entries {
		ix.put(e)
	}
	_, err = d.marshal(ix)
	return err
}

// put enters one entry. It returns what its name referred to before, if anything.
func (ix *index) put(e Entry) (old v1.Descriptor, changed bool) {
	if e.Name == "" {
		return old, ix.refer(e.Descriptor, e.Subject)
	}
	if now := ix.named(e.Name, e.Descriptor.Digest); e.Refused(now) {
		return now, false
	}
	return ix.set(e.Descriptor, e.Name, e.Tag)
}

// lacks reports whether put would enter something new.
func (ix *index) lacks(e Entry) bool {
	if e.Name != "" {
		now := ix.named(e.Name, e.Descriptor.Digest)
		return now.Digest == "" && !e.Refused(now)
	}
	at := ix.find(referrer(e.Descriptor.Digest, e.Subject.String()))
	if len(at) == 0 {
		return true
	}
	there := ix.entries[at[0]]
	return there.describe(e.Descriptor)
}
