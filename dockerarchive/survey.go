package dockerarchive

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
	"drayage/internal/limits"
	"drayage/internal/verify"
	"drayage/layout"
)

// root is an entry of index.json with what it leads to.
type root struct {
	layout.Image
	place  string          // layout or archive, for messages
	desc   v1.Descriptor   // what stands for it
	leaves []leaf          // below it, or itself if it is no index; none if nobody has looked
	below  []digest.Digest // all that it leads to
	index  *image.Document
	err    error // why a manifest that is there cannot be used

	part  bool  // it is no image, because it is a part of another one
	owner *root // of a referrer: the image that it belongs to, maybe by way of other referrers

	names      []string      // that only manifest.json gives it
	odd        []string      // what is no name, in place of one
	superseded bool          // it is read by manifest.json instead
	saved      digest.Digest // the ID of the image that stands for it then

	raw    []byte          // of a new index, which stands for this one
	kept   []digest.Digest // what of it travels then
	remark *Remark         // about what stands for this index
}

// leaf is an entry of an index that is no index itself, with what of it is in the archive.
type leaf struct {
	image.Leaf
	*facts
}

// facts are what a manifest says, as far as it matters to where it is read from.
type facts struct {
	config digest.Digest  // empty if the manifest is absent
	paths  digest.Digest  // of its layers, as an item of manifest.json would have them
	plain  bool           // a container image with layers that are all uncompressed
	absent []image.Absent // the manifest itself, or its configuration and layers
}

// whole reports whether all is there that an image needs: what was left out on purpose is elsewhere.
func (l leaf) whole() bool {
	return !slices.ContainsFunc(l.absent, func(a image.Absent) bool { return a.Reason != image.LeftOut })
}

func (l leaf) lacks() bool { return !l.whole() }

// inside reports whether nothing of it is absent.
func (l leaf) inside() bool { return len(l.absent) == 0 }

// damaged reports whether bytes are there that are not what they should be.
func (r *root) damaged() bool { return errors.Is(r.err, verify.ErrMismatch) }

// whole reports whether something of it is there that can be used.
func (r *root) whole() bool {
	return r.err == nil && (len(r.leaves) == 0 || slices.ContainsFunc(r.leaves, leaf.whole))
}

// complete reports whether nothing of it is absent, as far as somebody has looked.
func (r *root) complete() bool { return r.err == nil && !slices.ContainsFunc(r.leaves, leaf.lacks) }

// isNamed reports whether index.json or manifest.json gives it a name, or index.json another reference.
func (r *root) isNamed() bool { return r.Name != "" || len(r.names) > 0 || r.Ref != "" }

// plain reports whether it is a single image with uncompressed layers.
func (r *root) plain() bool { return r.index == nil && len(r.leaves) == 1 && r.leaves[0].plain }

// stray reports whether an entry is no manifest by its type, and is none in spite of that. An index may list
// other things beside images
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#indexjson-file).
func (r *root) stray() bool {
	t := r.Descriptor.MediaType
	return t != "" && !image.IsManifest(t) && !r.damaged() && (r.err != nil || r.Label() == "" && r.lost())
}

// lost reports whether the manifest itself is absent.
func (r *root) lost() bool {
	return len(r.leaves) == 1 && r.leaves[0].lacks() && r.leaves[0].absent[0].Part == image.PartManifest
}

// key is what describes the manifest or index. All names of one lead to the same.
func (r *root) key() string {
	return fmt.Sprint(r.Descriptor.Digest, r.Descriptor.Size, r.Descriptor.MediaType)
}

// surveyor looks at what an index.json leads to.
type surveyor struct {
	place   string
	entries bool // the entries stay as they are
	layout  *layout.Layout
	has     func(digest.Digest) bool // of a valid digest: whether the blob is there
	looks   func(*root) bool         // whether what an entry leads to matters
	reads   func(v1.Descriptor) bool // whether an entry of an index is read; nil means every manifest
	tree    *image.Tree
	thin    *thin // what is absent on purpose; nil: nothing
	known   map[*image.Node]*facts
	visited int // manifests, counted for each name that leads to them
	slimmed *slimmed
}

// survey looks at everything that index.json leads to, and enters into c which entries stay behind. It fails
// only if ctx ends, or if a limit is reached.
func (a *Reader) survey(ctx context.Context, l *layout.Layout, c *Contents) ([]*root, error) {
	s := &surveyor{place: "archive", entries: c.tolerant, layout: l, has: a.hasBlob, looks: everything}
	images, err := l.Images()
	if err == nil {
		s.thin, err = a.thin(ctx, l)
	}
	if err != nil {
		return nil, err
	}
	roots, err := s.survey(ctx, images, c)
	if err == nil && s.thin != nil {
		err = s.thin.check(a.hasBlob, c.tolerant)
	}
	return roots, err
}

func everything(*root) bool { return true }

