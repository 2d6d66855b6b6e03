package source

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/limits"
)

// loads are the images of a set that have been loaded. Very many names may lead to one image, and very many
// images may share their parts: what all of them make drayage do is bounded.
type loads struct {
	mu     sync.Mutex
	graphs map[loadKey]*image.Graph
	read   int64 // bytes of manifests, as often as they were read
	parts  int   // manifests and blobs, as often as a name leads to them
}

// loadKey is what is loaded: how the manifest or index is described, and which platforms are selected of it.
type loadKey struct {
	digest               digest.Digest
	size                 int64
	mediaType, selection string
}

// load loads an image once, whatever names it has.
func (s *Set) load(
	ctx context.Context, src image.Source, root v1.Descriptor, sel image.Selection,
) (*image.Image, error) {
	s.loads.mu.Lock()
	defer s.loads.mu.Unlock()
	key := loadKey{root.Digest, root.Size, root.MediaType, fmt.Sprint(sel)}
	g := s.loads.graphs[key]
	if g == nil {
		var err error
		if g, err = image.Load(ctx, src, root, sel); err != nil {
			return nil, err
		}
		for _, n := range g.Manifests {
			s.loads.read += n.Descriptor.Size
		}
		if s.loads.read > limits.AllRead {
			return nil, kind.Errorf(image.ErrTooMany, "the manifests of all images take more than %d bytes: "+
				"choose some by name", limits.AllRead)
		}
		if s.loads.graphs == nil {
			s.loads.graphs = map[loadKey]*image.Graph{}
		}
		s.loads.graphs[key] = g
	}
	return &image.Image{Graph: g, Source: g.Source(src)}, s.Take(len(g.Manifests) + len(g.Blobs))
}

// Take notes that a name of the set leads to so many manifests, configurations and layers. It fails if all
// names together lead to too many. No image is loaded meanwhile.
func (s *Set) Take(parts int) error {
	if s.loads.parts += parts; s.loads.parts > limits.AllParts {
		return kind.Errorf(image.ErrTooMany, "all images together have more than %d manifests and layers, "+
			"counted for each name: choose some by name", limits.AllParts)
	}
	return nil
}
