package dockerarchive

import (
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// slimmed keeps of the layers of very many manifests only what matters, and what they have in common once.
type slimmed struct {
	has func(digest.Digest) bool

	mu     sync.Mutex
	layers map[*image.Node]layers
	types  map[string][]v1.Descriptor // lists of layers without anything but their media types
}

// layers are those of a manifest.
type layers struct {
	paths  digest.Digest // as an item of manifest.json would have them
	plain  bool          // there are some, and all of them are uncompressed
	absent []v1.Descriptor
}

// take leaves of the layers of a manifest only their media types.
func (s *slimmed) take(n *image.Node) {
	doc := &n.Document
	if image.IsIndex(doc.MediaType) {
		return
	}
	l := layers{plain: len(doc.Layers) > 0}
	l.paths = hashOf(doc.Layers, func(d v1.Descriptor) string { return ociPath(d.Digest) })
	var types strings.Builder
	bare := make([]v1.Descriptor, len(doc.Layers))
	for i, d := range doc.Layers {
		l.plain = l.plain && image.ParseLayerType(d.MediaType) == image.LayerType{Tar: true}
		if !s.has(d.Digest) {
			l.absent = append(l.absent, d)
		}
		bare[i].MediaType = d.MediaType
		types.WriteString(d.MediaType + "\x00")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers[n] = l
	if doc.Layers == nil {
		return
	}
	if s.types[types.String()] == nil {
		s.types[types.String()] = bare
	}
	doc.Layers = s.types[types.String()]
}
