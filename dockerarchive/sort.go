package dockerarchive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
	"drayage/layout"
)

// OfLayout is [Reader.Contents] of a layout that is no archive. If entries, it only finds out which entries
// of index.json are images, and not what of them is there, except for what was left out on purpose. A layout
// is thin if it is an unpacked thin archive. More blobs may have come since, and other images.
func OfLayout(ctx context.Context, l *layout.Layout, entries bool) (*Contents, error) {
	images, err := l.Images()
	if err != nil {
		return nil, err
	}
	shared := map[string]int{}
	for _, im := range images {
		shared[im.Label()]++
	}
	s := &surveyor{place: "layout", layout: l}
	// A manifest with a name of its own is an image whatever it leads to.
	s.looks = func(r *root) bool {
		return !image.IsImageManifest(r.Descriptor.MediaType) || r.Label() == "" || shared[r.Label()] > 1
	}
	s.has = func(d digest.Digest) bool {
		_, err := l.Stat(d)
		return !errors.Is(err, fs.ErrNotExist)
	}
	c := newContents(entries)
	if err := s.addThin(ctx, images, c); err != nil {
		return nil, err
	}
	if s.entries = entries; entries {
		s.has = func(digest.Digest) bool { return true }
		s.reads = func(d v1.Descriptor) bool { return image.IsIndex(d.MediaType) }
	}
	roots, err := s.survey(ctx, images, c)
	if err != nil {
		return nil, err
	}
	c.show(l, roots, false)
	return c, nil
}

// addThin enters what was left out of the entries of a layout. Without the delta document, what is missing is
// a fault.
func (s *surveyor) addThin(ctx context.Context, images []layout.Image, c *Contents) (err error) {
	s.thin, err = readThin(ctx, s.layout)
	if errors.Is(err, errNoDocument) {
		return nil
	}
	if err != nil || s.thin == nil {
		return err
	}
	roots := s.distinct(images)
	if err := s.walk(ctx, roots); err != nil {
		return err
	}
	c.leaveOut(roots)
	s.visited = 0
	return nil
}

// distinct makes roots of the entries of index.json, each once.
func (s *surveyor) distinct(images []layout.Image) (all []*root) {
	type key struct {
		digest, subject digest.Digest
		size            int64
		mediaType       string
		name, ref       string
	}
	seen := map[key]bool{}
	for _, im := range images {
		d := im.Descriptor
		k := key{d.Digest, im.Subject, d.Size, d.MediaType, im.Name, im.Ref}
		if !seen[k] {
			seen[k] = true
			all = append(all, &root{Image: im, place: s.place, desc: im.Descriptor})
		}
	}
	return all
}

// sortOut decides which entries of index.json are images. What an image leads to is none, nor what belongs to
// an image. What belongs to something that is not here is an image of its own.
func (s *surveyor) sortOut(ctx context.Context, roots []*root) ([]*root, error) {
	named, below := map[string]digest.Digest{}, map[digest.Digest]bool{}
	for _, r := range roots {
		if first, taken := named[r.Label()]; taken && first != r.Descriptor.Digest {
			named[r.Label()] = ""
		} else {
			named[r.Label()] = r.Descriptor.Digest
		}
		for _, d := range r.below {
			below[d] = true
		}
	}
	for _, r := range roots {
		s.claim(r, r.Subject != "" || named[r.Label()] == "")
		r.part = r.Label() == "" && r.Subject == "" && below[r.Descriptor.Digest]
	}
	roots, err := s.gather(ctx, which(roots, func(r *root) bool { return !r.part }))
	for _, r := range roots {
		if r.Subject == "" && r.Label() == "" {
			r.Subject = image.NewLeaf(v1.Descriptor{Annotations: r.Annotations}).Attested()
		}
	}
	settle(roots)
	return s.spread(roots), err
}

// spread puts the referrers that an index under the referrers tag lists in the place of that index
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema).
func (s *surveyor) spread(roots []*root) (all []*root) {
	known := map[[2]digest.Digest]bool{}
	for _, r := range roots {
		known[[2]digest.Digest{r.Descriptor.Digest, r.Subject}] = true
	}
	for _, r := range roots {
		if r.owner == nil || r.index == nil || s.entries || r.index.Subject != nil || !r.ListsReferrers() {
			all = append(all, s.typed(r))
			continue
		}
		for _, l := range r.leaves {
			if key := [2]digest.Digest{l.Descriptor.Digest, r.Subject}; !known[key] {
				known[key] = true
				d := l.Descriptor
				d.Annotations, d.Platform = nil, nil
				all = append(all, s.typed(&root{Image: layout.Image{Descriptor: d, Subject: r.Subject},
					place: s.place, desc: d, leaves: []leaf{l}, owner: r.owner}))
			}
		}
	}
	return all
}

// typed enters what kind of artifact a referrer is, if its entry does not say it.
func (s *surveyor) typed(r *root) *root {
	n := s.tree.Node(r.Descriptor)
	if r.owner != nil && r.desc.ArtifactType == "" && n != nil && n.Err == nil {
		r.desc.ArtifactType = n.Document.Artifact()
	}
	return r
}

// claim notes what a manifest says that it belongs to. A manifest with a name of its own is an image all the
// same.
func (s *surveyor) claim(r *root, shared bool) {
	n := s.tree.Node(r.Descriptor)
	if n == nil || n.Err != nil || !shared && r.Label() != "" {
		return
	}
	if subject := n.Document.Subject; subject != nil && verify.Digest(subject.Digest) == nil {
		r.Subject = subject.Digest
	}
}

