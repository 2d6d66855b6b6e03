package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

func (d *Dir) repairIndex(ctx context.Context, r *Repaired) error {
	if fi, err := fs.Stat(d.fsys, v1.ImageIndexFile); err != nil || !fi.Mode().IsRegular() { // nor leads to one
		if err := d.clearPlace(v1.ImageIndexFile); err != nil {
			return d.located(err)
		}
	}
	raw, err := readFile(d.fsys, v1.ImageIndexFile, limits.IndexJSON)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if err == nil {
		if ix, err := parseIndex(raw); err == nil && !slices.ContainsFunc(ix.entries, entry.isWrong) {
			return d.repairEntries(ctx, ix, r)
		}
		if r.Kept, err = d.setAside(v1.ImageIndexFile, raw); err != nil {
			return err
		}
	}
	r.Index = true
	ix := emptyIndex()
	ix.entries = d.healed(ctx, readable(raw))
	r.Saved = len(ix.entries)
	nameless, err := d.unnamed(ctx, ix.entries)
	if err != nil {
		return err
	}
	r.Nameless = len(nameless)
	ix.entries = append(ix.entries, nameless...)
	if raw, err = ix.marshal(); err != nil {
		return err
	}
	return d.write(v1.ImageIndexFile, raw)
}

// healed returns those of the entries that can stand in index.json, with the right sizes where there are
// blobs.
func (d *Dir) healed(ctx context.Context, entries []entry) []entry {
	for i := range entries {
		if found, err := d.described(ctx, entries[i].desc); err == nil {
			entries[i].describe(found)
		}
	}
	return slices.DeleteFunc(entries, func(e entry) bool { return verify.Descriptor(e.desc) != nil })
}

// repairEntries corrects what entries of a readable index.json say of what they lead to.
func (d *Dir) repairEntries(ctx context.Context, ix *index, r *Repaired) error {
	good := map[string]bool{} // names that lead to something
	var lost []*entry
	for i := range ix.entries {
		e := &ix.entries[i]
		found, err := d.described(ctx, e.desc)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lost = append(lost, e)
			if found.Size == verify.NoSize {
				found.Size = 0
				e.describe(found)
				r.Entries++
			}
		case err != nil:
			return fmt.Errorf("%s: %w", d.path, err)
		default:
			good[e.image().Name] = true
			if e.describe(found) {
				r.Entries++
			}
		}
	}
	for _, e := range lost {
		if name := e.image().Name; name != "" && good[name] {
			e.gone = true
			r.Entries++
		}
	}
	if r.Entries == 0 {
		return nil
	}
	raw, err := d.marshal(ix)
	if err != nil {
		return err
	}
	return d.write(v1.ImageIndexFile, raw)
}

// isWrong reports whether it cannot be told what the entry leads to. A missing size can be told.
func (e entry) isWrong() bool {
	if e.desc.Size == verify.NoSize {
		return verify.Digest(e.desc.Digest) != nil
	}
	return verify.Descriptor(e.desc) != nil
}

// described returns a descriptor with the size and the media type that its blob has.
func (d *Dir) described(ctx context.Context, b v1.Descriptor) (v1.Descriptor, error) {
	found, err := d.Stat(b.Digest)
	if err != nil {
		return b, err
	}
	was := b
	b.Size = found.Size
	if b.Size > image.MaxManifestSize {
		return b, nil
	}
	raw, err := image.ReadAll(ctx, d, b, image.MaxManifestSize)
	switch {
	case errors.Is(err, fs.ErrNotExist), ctx.Err() != nil:
		return b, err
	case err != nil:
		return was, nil // it is wrong, but could not be removed
	}
	if _, err := image.ParseManifest(b.MediaType, raw); err == nil && image.IsManifest(b.MediaType) {
		return b, nil
	}
	if doc, err := image.ParseManifest("", raw); err == nil {
		b.MediaType = doc.MediaType
	}
	return b, nil
}

// setAside writes what a file holds to another file, and returns the name of that. The first file stays
// until it is replaced: whoever is killed in between must find it again.
func (d *Dir) setAside(name string, raw []byte) (string, error) {
	for i := 1; i < 1000; i++ {
		aside := fmt.Sprintf("%s.damaged-%d", name, i)
		was, err := readFile(d.fsys, aside, limits.IndexJSON)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return aside, d.write(aside, raw)
		case err == nil && bytes.Equal(was, raw):
			return aside, nil
		}
	}
	return "", fmt.Errorf("%s: too many damaged files: remove %s.damaged-*", d.path, name)
}

// readable returns the entries of a damaged index.json that stand before the damage.
func readable(raw []byte) (all []entry) {
	start := bytes.Index(raw, []byte(`"manifests"`))
	if start < 0 {
		return nil
	}
	rest := raw[start+len(`"manifests"`):]
	open := bytes.IndexByte(rest, '[')
	if open < 0 || len(bytes.TrimLeft(rest[:open], ": \t\r\n")) > 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(rest[open:]))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		var e entry
		if dec.Decode(&e.raw) != nil {
			return all
		}
		if json.Unmarshal(e.raw, (*lenient.Descriptor)(&e.desc)) != nil {
			lenient.Decode(e.raw, &e.desc)
			e.desc.Size = -1 // its blob tells
		}
		if jsonkeys.UniqueRead(e.raw) == nil && verify.Digest(e.desc.Digest) == nil {
			all = append(all, e)
		}
	}
	return all
}

// unnamed makes entries for the manifests that neither the known entries nor other manifests lead to.
func (d *Dir) unnamed(ctx context.Context, known []entry) (all []entry, err error) {
	blobs, err := d.Blobs()
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]v1.Descriptor{} // of manifests
	led := map[digest.Digest]bool{}
	for _, e := range known {
		led[e.desc.Digest] = true
	}
	for _, b := range blobs {
		doc, ok, err := d.document(ctx, b)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		b.MediaType = doc.MediaType
		if doc.Subject != nil {
			b.Annotations = map[string]string{AnnotationSubject: doc.Subject.Digest.String()}
		}
		found[b.Digest] = b
		for _, c := range doc.Children() {
			led[c.Digest] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if !led[id] {
			all = append(all, entry{desc: found[id]})
		}
	}
	return all, nil
}

// document returns a blob as a manifest or index, and reports whether it is one.
func (d *Dir) document(ctx context.Context, b v1.Descriptor) (image.Document, bool, error) {
	if b.Size > image.MaxManifestSize || b.Size < 2 {
		return image.Document{}, false, nil
	}
	raw, err := image.ReadAll(ctx, d, b, image.MaxManifestSize)
	if err != nil { // it has been removed, or could not be though it is wrong
		return image.Document{}, false, ctx.Err()
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return image.Document{}, false, nil
	}
	doc, err := image.ParseManifest("", raw)
	return doc, err == nil, nil
}
