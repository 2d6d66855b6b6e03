package image

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// leaf is a manifest with the platform it is for.
type leaf struct {
	desc     v1.Descriptor
	platform v1.Platform
}

// choose narrows g from the whole image to the selected platforms.
func (l *loader) choose(ctx context.Context, g *Graph, sel Selection) error {
	if !IsIndex(l.nodes[g.Root.Digest].Document.MediaType) {
		return l.single(ctx, g, sel)
	}
	leaves, err := l.leaves(ctx, g.Root)
	if err != nil {
		return err
	}
	if sel.All {
		g.Platforms = known(leaves)
		return nil
	}
	want, _ := sel.wanted()
	chosen, err := pick(leaves, want)
	if err != nil {
		return err
	}
	if err := l.load(ctx, l.unread(chosen), 1); err != nil {
		return err
	}
	g.Platforms, g.Attestations = known(chosen), attestations(leaves, chosen)
	if len(chosen) == 1 {
		d := chosen[0].desc
		g.Root = v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		return nil
	}
	return l.subset(g, chosen, len(leaves))
}

// single checks the platform of an image that has no index.
func (l *loader) single(ctx context.Context, g *Graph, sel Selection) error {
	p, err := l.configPlatform(ctx, l.nodes[g.Root.Digest])
	if err != nil {
		return err
	}
	g.Platforms = []v1.Platform{p}
	return sel.Check(p)
}

// configPlatform reads the platform from the image's configuration; an artifact has none.
func (l *loader) configPlatform(ctx context.Context, n *Node) (v1.Platform, error) {
	if !n.Document.IsContainerImage() {
		return v1.Platform{}, nil
	}
	raw, err := l.read(ctx, *n.Document.Config, MaxConfigSize)
	if err != nil {
		return v1.Platform{}, err
	}
	c, err := ParseConfig(raw)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("%s: %w", n.Document.Config.Digest, err)
	}
	return PlatformOf(c), nil
}

// leaves lists the image manifests below an index in its order, nested indexes included.
func (l *loader) leaves(ctx context.Context, root v1.Descriptor) ([]leaf, error) {
	var out []leaf
	seen := map[digest.Digest]bool{}
	var visit func(d v1.Descriptor) error
	visit = func(d v1.Descriptor) error {
		n := l.nodes[d.Digest]
		if seen[d.Digest] || n == nil && !tellsPlatform(d) {
			return nil
		}
		seen[d.Digest] = true
		if n != nil && IsIndex(n.Document.MediaType) {
			for _, c := range n.Document.Manifests {
				if err := visit(c); err != nil {
					return err
				}
			}
			return nil
		}
		lf := leaf{desc: d}
		if d.Platform != nil {
			lf.platform = *d.Platform
		} else {
			p, err := l.configPlatform(ctx, n)
			if err != nil {
				return err
			}
			lf.platform = p
		}
		out = append(out, lf)
		return nil
	}
	return out, visit(root)
}

// pick finds the best leaf for each wanted platform, in the order of the leaves.
func pick(leaves []leaf, want []v1.Platform) ([]leaf, error) {
	have := make([]v1.Platform, len(leaves))
	for i, lf := range leaves {
		have[i] = lf.platform
	}
	var at []int
	for _, w := range want {
		i := BestPlatform(w, have)
		if i < 0 {
			return nil, &PlatformError{Want: w, Have: have}
		}
		at = append(at, i)
	}
	slices.Sort(at)
	var chosen []leaf
	for _, i := range slices.Compact(at) {
		chosen = append(chosen, leaves[i])
	}
	return chosen, nil
}

// unread lists the chosen manifests that have not been loaded.
func (l *loader) unread(chosen []leaf) []v1.Descriptor {
	var out []v1.Descriptor
	for _, lf := range chosen {
		if l.nodes[lf.desc.Digest] == nil {
			out = append(out, lf.desc)
		}
	}
	return out
}

// subset makes the new index that refers to the chosen manifests only, in the media type
// family of the old one, so that it never names what does not travel.
func (l *loader) subset(g *Graph, chosen []leaf, all int) error {
	if len(chosen) == all && len(l.nodes) == all+1 {
		return nil // every manifest was chosen: the original index says just that
	}
	old := l.nodes[g.Root.Digest].Document
	index := v1.Index{MediaType: old.MediaType, Annotations: old.Annotations}
	index.SchemaVersion = 2
	for _, c := range chosen {
		d := c.desc
		if d.Platform == nil {
			p := c.platform
			d.Platform = &p
		}
		index.Manifests = append(index.Manifests, d)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	doc, err := ParseManifest(old.MediaType, raw)
	if err != nil {
		return err
	}
	g.Root, g.Rewritten = Describe(old.MediaType, raw), true
	l.nodes[g.Root.Digest] = &Node{Descriptor: g.Root, Raw: raw, Document: doc}
	l.content[g.Root.Digest] = raw
	return nil
}

func known(leaves []leaf) []v1.Platform {
	var out []v1.Platform
	for _, lf := range leaves {
		if lf.platform.OS != "" && lf.platform.OS != "unknown" {
			out = append(out, lf.platform)
		}
	}
	return out
}

// attestations counts what an index holds about the chosen images.
func attestations(leaves, chosen []leaf) (n int) {
	for _, lf := range leaves {
		l := Leaf{Descriptor: lf.desc, Platform: lf.platform}
		if l.IsAttestation() && slices.ContainsFunc(chosen, func(c leaf) bool { return c.desc.Digest == l.Attested() }) {
			n++
		}
	}
	return n
}