func (s *surveyor) survey(
	ctx context.Context, images []layout.Image, c *Contents,
) (roots []*root, err error) {
	roots = s.distinct(images)
	if err := s.walk(ctx, which(roots, s.looks)); err != nil {
		return nil, err
	}
	c.remarkStrays(which(roots, (*root).stray))
	roots, err = s.sortOut(ctx, which(roots, func(r *root) bool { return !r.stray() }))
	return roots, cmp.Or(err, ctx.Err())
}

// walk finds out what roots lead to.
func (s *surveyor) walk(ctx context.Context, roots []*root) error {
	s.slimmed = &slimmed{has: s.has, layers: map[*image.Node]layers{}, types: map[string][]v1.Descriptor{}}
	policy := image.Policy{Tolerant: true, Reads: s.reads, Slim: s.slimmed.take,
		MaxManifests: limits.AllLeaves, MaxBytes: limits.AllHeld}
	s.tree, s.known = image.NewTree(s.layout, policy), map[*image.Node]*facts{}
	descs := make([]v1.Descriptor, len(roots))
	for i, r := range roots {
		descs[i] = r.Descriptor
	}
	err := s.tree.Read(ctx, descs...)
	indexes := map[string]*root{} // that have been walked, by what describes them
	for _, r := range roots {
		if err != nil {
			return err
		}
		key := r.key()
		if first := indexes[key]; first != nil {
			err = s.share(r, first)
		} else {
			err = s.tree.Walk(r.Descriptor, func(v image.Visit) error { return s.visit(r, v) })
		}
		if r.index != nil {
			indexes[key] = r
		}
	}
	return err
}

// share lets another name of an index have what the first has found.
func (s *surveyor) share(r, first *root) error {
	r.leaves, r.below, r.index, r.err = first.leaves, first.below, first.index, first.err
	return s.count(max(len(r.below), 1))
}

func (s *surveyor) count(manifests int) error {
	if s.visited += manifests; s.visited > limits.AllLeaves {
		return fmt.Errorf("index.json leads to more than %d manifests", limits.AllLeaves)
	}
	return nil
}

func (s *surveyor) visit(r *root, v image.Visit) error {
	n := v.Node
	if v.Depth > 0 {
		r.below = append(r.below, v.Descriptor.Digest)
	}
	if err := s.count(1); err != nil {
		return err
	}
	if n != nil && n.Err != nil {
		s.thin.doubts()
	}
	switch {
	case n != nil && errors.Is(n.Err, image.ErrTooMany):
		return n.Err
	case n != nil && n.Err != nil && !errors.Is(n.Err, fs.ErrNotExist):
		r.err = cmp.Or(r.err, n.Err)
		return nil
	case n != nil && n.Err == nil && image.IsIndex(n.Document.MediaType):
		if v.Depth == 0 {
			r.index = &n.Document
		}
		return nil
	}
	f := s.known[n]
	if f == nil || n == nil {
		f = s.facts(v)
		s.known[n] = f
	}
	r.leaves = append(r.leaves, leaf{image.NewLeaf(v.Descriptor), f})
	return nil
}

// facts tells what of a manifest is in the archive. Something else that an index lists has no parts.
func (s *surveyor) facts(v image.Visit) *facts {
	f := &facts{}
	// An index without some of its images is how engines save the platforms that they have.
	lacks := func(part image.Part, d v1.Descriptor) {
		if s.has(d.Digest) {
			return
		}
		listed := s.thin.lists(part, d)
		a := image.Absent{Part: part, Descriptor: d, Reason: image.OtherPlatform, Err: fs.ErrNotExist}
		switch {
		case listed != nil:
			a.Reason, a.Err, a.DiffID, a.Rebuilt = image.LeftOut, nil, listed.diffID, listed.rebuilt
		case image.IsForeign(d.MediaType):
			return
		default:
			s.thin.misses(d.Digest)
		}
		f.absent = append(f.absent, a)
	}
	switch {
	case v.Node == nil && !image.IsManifest(v.Descriptor.MediaType) && s.thin.has(v.Descriptor.Digest):
		lacks(image.PartBlob, v.Descriptor)
		return f
	case v.Node == nil || v.Node.Err != nil:
		lacks(image.PartManifest, v.Descriptor)
		return f
	}
	doc := &v.Node.Document
	for _, b := range doc.Blobs {
		lacks(image.PartBlob, b)
	}
	if doc.Config != nil {
		f.config = doc.Config.Digest
		lacks(image.PartConfig, *doc.Config)
	}
	l := s.slimmed.layers[v.Node]
	f.paths, f.plain = l.paths, l.plain && doc.MayBeImage()
	for _, d := range l.absent {
		lacks(image.PartLayer, d)
	}
	return f
}

// hasBlob reports whether the archive has an entry for the blob of a valid digest.
func (a *Reader) hasBlob(d digest.Digest) bool { return a.tar.Has(ociPath(d)) }
