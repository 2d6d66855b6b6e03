package source

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// Image is an image of a set. It is in a registry, in a layout, or, if Saved is set, in a docker tar. It is
// for one goroutine.
type Image struct {
	Label string   // what messages call it
	Names []string // full names; may be none
	Tag   string   // of an image without a full name; may be empty
	Saved *dockerarchive.SavedImage
	Repo  *registry.Repository // nil unless it is in a registry
	Ref   registry.Reference   // of it in Repo

	Referrer bool          // it belongs to another image
	Subject  digest.Digest // of a referrer: the manifest that it belongs to

	Fault   error          // why it is not whole; its parts that are there can be looked at
	NotHere []image.Absent // what the archive lacks on purpose of what its index leads to

	uncompressed bool // its manifest was made for an image of a docker tar

	root   v1.Descriptor // known after a request if the image is in a registry; of a docker tar only the digest
	source image.Source
	set    *Set
}

func (s *Set) savedImage(saved *dockerarchive.SavedImage) *Image {
	im := &Image{Label: saved.ID.String(), Names: saved.Names, Saved: saved, set: s}
	im.root.Digest = saved.ID
	switch {
	case len(saved.Names) > 0:
		im.Label = saved.Names[0]
	case saved.ID == "" && len(saved.Absent) > 0: // the configuration is not there
		im.Label = saved.Absent[0].Path
	}
	return im
}

func (s *Set) storedImage(e layout.Image) *Image {
	im := &Image{Label: e.Descriptor.Digest.String(), root: e.Descriptor, source: s.content, set: s,
		Referrer: e.Subject != "", Subject: e.Subject}
	switch {
	case e.Name != "":
		im.Label, im.Names = e.Name, []string{e.Name}
	case e.Ref != "":
		im.Label = e.Ref
		if ref, err := registry.ParseReference("image:" + e.Ref); err == nil && ref.Tag == e.Ref {
			im.Tag = e.Ref
		}
	}
	return im
}

// Digest is that of the manifest or index of an image in a layout. Of an image in a docker tar it is the
// image ID.
func (im *Image) Digest() digest.Digest { return im.root.Digest }

// IsIndex reports whether the name of an image in a layout stands for an index.
func (im *Image) IsIndex() bool { return image.IsIndex(im.root.MediaType) }

// At is the name of the image with a digest instead of a tag: the digest alone if it has no name.
func (im *Image) At(d digest.Digest) string {
	if len(im.Names) > 0 {
		if ref, err := registry.ParseReference(im.Names[0]); err == nil {
			return ref.Name() + "@" + d.String()
		}
	}
	return d.String()
}

// Root returns what the name of an image stands for, and where it is read from. It is for images that are
// not in a docker tar. A registry is asked once.
func (im *Image) Root(ctx context.Context) (v1.Descriptor, image.Source, error) {
	if im.source == nil {
		root, raw, err := im.Repo.Resolve(ctx, im.Ref.Target())
		if err != nil {
			return v1.Descriptor{}, nil, err
		}
		im.root = root
		im.source = &image.MemorySource{Content: map[digest.Digest][]byte{root.Digest: raw}, Next: im.Repo}
	}
	return im.root, im.source, nil
}

// RootDigest returns the digest that the name of an image stands for. A registry tells it without sending a
// manifest, and Docker Hub counts no pull. It is not verified: whoever uses the digest gets content that is.
func (im *Image) RootDigest(ctx context.Context) (digest.Digest, error) {
	if im.Repo != nil && im.Ref.Digest == "" {
		if d, err := im.Repo.Digest(ctx, im.Ref.Target()); err != nil || d != "" {
			return d, err
		}
	}
	root, _, err := im.Root(ctx)
	return root.Digest, err
}

// Raw returns the bytes of what the name of an image stands for.
func (im *Image) Raw(ctx context.Context) ([]byte, error) {
	if im.Repo != nil {
		_, raw, err := im.Repo.Raw(ctx, im.Ref.Target())
		return raw, err
	}
	return image.ReadAll(ctx, im.source, im.root, image.MaxManifestSize)
}

// Outline reads the index of an image, if it has one.
func (im *Image) Outline(ctx context.Context) (*image.Outline, error) {
	root, src, err := im.Root(ctx)
	if err != nil {
		return nil, err
	}
	return image.LoadOutline(ctx, src, root)
}

