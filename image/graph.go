package image

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/lenient"
)

// Graph lists all that an image, or the chosen part of one, consists of.
type Graph struct {
	Root      v1.Descriptor   // names it: a manifest, or an index
	Manifests []Node          // children before parents, the root last
	Blobs     []v1.Descriptor // configurations and layers, each once
	Platforms []v1.Platform   // of the images in it, as far as they are known; graphs share the list

	// Rewritten is set where the root is a new index, because only some of the platforms travel. Its digest is
	// not the one that the source knows.
	Rewritten bool

	// Held are those of Platforms that are here because of [Selection].Held.
	Held []v1.Platform

	// Passed lists what could have been chosen as well as one of Platforms. It differs from it only in the
	// version of the system, as images for Windows do, or not at all.
	Passed []Leaf

	// Attestations are the manifests of the index that are about the chosen images and do not travel with them:
	// BuildKit's provenance and SBOMs. Others are what else is for no platform and does not travel.
	Attestations, Others []digest.Digest

	content map[digest.Digest][]byte
	chosen  *v1.Platform // what the index, or an entry of index.json, says the single manifest is for
}

// Source gives out what [Load] has read already, and asks src for the rest.
func (g *Graph) Source(src Source) Source { return &MemorySource{Content: g.content, Next: src} }

// Forget drops the bytes of manifests and configurations, for graphs that are kept. Source then returns a
// source without them.
func (g *Graph) Forget() {
	g.content = nil
	for i := range g.Manifests {
		g.Manifests[i].Raw = nil
	}
}

// Brief is what remains of a graph where very many are kept to tell of them afterwards: Root and RootNode,
// Platforms and the like, and no blobs. The root has no entries if it is an index. Of its layers it has the
// media types, each once.
func (g *Graph) Brief() *Graph {
	brief := *g
	brief.content, brief.Blobs, brief.Manifests = nil, nil, nil
	if len(g.Manifests) > 0 {
		n := *g.RootNode()
		n.Raw = nil
		n.Document = n.Document.brief()
		brief.Manifests = []Node{n}
	}
	return &brief
}

// brief is the document without what it consists of.
func (d Document) brief() Document {
	if d.Config != nil {
		d.Config = &v1.Descriptor{MediaType: d.Config.MediaType, Digest: d.Config.Digest, Size: d.Config.Size}
	}
	var types []v1.Descriptor
	for _, l := range d.Layers {
		if !slices.ContainsFunc(types, func(t v1.Descriptor) bool { return t.MediaType == l.MediaType }) {
			types = append(types, v1.Descriptor{MediaType: l.MediaType})
		}
	}
	d.Layers, d.Manifests, d.Blobs = types, nil, nil
	return d
}

// Parts lists all blobs and manifests.
func (g *Graph) Parts() []v1.Descriptor {
	all := slices.Clone(g.Blobs)
	for i := range g.Manifests {
		all = append(all, g.Manifests[i].Descriptor)
	}
	return all
}

// RootNode is the manifest or index that names the image.
func (g *Graph) RootNode() *Node { return &g.Manifests[len(g.Manifests)-1] }

// Load reads root and what of it is selected, except layers, from src. With one selected platform the root of
// the result is that platform's manifest; with several platforms it is an index of them; with all platforms
// it is root. An image without an index is taken whatever its platform, unless the platform was asked for.
func Load(ctx context.Context, src Source, root v1.Descriptor, sel Selection) (*Graph, error) {
	policy := Policy{}
	if !sel.All && !sel.HeldWhole {
		policy.Reads = func(d v1.Descriptor) bool { return IsManifest(d.MediaType) && !tellsPlatform(d) }
	}
	t := NewTree(src, policy)
	if err := t.Read(ctx, root); err != nil {
		return nil, err
	}
	l := &loader{tree: t, graph: &Graph{Root: root, content: t.content}}
	if err := l.choose(ctx, sel); err != nil {
		return nil, err
	}
	l.collect()
	return l.graph, ctx.Err()
}

// tellsPlatform reports whether one can choose an image by its descriptor alone. Some registries count each
// manifest that is read against a limit.
func tellsPlatform(d v1.Descriptor) bool {
	return NewLeaf(d).Platform.OS != "" && IsImageManifest(d.MediaType)
}

// loader makes a graph of the manifests in a tree.
type loader struct {
	tree  *Tree
	graph *Graph
}

// choose narrows the graph from the whole image to the selected platforms.
func (l *loader) choose(ctx context.Context, sel Selection) error {
	g, root := l.graph, l.tree.Node(l.graph.Root)
	if !IsIndex(root.Document.MediaType) {
		return l.check(ctx, root, sel)
	}
	all, err := l.tree.leaves(g.Root, func(string) bool { return true })
	leaves := slices.DeleteFunc(slices.Clone(all), func(l Leaf) bool {
		return !IsManifest(l.Descriptor.MediaType)
	})
	if err == nil {
		err = l.tree.fillPlatforms(ctx, leaves)
	}
	if err != nil {
		return err
	}
	if g.Platforms = lenient.Platforms(known(leaves)); sel.All {
		return nil
	}
	want, _ := sel.wanted()
	chosen, err := pick(leaves, want)
	if err == nil && sel.HeldWhole {
		return nil
	}
	chosen, held := sel.join(leaves, chosen)
	g.Held = known(held)
	if err == nil && len(chosen) == 0 { // artifacts alone
		return l.read(ctx, leaves)
	}
	if err == nil {
		err = l.read(ctx, chosen)
	}
	if err != nil {
		return err
	}
	for _, l := range all {
		if !IsManifest(l.Descriptor.MediaType) {
			g.Others = append(g.Others, l.Descriptor.Digest)
		}
	}
	for _, c := range chosen {
		g.Passed = append(g.Passed, sel.passed(c, leaves)...)
	}
	return l.narrow(root, leaves, chosen, len(all))
}

