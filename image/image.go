package image

import (
	"context"
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/lenient"
)

// Image is an image or a referrer as it moves from one place to another: all that it consists of, and where
// its bytes come from. fetch.Resolve, [Open] and dockerarchive.SavedImage.Image make one. dockerarchive.Write
// and upload.Push take one.
type Image struct {
	*Graph
	Source Source   // gives out the manifests and blobs of Graph, except for those in Absent
	Names  []string // full names, each with a tag or with a digest; may be none
	Absent []Absent // parts that Source lacks

	Referrers []*Image // signatures, SBOMs and the like, as far as they were asked for

	// Subject is set for a referrer: the manifest that it belongs to.
	Subject digest.Digest

	// Tag is the tag under which cosign finds a referrer. It is empty where the manifest of the referrer names
	// its subject. Of an image without Names it is the tag that it has nevertheless, in no repository.
	Tag string

	// Uncompressed is set where the manifest is no registry's, but was made for an image of a docker tar. Most
	// of its layers are uncompressed then.
	Uncompressed bool
}

// Open loads what is selected of the image that root names in src.
func Open(ctx context.Context, src Source, root v1.Descriptor, sel Selection) (*Image, error) {
	g, err := Load(ctx, src, root, sel)
	if err != nil {
		return nil, err
	}
	return &Image{Graph: g, Source: g.Source(src)}, nil
}

// Judge says what the image is. An index is what the first of its manifests is that is no artifact. The
// configurations are read from the source where the manifests alone do not decide.
func (im *Image) Judge(ctx context.Context) (Judgement, error) {
	doc := &im.RootNode().Document
	if !IsIndex(doc.MediaType) {
		return judge(ctx, im.Source, doc)
	}
	for i := range im.Manifests {
		j, err := judge(ctx, im.Source, &im.Manifests[i].Document)
		if ctx.Err() != nil {
			return j, err
		}
		if j.Kind != Artifact { // also if its configuration is absent
			return j, nil
		}
	}
	return Judgement{}, nil
}

// Entry is the descriptor of the image for an index.json. It has a platform if the image was chosen for one
// that its configuration, which is read from src, does not tell: an index may list one manifest for two
// platforms.
func (im *Image) Entry(ctx context.Context, src Source) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: im.Root.MediaType, Digest: im.Root.Digest, Size: im.Root.Size}
	if im.chosen == nil {
		return d, nil
	}
	j, err := judge(ctx, src, &im.RootNode().Document)
	if err == nil && !samePlatform(j.Config.Platform, *im.chosen) {
		d.Platform = im.chosen
	}
	return d, err
}

// Tell finds out the platform of an image that was loaded with [Selection].Later. A configuration that cannot
// be read tells none.
func (im *Image) Tell(ctx context.Context) {
	if IsIndex(im.Root.MediaType) || len(im.Platforms) != 1 || im.Platforms[0].OS != "" {
		return
	}
	if j, err := im.Judge(ctx); err == nil {
		im.Platforms = lenient.Platforms([]v1.Platform{j.Config.Platform})
	}
}

func judge(ctx context.Context, src Source, doc *Document) (Judgement, error) {
	if !doc.MayBeImage() {
		return Judgement{}, nil
	}
	config, err := ReadAll(ctx, src, *doc.Config, MaxConfigSize)
	return doc.Judge(config), err
}

// Travelling lists the blobs of the image that are not absent.
func (im *Image) Travelling() []v1.Descriptor {
	if len(im.Absent) == 0 {
		return im.Blobs
	}
	absent := map[digest.Digest]bool{}
	for _, a := range im.Absent {
		absent[a.Descriptor.Digest] = true
	}
	var all []v1.Descriptor
	for _, d := range im.Blobs {
		if !absent[d.Digest] {
			all = append(all, d)
		}
	}
	return all
}

// LeaveOut adds to Absent those of the given parts that belong to the image.
func (im *Image) LeaveOut(parts []Absent) {
	has := map[digest.Digest]bool{}
	for _, d := range im.Blobs {
		has[d.Digest] = true
	}
	for _, a := range parts {
		if has[a.Descriptor.Digest] {
			im.Absent = append(im.Absent, a)
		}
	}
}

// LeaveOutForeign enters foreign layers that the source does not have into Absent. Registries take
// manifests without them, because engines ask the addresses in the manifest
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers).
func (im *Image) LeaveOutForeign(ctx context.Context) error {
	for _, d := range im.ForeignLayers() {
		rc, err := im.Source.Open(ctx, d, max(d.Size-1, 0), 1)
		switch {
		case errors.Is(err, ErrNoRanges): // it is there
		case errors.Is(err, fs.ErrNotExist):
			im.Absent = append(im.Absent, Absent{Part: PartLayer, Descriptor: d, Reason: ForeignLayer, Err: err})
		case err != nil:
			return err
		default:
			rc.Close()
		}
	}
	return nil
}

// ForeignLayers lists the foreign layers of the image that are not absent.
func (im *Image) ForeignLayers() (all []v1.Descriptor) {
	for _, d := range im.Travelling() {
		if IsForeign(d.MediaType) {
			all = append(all, d)
		}
	}
	return all
}