// Load loads what is selected of an image in a layout, with its name, and an image of a docker tar as it is.
// It enters what need not be there and is not into Absent.
func (im *Image) Load(ctx context.Context, sel image.Selection) (*image.Image, error) {
	if im.Saved != nil {
		return im.Saved.Image(ctx)
	}
	loaded, err := im.set.load(ctx, im.source, im.root, sel)
	if err != nil {
		return nil, err
	}
	for _, name := range im.Names { // one at most
		if ref, err := registry.ParseReference(name); err == nil {
			loaded.Names = ref.Names()
		}
	}
	loaded.Tag, loaded.Uncompressed = im.Tag, im.uncompressed
	loaded.LeaveOut(im.NotHere)
	if err := loaded.KeepContent(ctx); err != nil {
		return nil, err
	}
	return loaded, loaded.LeaveOutForeign(ctx)
}

// Peek is Load of an image in a layout for callers that look at very many and push none of them: the set
// keeps nothing of the image in memory.
func (im *Image) Peek(ctx context.Context, sel image.Selection) (*image.Image, error) {
	g, err := image.Load(ctx, im.source, im.root, sel)
	if err != nil {
		return nil, err
	}
	seen := &image.Image{Graph: g, Source: g.Source(im.source)}
	seen.LeaveOut(im.NotHere)
	return seen, seen.LeaveOutForeign(ctx)
}

// Spare drops what was kept in memory of a loaded image, if it can be read again where the image is. It is
// for callers that hold very many images at once.
func (im *Image) Spare(loaded *image.Image) {
	if im.Saved == nil && !loaded.Rewritten && im.set.Pass == nil {
		loaded.Source = im.source
		loaded.Forget()
	}
}

// Referring lists the referrers of a manifest in the layout of the set.
func (s *Set) Referring(d digest.Digest) []layout.Image { return s.referrers[d] }

// Referring lists the manifests that belong to a manifest in the layout of the image.
func (im *Image) Referring(d digest.Digest) (all []v1.Descriptor) {
	for _, e := range im.set.referrers[d] {
		all = append(all, e.Descriptor)
	}
	return all
}

// Referrers loads the referrers of an image in the layout, and theirs in turn.
func (im *Image) Referrers(ctx context.Context, loaded *image.Image) ([]*image.Image, error) {
	find := func(ctx context.Context, d digest.Digest) (all []*image.Image, err error) {
		for _, e := range im.set.referrers[d] {
			r, err := im.set.load(ctx, im.source, e.Descriptor, image.Selection{All: true})
			if err == nil {
				r.LeaveOut(im.set.absent[e.Descriptor.Digest])
				err = r.LeaveOutForeign(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Descriptor.Digest, err)
			}
			r.Subject, r.Tag = e.Subject, e.Tag
			all = append(all, r)
		}
		return all, nil
	}
	return image.Referrers(ctx, loaded, find)
}

// Left lists the referrers of an image in the layout that do not travel with what was loaded of it, and those
// of its index, which cannot travel because the index does not. It reads nothing.
func (im *Image) Left(ctx context.Context, loaded *image.Image) (left, ofIndex []digest.Digest, err error) {
	travel := map[digest.Digest]bool{}
	for _, r := range loaded.Referrers {
		travel[r.Root.Digest] = true
	}
	left, err = im.referring(ctx, loaded.Manifests, travel)
	if err == nil && loaded.Root.Digest != im.root.Digest {
		ofIndex, err = im.referring(ctx, []image.Node{{Descriptor: im.root}}, travel)
	}
	return left, ofIndex, err
}

// referring lists the referrers of manifests, and theirs in turn, each once.
func (im *Image) referring(
	ctx context.Context, manifests []image.Node, but map[digest.Digest]bool,
) (digests []digest.Digest, err error) {
	find := func(_ context.Context, d digest.Digest) (all []*image.Image, _ error) {
		for _, e := range im.set.referrers[d] {
			all = append(all, &image.Image{Graph: &image.Graph{
				Root: e.Descriptor, Manifests: []image.Node{{Descriptor: e.Descriptor}},
			}})
		}
		return all, nil
	}
	found, err := image.Referrers(ctx, &image.Image{Graph: &image.Graph{Manifests: manifests}}, find)
	for _, r := range found {
		if d := r.Root.Digest; !but[d] {
			but[d] = true
			digests = append(digests, d)
		}
	}
	return digests, err
}