// all lists the digests that something may belong to.
func (r *root) all() []digest.Digest { return append([]digest.Digest{r.Descriptor.Digest}, r.below...) }

// waiting lists referrers by what they belong to.
type waiting map[digest.Digest][]*root

func newWaiting(roots []*root) waiting {
	w := waiting{}
	for _, r := range roots {
		if r.Subject != "" {
			w[r.Subject] = append(w[r.Subject], r)
		}
	}
	return w
}

// take lists and removes the referrers of some digests, and theirs in turn.
func (w waiting) take(digests ...digest.Digest) (all []*root) {
	for len(digests) > 0 {
		d := digests[0]
		digests = digests[1:]
		for _, r := range w[d] {
			all, digests = append(all, r), append(digests, r.all()...)
		}
		delete(w, d)
	}
	return all
}

// settle finds the owner of each referrer. A referrer without one is an image.
func settle(roots []*root) {
	w, offered, taken := newWaiting(roots), map[digest.Digest]bool{}, map[*root]bool{}
	for _, r := range roots {
		if r.Subject != "" {
			for _, d := range r.all() {
				offered[d] = true
			}
		}
	}
	// First what belongs to nothing, then what belongs to something absent, and at last referrers in a circle.
	for _, isOwn := range []func(*root) bool{
		func(r *root) bool { return r.Subject == "" },
		func(r *root) bool { return !offered[r.Subject] },
		func(*root) bool { return true },
	} {
		for _, own := range roots {
			if taken[own] || !isOwn(own) {
				continue
			}
			own.Subject, own.Tag, taken[own] = "", "", true
			for _, r := range w.take(own.all()...) {
				if !taken[r] {
					r.owner, taken[r] = own, true
				}
			}
		}
	}
}

// gather makes one image of entries that are the platforms of one: they have the same name, or none has a
// name, and no two of them are for one platform.
func (s *surveyor) gather(ctx context.Context, roots []*root) ([]*root, error) {
	groups := map[string][]*root{}
	for _, r := range roots {
		if r.Subject == "" && image.IsImageManifest(r.Descriptor.MediaType) {
			groups[r.Label()] = append(groups[r.Label()], r)
		}
	}
	var all []*root
	for _, r := range roots {
		group := groups[r.Label()]
		if len(group) == 0 || group[0] != r || !s.platforms(ctx, group) {
			all = append(all, r)
			continue
		}
		made, err := s.union(group)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
		for _, member := range group {
			member.part = true
		}
	}
	return which(all, func(r *root) bool { return !r.part }), nil
}

// platforms reports whether roots are the platforms of one image, and fills in those that only configurations
// tell. Images without a name need not have to do with each other, so they have to say it themselves.
func (s *surveyor) platforms(ctx context.Context, group []*root) bool {
	seen, images := map[string]bool{}, 0
	for _, r := range group {
		if len(r.leaves) != 1 || r.err != nil {
			return false
		}
		l := &r.leaves[0]
		if l.Platform.OS == "" && r.Label() != "" {
			l.Platform = s.configured(ctx, r)
		}
		key := image.FormatPlatforms([]v1.Platform{l.Platform})
		switch {
		case l.IsAttestation():
			continue
		case l.Platform.OS == "" || seen[key]:
			return false
		}
		seen[key] = true
		images++
	}
	return images > 1
}

// configured is the platform in the configuration of an image. It is empty if nobody can read it there.
func (s *surveyor) configured(ctx context.Context, r *root) v1.Platform {
	n := s.tree.Node(r.Descriptor)
	if n == nil || n.Err != nil || !n.Document.MayBeImage() {
		return v1.Platform{}
	}
	raw, err := s.tree.Config(ctx, n)
	if err != nil {
		return v1.Platform{}
	}
	c, err := image.ParseConfig(raw)
	if err != nil {
		return v1.Platform{}
	}
	return c.Platform
}

// union makes an index of the platforms of an image. If they are all that there is and have no names,
// index.json is that index already.
func (s *surveyor) union(group []*root) (*root, error) {
	first := group[0]
	r := &root{Image: first.Image, place: s.place}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, member := range group {
		r.leaves = append(r.leaves, member.leaves...)
		r.below = append(r.below, member.Descriptor.Digest)
		d := member.Descriptor
		p := member.leaves[0].Platform
		d.Platform = &p
		if member.leaves[0].IsAttestation() {
			d.Annotations = member.Annotations
		}
		index.Manifests = append(index.Manifests, d)
	}
	how := "it is itself the index of this image"
	raw, err := s.layout.RawIndex()
	if err != nil {
		return nil, err
	}
	doc, err := image.ParseManifest(v1.MediaTypeImageIndex, raw)
	if err != nil || len(doc.Manifests) != len(group) || first.Label() != "" {
		how = "they go as one image, with an index that is made of them"
		if raw, err = json.Marshal(index); err == nil {
			doc, err = image.ParseManifest(index.MediaType, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("an index of what index.json lists: %w", err)
		}
	}
	r.index, r.raw = &doc, raw
	r.desc = image.Describe(doc.MediaType, raw)
	r.Descriptor = r.desc
	r.remark = &Remark{Image: r.desc.Digest,
		Text: fmt.Sprintf("index.json lists its platforms side by side, %s: %s",
			platformList(slices.Clone(r.leaves)), how)}
	return r, nil
}