// narrow makes the chosen leaves of an index the graph. all is how many leaves the index has.
func (l *loader) narrow(root *Node, leaves, chosen []Leaf, all int) error {
	g, others := l.graph, l.graph.Others
	g.Platforms = lenient.Platforms(known(chosen))
	g.Attestations, g.Others = beside(leaves, chosen)
	g.Others = append(g.Others, others...)
	if len(chosen) == 1 {
		d := chosen[0].Descriptor
		p := chosen[0].Platform // not all of the leaf
		g.chosen = &p
		g.Root = v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		return nil
	}
	return l.subset(root, chosen, all)
}

// check looks at the platform of an image without an index.
func (l *loader) check(ctx context.Context, root *Node, sel Selection) (err error) {
	p := NewLeaf(l.graph.Root).Platform
	told := p.OS != ""
	if !told && !sel.waits(root.Document.Config) {
		j, judged := l.tree.judge(ctx, root)
		p, err = j.Config.Platform, judged
	}
	if l.graph.Platforms = lenient.Platforms([]v1.Platform{p}); told {
		l.graph.chosen = &l.graph.Platforms[0]
	}
	return cmp.Or(err, sel.Check(p))
}

// read reads the manifests of leaves that have not been read.
func (l *loader) read(ctx context.Context, leaves []Leaf) error {
	var roots []v1.Descriptor
	for _, c := range leaves {
		roots = append(roots, c.Descriptor)
	}
	return l.tree.Read(ctx, roots...)
}

// subset makes a new index that lists the chosen manifests only, in the media type family of the old one.
// If the old index lists nothing else it stays.
func (l *loader) subset(old *Node, chosen []Leaf, all int) error {
	isIndex := func(d v1.Descriptor) bool { return IsIndex(d.MediaType) }
	if len(chosen) == all && !slices.ContainsFunc(old.Document.Manifests, isIndex) {
		return nil
	}
	index := v1.Index{MediaType: old.Document.MediaType, Annotations: old.Document.Annotations}
	index.SchemaVersion = 2
	for _, c := range chosen {
		d := c.Descriptor
		if d.Platform == nil || d.Platform.OS == "" {
			d.Platform = &c.Platform
		}
		index.Manifests = append(index.Manifests, d)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	doc, err := ParseManifest(index.MediaType, raw)
	if err != nil {
		return err
	}
	root := Describe(index.MediaType, raw)
	l.graph.Root, l.graph.Rewritten = root, true
	l.tree.nodes[claimed(root)] = &Node{Descriptor: root, Raw: raw, Document: doc}
	l.tree.content[root.Digest] = raw
	return nil
}

// collect lists, from the root, the manifests in their order and the blobs. Graphs are kept, and there may be
// very many: the lists have no room to grow, and the manifests refer to the blobs where they can.
func (l *loader) collect() {
	g, seen := l.graph, map[digest.Digest]bool{}
	var begins []int // where in the blobs those of each manifest begin
	var visit func(d v1.Descriptor)
	visit = func(d v1.Descriptor) {
		if seen[d.Digest] {
			return
		}
		seen[d.Digest] = true
		n := l.tree.Node(d)
		if n == nil {
			g.Blobs = append(g.Blobs, d)
			return
		}
		begin := len(g.Blobs)
		for _, c := range n.Document.Children() {
			visit(c)
		}
		g.Manifests, begins = append(g.Manifests, *n), append(begins, begin)
	}
	visit(g.Root)
	g.Blobs, g.Manifests = slices.Clip(slices.Clone(g.Blobs)), slices.Clip(slices.Clone(g.Manifests))
	for i, begin := range begins {
		g.Manifests[i].Document.share(g.Blobs[begin:])
	}
}

// share lets the document of a manifest refer to its blobs in a list in place of a list of its own, as far as
// they begin that in their order: an earlier manifest may have some of them.
func (d *Document) share(blobs []v1.Descriptor) {
	if d.Config == nil || len(blobs) == 0 || blobs[0].Digest != d.Config.Digest {
		return
	}
	layers := blobs[1:]
	if d.Config = &blobs[0]; len(layers) < len(d.Layers) {
		return
	}
	for i := range d.Layers {
		if layers[i].Digest != d.Layers[i].Digest {
			return
		}
	}
	if len(d.Layers) > 0 {
		d.Layers = slices.Clip(layers[:len(d.Layers)])
	}
}
