package image

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits on what a hostile index can make us do. Real indexes nest once or twice
// and have some dozens of entries.
const (
	maxDepth     = 8
	maxManifests = 10_000
	maxHeld      = 64 << 20 // bytes of manifests of one image, which are kept in memory
)

// Selection says which platforms of an image travel.
type Selection struct {
	All       bool          // everything, the index unchanged
	Platforms []v1.Platform // the wanted ones; none means DefaultPlatform
}

// wanted is the list that an empty selection stands for, and whether the user gave it.
func (s Selection) wanted() ([]v1.Platform, bool) {
	if len(s.Platforms) > 0 {
		return s.Platforms, true
	}
	return []v1.Platform{DefaultPlatform()}, false
}

// Check returns a [PlatformError] if an image that has no index, and is for p, is not what was asked for.
func (s Selection) Check(p v1.Platform) error {
	want, asked := s.wanted()
	if !asked || s.All || p.OS == "" {
		return nil
	}
	for _, w := range want {
		if !MatchPlatform(w, p) {
			return &PlatformError{Want: w, Have: []v1.Platform{p}}
		}
	}
	return nil
}

// Node is a manifest or index with its bytes.
type Node struct {
	Descriptor v1.Descriptor
	Raw        []byte
	Document   Document
}

// Graph is an image, or the chosen part of one.
type Graph struct {
	Root      v1.Descriptor   // names it: a manifest, or an index
	Manifests []Node          // children before parents, the root last
	Blobs     []v1.Descriptor // configurations and layers, each once
	Platforms []v1.Platform   // of the images in it, as far as they are known

	// Rewritten is set where the root is a new index, because only some of the platforms
	// travel: its digest is not the registry's.
	Rewritten bool

	// Attestations is how many manifests of the index are about the chosen images and do not travel with them: buildkit's provenance
	// and SBOMs.
	Attestations int

	content map[digest.Digest][]byte
}

// Source gives out what Load has already read, and asks src for the rest.
func (g *Graph) Source(src Source) Source {
	return MemorySource{Content: g.content, Next: src}
}

// PlatformError says that an image is not to be had for a platform.
type PlatformError struct {
	Want v1.Platform
	Have []v1.Platform
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("no image for platform %s; it has: %s", FormatPlatform(e.Want), FormatPlatforms(e.Have))
}

// Load reads root and what of it is selected, except layers, from src. With one selected platform the root
// of the result is that platform's manifest itself; with several it is an index of them; with all it is root.
// An image without an index whose platform is not the default one is taken all the same
// unless the platform was asked for.
func Load(ctx context.Context, src Source, root v1.Descriptor, sel Selection) (*Graph, error) {
	l := &loader{src: src, lazy: !sel.All, nodes: map[digest.Digest]*Node{}, content: map[digest.Digest][]byte{}}
	if err := l.load(ctx, []v1.Descriptor{root}, 0); err != nil {
		return nil, err
	}
	g := &Graph{Root: root, content: l.content}
	if err := l.choose(ctx, g, sel); err != nil {
		return nil, err
	}
	if err := l.collect(ctx, g); err != nil {
		return nil, err
	}
	return g, nil
}

// collect lists, from the root, the manifests in their order and the blobs.
func (l *loader) collect(ctx context.Context, g *Graph) error {
	seen := map[digest.Digest]bool{}
	var visit func(d v1.Descriptor)
	visit = func(d v1.Descriptor) {
		if seen[d.Digest] {
			return
		}
		seen[d.Digest] = true
		n := l.nodes[d.Digest]
		if n == nil {
			g.Blobs = append(g.Blobs, d)
			return
		}
		for _, c := range n.Document.Children() {
			visit(c)
		}
		g.Manifests = append(g.Manifests, *n)
	}
	visit(g.Root)
	return ctx.Err()
}
