package image

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Rebuilt says how a layer that was left out is made again: a patch turns what other layers unpack to into
// what this one unpacks to, and a recipe compresses that to the very bytes of the layer.
type Rebuilt struct {
	Unpacked int64         // bytes that the layer unpacks to
	Patch    v1.Descriptor // with neither a media type nor anything else but a digest and a size
	Recipe   v1.Descriptor // the same; empty if the layer is uncompressed, or if Content is set
	Model    string        // the encoder that compresses to these bytes, for people

	// Content is set if only what the layer unpacks to can be made again. Its digest, and those of the manifest
	// and of the index, are lost.
	Content bool

	Bases []Base // the layers that the patch needs, in its order
}

// Base is a layer that the patch of another one needs.
type Base struct {
	v1.Descriptor               // of the blob, as the far side was known to have it
	DiffID        digest.Digest // what it unpacks to
}

// Parts are the patch and the recipe: blobs of the archive.
func (r *Rebuilt) Parts() []v1.Descriptor {
	if r.Recipe.Digest == "" {
		return []v1.Descriptor{r.Patch}
	}
	return []v1.Descriptor{r.Patch, r.Recipe}
}

// Size is how many bytes the patch and the recipe have.
func (r *Rebuilt) Size() int64 { return r.Patch.Size + r.Recipe.Size }

// Patch lets layers of the image travel as patches. Each of the layers says how it is rebuilt, and src has
// the patches and recipes. A layer that is absent already stays so.
func (im *Image) Patch(layers []Absent, src Source) {
	travels := map[digest.Digest]bool{}
	for _, d := range im.Travelling() {
		travels[d.Digest] = true
	}
	found := map[digest.Digest]Source{}
	for _, a := range layers {
		if !travels[a.Descriptor.Digest] {
			continue
		}
		im.Absent = append(im.Absent, a)
		for _, part := range a.Rebuilt.Parts() {
			found[part.Digest] = src
		}
	}
	if len(found) > 0 {
		parallel, _ := AsParallel(im.Source)
		im.Source = &filledSource{Source: im.Source, found: found, parallel: parallel}
	}
}
