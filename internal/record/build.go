package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/kind"
	"drayage/internal/source"
)

// Build makes the record of a whole archive or layout. The set has been opened with its referrers, and files
// are those that it is in. Manifests and configurations are read, layers are not.
func Build(ctx context.Context, set *source.Set, files []File) (*Document, error) {
	if err := set.Fault(); err != nil {
		return nil, err
	}
	b := &builder{
		doc:    &Document{MediaType: MediaType, Files: files, Images: []Image{}, Referrers: []Referrer{}},
		images: map[digest.Digest]int{}, layers: map[digest.Digest]*Layer{}, referrers: map[[2]digest.Digest]bool{},
	}
	for _, im := range set.Images {
		if err := b.add(ctx, im); err != nil {
			return nil, fmt.Errorf("%s: %w", im.Label, err)
		}
	}
	b.finish()
	return b.doc, nil
}

// builder makes a document.
type builder struct {
	doc       *Document
	images    map[digest.Digest]int // where in the document
	layers    map[digest.Digest]*Layer
	referrers map[[2]digest.Digest]bool // by digest and subject
	held      int                       // about how many bytes the document takes
}

func (b *builder) add(ctx context.Context, im *source.Image) error {
	if im.Referrer {
		return b.refer(ctx, im.Subject, im)
	}
	i, known := b.images[im.Digest()]
	if !known || im.Digest() == "" {
		i = len(b.doc.Images)
		b.images[im.Digest()] = i
		described, err := b.describe(ctx, im)
		if err != nil {
			return err
		}
		b.doc.Images = append(b.doc.Images, *described)
	}
	names := &b.doc.Images[i].Names
	switch {
	case im.Saved != nil:
		*names = append(append(*names, im.Saved.Names...), im.Saved.Odd...)
	case len(im.Names) > 0:
		*names = append(*names, im.Names...)
	case im.Label != im.Digest().String():
		*names = append(*names, im.Label)
	}
	return b.hold(len(im.Label))
}

// hold fails if the document gets larger than a record may be.
func (b *builder) hold(n int) error {
	if b.held += n; b.held > MaxSize {
		return kind.Errorf(image.ErrTooMany, "the record would be larger than %d MiB: "+
			"make several archives, each with a record", MaxSize>>20)
	}
	return nil
}

// describe says what an image is. Its names are not part of that.
func (b *builder) describe(ctx context.Context, im *source.Image) (*Image, error) {
	if im.Saved != nil {
		shown, err := inspect.Saved(*im.Saved)
		if err != nil {
			return nil, err
		}
		return b.image(ctx, shown, nil, slices.Concat(im.NotHere, im.Saved.Absent))
	}
	root, src, err := im.Root(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := inspect.Read(ctx, src, root, inspect.Options{Configs: true})
	if err != nil {
		return nil, err
	}
	if len(shown.Attestations) > 0 {
		if err := b.attest(ctx, src, root); err != nil {
			return nil, err
		}
	}
	return b.image(ctx, shown, src, im.NotHere)
}

// image turns what inspect says of an image into its entry, and enters its layers.
func (b *builder) image(
	ctx context.Context, shown *inspect.Image, src image.Source, absent []image.Absent) (*Image, error) {
	im := &Image{
		Names: []string{}, Kind: shown.Kind, MediaType: shown.MediaType, Digest: shown.Digest,
		Platforms: []Platform{},
	}
	why := map[digest.Digest]string{}
	for _, a := range absent {
		why[a.Descriptor.Digest] = reasons[a.Reason]
	}
	seen := map[digest.Digest]bool{}
	for i := range shown.Platforms {
		p := platform(&shown.Platforms[i])
		for _, l := range shown.Platforms[i].Layers {
			entry := Layer{Digest: l.Digest, DiffID: l.DiffID, MediaType: l.MediaType, Size: l.Size}
			key := entry.Key()
			entry.Absent = cmp.Or(why[key], why[l.DiffID])
			p.Layers = append(p.Layers, key)
			if seen[key] {
				continue
			}
			seen[key] = true
			if err := b.layer(ctx, src, entry); err != nil {
				return nil, err
			}
		}
		if err := b.hold(p.size()); err != nil {
			return nil, err
		}
		im.Platforms = append(im.Platforms, p)
	}
	return im, nil
}

// reasons are the words for why something is not inside. What is missing or damaged is no part of a record.
var reasons = map[image.Reason]string{
	image.LeftOut: LeftOut, image.ForeignLayer: Foreign, image.OtherPlatform: OtherPlatform,
}

// layer enters a layer of one more image.
func (b *builder) layer(ctx context.Context, src image.Source, l Layer) error {
	known := b.layers[l.Key()]
	if known == nil {
		if l.Absent == "" && src != nil && image.IsForeign(l.MediaType) {
			d := v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}
			rc, err := src.Open(ctx, d, max(l.Size-1, 0), 1)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				l.Absent = Foreign
			case err == nil:
				rc.Close()
			}
		}
		known = &l
		b.layers[l.Key()] = known
		if err := b.hold(300); err != nil {
			return err
		}
	}
	known.Images++
	known.DiffID = cmp.Or(known.DiffID, l.DiffID)
	known.Absent = cmp.Or(known.Absent, l.Absent)
	return nil
}

func platform(shown *inspect.Platform) Platform {
	p := Platform{
		Platform: shown.Platform, OSVersion: shown.OSVersion, Digest: shown.Digest, ID: shown.ID,
		ArtifactType: shown.ArtifactType, Missing: shown.Missing, Layers: []digest.Digest{},
	}
	if c := shown.Config; c != nil {
		p.Created, p.Labels = c.Created, c.Labels
	}
	p.Base = told(shown.Annotations, "annotation")
	if p.Base == nil {
		p.Base = told(p.Labels, "label")
	}
	return p
}

// size is about how many bytes the platform takes.
func (p *Platform) size() int {
	n := 500 + 80*len(p.Layers) + len(p.ArtifactType) + len(p.OSVersion)
	for k, v := range p.Labels {
		n += len(k) + len(v) + 6
	}
	if p.Base != nil {
		n += len(p.Base.Name) + len(p.Base.Digest)
	}
	return n
}

// finish sorts the document and sums it up.
func (b *builder) finish() {
	doc := b.doc
	for i := range doc.Images {
		slices.Sort(doc.Images[i].Names)
		doc.Images[i].Names = slices.Compact(doc.Images[i].Names)
	}
	slices.SortFunc(doc.Images, func(x, y Image) int {
		return cmp.Or(cmp.Compare(x.Title(), y.Title()), cmp.Compare(x.Key(), y.Key()))
	})
	slices.SortFunc(doc.Referrers, func(x, y Referrer) int {
		return cmp.Or(cmp.Compare(x.Subject, y.Subject), cmp.Compare(x.Digest, y.Digest))
	})
	slices.SortFunc(doc.Files, func(x, y File) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.SHA256, y.SHA256))
	})
	doc.Layers = make([]Layer, 0, len(b.layers))
	for _, l := range b.layers {
		doc.Layers = append(doc.Layers, *l)
	}
	slices.SortFunc(doc.Layers, func(x, y Layer) int { return cmp.Compare(x.Key(), y.Key()) })
	doc.sum()
	doc.findBases()
}
