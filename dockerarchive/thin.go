package dockerarchive

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
)

// leftOut collects what was left out of the images of an archive, to list it in the delta document.
type leftOut map[digest.Digest]*omission

// omission is a blob that an image does not need inside.
type omission struct {
	v1.Descriptor
	diffID   digest.Digest // empty if no configuration tells it, or if two of them differ
	disputed bool
	images   []string
	rebuilt  *image.Rebuilt // or nil
	source   image.Source   // of its patch
}

// add enters what was left out of an image. The labels are what the document calls it.
func (l leftOut) add(ctx context.Context, im *image.Image, labels []string) error {
	found := false
	for _, a := range im.Absent {
		if a.Reason != image.LeftOut {
			continue
		}
		found = true
		o := l[a.Descriptor.Digest]
		if o == nil {
			o = &omission{Descriptor: a.Descriptor}
			l[a.Descriptor.Digest] = o
		}
		o.MediaType = min(o.MediaType, a.Descriptor.MediaType) // whatever the order of the images
		o.images = append(o.images, labels...)
		o.patchedAs(a.Rebuilt, im.Source)
	}
	if !found {
		return nil
	}
	for i := range im.Manifests {
		if err := l.addDiffIDs(ctx, im.Source, &im.Manifests[i].Document); err != nil {
			return err
		}
	}
	return nil
}

// patchedAs enters how the blob is rebuilt. The smaller of two patches counts, whatever the order of the
// images.
func (o *omission) patchedAs(r *image.Rebuilt, src image.Source) {
	if r == nil {
		return
	}
	if old := o.rebuilt; old != nil && cmp.Or(cmp.Compare(old.Size(), r.Size()),
		cmp.Compare(old.Patch.Digest, r.Patch.Digest), cmp.Compare(old.Recipe.Digest, r.Recipe.Digest)) <= 0 {
		return
	}
	o.rebuilt, o.source = r, src
}

// addDiffIDs reads the configuration of a manifest if one of its layers was left out.
func (l leftOut) addDiffIDs(ctx context.Context, src image.Source, doc *image.Document) error {
	lacks := func(d v1.Descriptor) bool { return l[d.Digest] != nil }
	if !doc.MayBeImage() || !slices.ContainsFunc(doc.Layers, lacks) {
		return nil
	}
	config, err := image.ReadAll(ctx, src, *doc.Config, image.MaxConfigSize)
	if err != nil {
		return err
	}
	for i, id := range doc.Judge(config).DiffIDs {
		o := l[doc.Layers[i].Digest]
		if o == nil {
			continue
		}
		if o.disputed = o.disputed || o.diffID != "" && o.diffID != id; o.disputed {
			id = ""
		}
		o.diffID = id
	}
	return nil
}

// document lists what is not inside, or is nil if everything is.
func (l leftOut) document(inside map[digest.Digest]bool) *delta.Document {
	labels := map[string]int32{}
	var absent []*omission
	for d, o := range l {
		if !inside[d] {
			absent = append(absent, o)
			for _, label := range o.images {
				labels[label] = 0
			}
		}
	}
	if len(absent) == 0 {
		return nil
	}
	doc := &delta.Document{}
	for label := range labels {
		doc.Images = append(doc.Images, label)
	}
	slices.Sort(doc.Images)
	for i, label := range doc.Images {
		labels[label] = int32(i)
	}
	slices.SortFunc(absent, func(a, b *omission) int { return cmp.Compare(a.Digest, b.Digest) })
	for _, o := range absent {
		b := delta.Blob{Digest: o.Digest, Size: o.Size, DiffID: o.diffID, MediaType: o.MediaType}
		for _, label := range o.images {
			b.Images = append(b.Images, labels[label])
		}
		slices.Sort(b.Images)
		b.Images = slices.Compact(b.Images)
		if o.rebuilt != nil {
			doc.Rebuilt = append(doc.Rebuilt, delta.NewRebuilt(b, o.rebuilt))
		} else {
			doc.Absent = append(doc.Absent, b)
		}
	}
	return doc
}

// patched are those that are rebuilt, because they are not inside.
func (l leftOut) patched(inside map[digest.Digest]bool) (all []*omission) {
	for d, o := range l {
		if o.rebuilt != nil && !inside[d] {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b *omission) int { return cmp.Compare(a.Digest, b.Digest) })
	return all
}

// deltaFile is the delta document as a blob, and its digest: nil and nothing if all that the images need is
// inside.
func (l leftOut) deltaFile(inside map[digest.Digest]bool) (*tarEntry, digest.Digest, error) {
	raw, err := marshalDelta(l.document(inside))
	if raw == nil || err != nil {
		return nil, "", err
	}
	d := digest.FromBytes(raw)
	return file(ociPath(d), raw, time.Unix(0, 0)), d, nil
}

// marshalDelta returns the bytes of a delta document, or nil if there is none. It asks the limits of its
// reader.
func marshalDelta(doc *delta.Document) ([]byte, error) {
	if doc == nil {
		return nil, nil
	}
	raw, err := doc.Marshal()
	if err = cmp.Or(err, tooMany(len(raw), limits.Delta, "bytes in its delta document"),
		tooMany(jsonkeys.Values(raw), limits.DeltaValues, "values in its delta document"),
		tooMany(len(doc.Images), limits.Images, "images that lack blobs"),
		tooMany(len(doc.Absent), limits.DeltaBlobs, "blobs that are left out"),
		tooMany(len(doc.Rebuilt), limits.DeltaBlobs, "patches"), doc.Validate()); err != nil {
		return nil, err
	}
	return raw, nil
}
