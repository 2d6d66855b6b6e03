package dockerarchive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/limits"
	"drayage/internal/verify"
	"drayage/layout"
)

// thin is what the delta document of an archive or a layout says, and what of it manifests confirm. Its
// methods may be called on nil: an archive that is not thin lists nothing.
type thin struct {
	document digest.Digest
	absent   map[digest.Digest]*listed
	missing  []digest.Digest          // neither inside nor listed
	wrong    map[digest.Digest]string // what should not be listed, and why
	patched  bool                     // something is rebuilt from patches
	unsure   bool                     // a manifest could not be read, so nobody knows what it leads to
}

// listed is a blob that the document lists.
type listed struct {
	size      int64
	diffID    digest.Digest
	mediaType string
	needed    bool           // a manifest leads to it
	typed     bool           // and calls it what the document calls it
	rebuilt   *image.Rebuilt // or nil
}

// thin reads the delta document. The result is nil if index.json names none.
func (a *Reader) thin(ctx context.Context, l *layout.Layout) (*thin, error) {
	t, err := readThin(ctx, l)
	if errors.Is(err, errNoDocument) {
		return nil, fmt.Errorf("the archive %w: it lacks %w, which lists the blobs that are not inside",
			ErrIncomplete, err)
	}
	return t, err
}

// errNoDocument is wrapped by the error about a delta document that is not there.
var errNoDocument = errors.New("its delta document")

func readThin(ctx context.Context, l *layout.Layout) (*thin, error) {
	d, err := l.DeltaDocument()
	if err != nil || d == "" {
		return nil, err
	}
	if err := verify.Digest(d); err != nil {
		return nil, verify.Mismatchf("the annotation %s of index.json: %w", delta.Annotation, err)
	}
	desc, err := l.Stat(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w %s", errNoDocument, d)
	}
	if err != nil {
		return nil, err
	}
	raw, err := image.ReadAll(ctx, l, desc, limits.Delta)
	if err != nil {
		return nil, fmt.Errorf("delta document: %w", err)
	}
	doc, err := delta.Parse(raw)
	switch {
	case errors.Is(err, delta.ErrNewer):
		return nil, fmt.Errorf("delta document %s: %w", d, err)
	case err != nil:
		return nil, verify.Mismatchf("delta document %s cannot be used: %w", d, err)
	}
	t := &thin{document: d, absent: make(map[digest.Digest]*listed, len(doc.Absent)),
		wrong: map[digest.Digest]string{}}
	for i := range doc.Absent {
		b := &doc.Absent[i]
		t.absent[b.Digest] = &listed{size: b.Size, diffID: b.DiffID, mediaType: b.MediaType}
	}
	for i := range doc.Rebuilt {
		r := &doc.Rebuilt[i]
		t.patched = true
		t.absent[r.Digest] = &listed{size: r.Size, diffID: r.DiffID, mediaType: r.MediaType, rebuilt: r.How()}
	}
	return t, nil
}

// LeftOut reports whether a layout, as [Contents] or [layout.New] gives it, lacks a blob on purpose, and what
// its delta document says of the blob.
func LeftOut(ctx context.Context, l *layout.Layout, d digest.Digest) (a image.Absent, ok bool) {
	t, err := readThin(ctx, l)
	_, absent := l.Stat(d)
	if err != nil || !t.has(d) || !errors.Is(absent, fs.ErrNotExist) {
		return a, false
	}
	b := t.absent[d]
	desc := v1.Descriptor{MediaType: b.mediaType, Digest: d, Size: b.size}
	return image.Absent{Part: image.PartBlob, Descriptor: desc, Reason: image.LeftOut, DiffID: b.diffID,
		Rebuilt: b.rebuilt}, true
}

// has reports whether the document lists a blob.
func (t *thin) has(d digest.Digest) bool { return t != nil && t.absent[d] != nil }

// lists finds a part of an image in the document. The result is nil if it is not listed, or not as what it
// is: manifests and configurations have to be there.
func (t *thin) lists(part image.Part, d v1.Descriptor) *listed {
	if !t.has(d.Digest) {
		return nil
	}
	l := t.absent[d.Digest]
	switch {
	case part == image.PartManifest || part == image.PartConfig:
		t.wrong[d.Digest] = fmt.Sprintf("it is a %s, which has to be inside", part)
		return nil
	case l.size != d.Size:
		t.wrong[d.Digest] = fmt.Sprintf("it would have %d bytes, and its manifest says %d", l.size, d.Size)
		return nil
	}
	l.needed, l.typed = true, l.typed || l.mediaType == d.MediaType
	return l
}

// misses notes a blob that is neither inside nor listed as what it is.
func (t *thin) misses(d digest.Digest) {
	if t != nil && t.wrong[d] == "" {
		t.missing = append(t.missing, d)
	}
}

// doubts notes that a manifest could not be read.
func (t *thin) doubts() {
	if t != nil {
		t.unsure = true
	}
}

// check refuses an archive that lacks something else than its document says. The manifests have been walked.
// If tolerant, what is missing is left to who looks for faults.
func (t *thin) check(inside func(digest.Digest) bool, tolerant bool) error {
	for d, l := range t.absent {
		switch {
		case inside(d):
			t.wrong[d] = "it is inside"
		case t.wrong[d] != "":
		case !l.needed && !t.unsure:
			t.wrong[d] = "no manifest leads to it"
		case l.needed && !l.typed:
			t.wrong[d] = fmt.Sprintf("it would be %q, and its manifest says something else", l.mediaType)
		case l.rebuilt != nil:
			for _, part := range l.rebuilt.Parts() {
				if !inside(part.Digest) {
					t.missing = append(t.missing, part.Digest)
				}
			}
		}
	}
	if len(t.wrong) > 0 {
		return t.contradiction()
	}
	if len(t.missing) == 0 || tolerant {
		return nil
	}
	slices.Sort(t.missing)
	var names []string
	for _, d := range slices.Compact(t.missing) {
		names = append(names, d.String())
	}
	return fmt.Errorf("the archive %w: it lacks what its delta document does not list: %s",
		ErrIncomplete, shortened(names, ", "))
}

// contradiction is the error about what the document lists and should not.
func (t *thin) contradiction() error {
	var all []string
	for d, why := range t.wrong {
		all = append(all, d.String()+": "+why)
	}
	slices.Sort(all)
	return verify.Mismatchf("the archive contradicts its delta document, which lists %s", shortened(all, "; "))
}
