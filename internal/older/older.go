// Package older finds layers that a patch of a new layer may be made against: the far side has them, and they
// can be read here. A [Finder] looks for them in [Place]s, in older images of the same repository first.
package older

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/limits"
)

// Layer is a layer that the far side has, and where it is read here.
type Layer struct {
	image.Base
	Source image.Source
}

// Place has images. Some of them are older than those that are sent.
type Place interface {
	// Near lists images that probably have layers like those of an image, the most likely first.
	Near(ctx context.Context, im *image.Image) ([]*image.Image, error)
}

// holder is a [Place] that has blobs which none of its images may need.
type holder interface {
	// Holding returns the source of a blob, or nil.
	Holding(ctx context.Context, d v1.Descriptor) image.Source
}

// Finder finds layers. Its methods may be called one after another only.
type Finder struct {
	Places []Place
	// Has reports whether the far side has a blob.
	Has func(ctx context.Context, d v1.Descriptor) (bool, error)

	known map[digest.Digest]bool // answers of Has
}

// Candidate is a layer of an older image, and what speaks for it.
type Candidate struct {
	Layer
	kin    int  // how its image is related to the new one; 0: it is of the same repository
	turn   int  // which of the images it is from
	stays  bool // the new image has it too
	height int  // how many layers its image has above it
}

// Of lists the layers that may serve a manifest of an image.
func (f *Finder) Of(ctx context.Context, im *image.Image, n *image.Node) ([]Candidate, error) {
	var all []Candidate
	has := map[digest.Digest]bool{}
	for _, d := range n.Document.Layers {
		has[d.Digest] = true
	}
	turn := 0
	for _, p := range f.Places {
		images, err := p.Near(ctx, im)
		if err != nil {
			return nil, err
		}
		for _, old := range images {
			turn++
			some, err := f.layers(ctx, old, n)
			if err != nil {
				return nil, err
			}
			for _, c := range some {
				c.kin, c.turn, c.stays = kinship(im.Names, old.Names), turn, has[c.Digest]
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// Choose takes those of the candidates that promise most for the layer of an image with so many layers above
// it, the best first.
func Choose(all []Candidate, height int) (chosen []Layer) {
	distance := func(c Candidate) int { return max(c.height-height, height-c.height) }
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.kin, b.kin), order(a.stays, b.stays), cmp.Compare(a.turn, b.turn),
			cmp.Compare(distance(a), distance(b)), cmp.Compare(a.Digest, b.Digest))
	})
	seen := map[digest.Digest]bool{}
	for _, c := range all {
		if !seen[c.DiffID] && len(chosen) < limits.PatchBases {
			seen[c.DiffID] = true
			chosen = append(chosen, c.Layer)
		}
	}
	return chosen
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// kinship is 0 for two images of one repository, 1 for two whose repositories end in the same word, else 2.
func kinship(a, b []string) int {
	best := 2
	for _, x := range a {
		for _, y := range b {
			x, y := repository(x), repository(y)
			switch {
			case x == y:
				return 0
			case x[strings.LastIndex(x, "/")+1:] == y[strings.LastIndex(y, "/")+1:]:
				best = 1
			}
		}
	}
	return best
}

// repository is a name without its tag and digest.
func repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name
}

// layers lists the layers of an older image, for the platform of a manifest, that both sides have.
func (f *Finder) layers(ctx context.Context, old *image.Image, n *image.Node) (all []Candidate, err error) {
	here := map[digest.Digest]bool{}
	for _, d := range old.Travelling() {
		here[d.Digest] = true
	}
	for i := range old.Manifests {
		doc := &old.Manifests[i].Document
		if !doc.MayBeImage() || old.Manifests[i].Descriptor.Digest == n.Descriptor.Digest {
			continue
		}
		raw, err := image.ReadAll(ctx, old.Source, *doc.Config, image.MaxConfigSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for k, id := range doc.Judge(raw).DiffIDs {
			d := doc.Layers[k]
			if !usable(d) || id.Algorithm() != digest.SHA256 {
				continue
			}
			there, err := f.has(ctx, d)
			if err != nil {
				return nil, err
			}
			src := old.Source
			if there && !here[d.Digest] {
				src = f.holding(ctx, d)
			}
			if there && src != nil {
				bare := v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
				all = append(all, Candidate{Layer: Layer{image.Base{Descriptor: bare, DiffID: id}, src},
					height: len(doc.Layers) - 1 - k})
			}
		}
	}
	return all, nil
}

// holding looks in all places for a layer that an older image lacks.
func (f *Finder) holding(ctx context.Context, d v1.Descriptor) image.Source {
	for _, p := range f.Places {
		if h, ok := p.(holder); ok {
			if src := h.Holding(ctx, d); src != nil {
				return src
			}
		}
	}
	return nil
}

// usable reports whether a layer can be unpacked on both sides.
func usable(d v1.Descriptor) bool {
	t := image.ParseLayerType(d.MediaType)
	_, known := map[string]bool{"": true, compression.Gzip: true, compression.Zstd: true}[t.Compression]
	return t.Tar && known && !t.Encrypted && !t.Foreign
}

// has asks for each blob once.
func (f *Finder) has(ctx context.Context, d v1.Descriptor) (bool, error) {
	if there, asked := f.known[d.Digest]; asked {
		return there, nil
	}
	there, err := f.Has(ctx, d)
	if err != nil {
		return false, err
	}
	if f.known == nil {
		f.known = map[digest.Digest]bool{}
	}
	f.known[d.Digest] = there
	return there, nil
}
