package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
	"drayage/layout"
)

// Limits on what the manifests of an archive can make us do and hold.
const (
	maxNesting   = 8
	maxIndexJSON = 16 << 20
	maxImages    = 20_000    // entries of index.json, and of manifest.json beside it
	maxDocuments = 256 << 20 // bytes of manifests that are read
	maxLeaves    = 200_000   // manifests below all entries of index.json, counted for each
)

// root is an entry of index.json with what it leads to.
type root struct {
	layout.Image
	desc   v1.Descriptor // with annotations
	leaves []leaf        // manifests that are no indexes: below it, or itself
	index  *v1.Index     // if it is one
	err    error         // why a manifest that is there cannot be used

	names      []string // that only manifest.json gives it
	superseded bool     // it is read by manifest.json instead
}

// leaf is a manifest of one image or artifact, or something else that an index leads to.
type leaf struct {
	desc  v1.Descriptor // as what refers to it has it
	facts *facts
}

// facts are what a manifest says, as far as it matters to where it is read from.
type facts struct {
	config digest.Digest   // empty if the manifest is absent
	plain  bool            // a container image with layers that are all uncompressed
	lacks  []v1.Descriptor // what is absent: the manifest itself, or its configuration and layers
	index  *v1.Index       // set if the manifest is an index
	err    error
}

// whole reports whether the manifest is there with everything that it refers to.
func (l leaf) whole() bool { return len(l.facts.lacks) == 0 }

// damaged reports whether bytes are there that are not what they should be.
func (r *root) damaged() bool { return errors.Is(r.err, verify.ErrMismatch) }

// whole reports whether something of it is there that can be used.
func (r *root) whole() bool { return r.err == nil && slices.ContainsFunc(r.leaves, leaf.whole) }

// has reports whether one of its images, whole or not, has the configuration.
func (r *root) has(config digest.Digest, whole bool) bool {
	return slices.ContainsFunc(r.leaves, func(l leaf) bool { return l.facts.config == config && (l.whole() || !whole) })
}

// isNamed reports whether index.json or manifest.json gives it a name, or index.json another reference.
func (r *root) isNamed() bool { return r.Name != "" || len(r.names) > 0 || r.Ref != "" }

// plain reports whether it is a single image with uncompressed layers.
func (r *root) plain() bool { return r.index == nil && len(r.leaves) == 1 && r.leaves[0].facts.plain }

// surveyor reads the manifests of an archive, each once, and goes on where something is absent.
type surveyor struct {
	archive *Reader
	layout  *layout.Layout
	known   map[documentKey]*facts
	held    int64
	leaves  int
}

// documentKey is a manifest as a descriptor claims it to be.
type documentKey struct {
	digest    digest.Digest
	size      int64
	mediaType string
}

// survey looks at everything that index.json leads to. It fails only if ctx ends, or if a limit is reached.
func (a *Reader) survey(ctx context.Context, l *layout.Layout) ([]*root, error) {
	images, err := l.Images()
	if err != nil {
		return nil, err
	}
	raw, err := a.tar.Read(v1.ImageIndexFile, maxIndexJSON)
	if err != nil {
		return nil, err
	}
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil || len(index.Manifests) != len(images) {
		return nil, fmt.Errorf("index.json is damaged: %v", err)
	}
	s := &surveyor{archive: a, layout: l, known: map[documentKey]*facts{}}
	var roots []*root
	for i, im := range images {
		r := &root{Image: im, desc: index.Manifests[i]}
		if err := s.walk(ctx, r, im.Descriptor, map[digest.Digest]bool{}, 0); err != nil {
			return nil, err
		}
		roots = append(roots, r)
	}
	return roots, nil
}

// walk gathers the leaves at and below d.
func (s *surveyor) walk(ctx context.Context, r *root, d v1.Descriptor, seen map[digest.Digest]bool, depth int) error {
	if seen[d.Digest] {
		return nil
	}
	seen[d.Digest] = true
	if depth > maxNesting {
		return fmt.Errorf("%s: indexes nested more than %d deep", d.Digest, maxNesting)
	}
	f, err := s.look(ctx, d, depth)
	switch {
	case err != nil:
		return err
	case f.err != nil:
		r.err = cmp.Or(r.err, f.err)
		return nil
	case f.index == nil:
		if s.leaves++; s.leaves > maxLeaves {
			return fmt.Errorf("index.json leads to more than %d manifests", maxLeaves)
		}
		r.leaves = append(r.leaves, leaf{desc: d, facts: f})
		return nil
	case depth == 0:
		r.index = f.index
	}
	for _, c := range f.index.Manifests {
		if err := s.walk(ctx, r, c, seen, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// look reads what d refers to, if that is a manifest, and finds out what of it is there.
func (s *surveyor) look(ctx context.Context, d v1.Descriptor, depth int) (*facts, error) {
	key := documentKey{d.Digest, d.Size, d.MediaType}
	if f := s.known[key]; f != nil {
		return f, nil
	}
	f := &facts{}
	s.known[key] = f
	if !s.archive.hasBlob(d.Digest) {
		f.lacks = []v1.Descriptor{d}
		return f, nil
	}
	if depth > 0 && !image.IsManifest(d.MediaType) {
		return f, nil
	}
	if s.held += min(max(d.Size, 0), image.MaxManifestSize); s.held > maxDocuments {
		return nil, fmt.Errorf("the manifests of the archive take more than %d bytes", maxDocuments)
	}
	raw, err := image.ReadAll(ctx, s.layout, d, image.MaxManifestSize)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil {
		err = f.read(d, raw, s.archive)
	}
	if err != nil {
		f.err = err
	}
	return f, nil
}

// read enters what a manifest says.
func (f *facts) read(d v1.Descriptor, raw []byte, a *Reader) error {
	doc, err := image.ParseManifest(d.MediaType, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	if image.IsIndex(doc.MediaType) {
		f.index = &v1.Index{MediaType: doc.MediaType, Manifests: doc.Manifests, Annotations: doc.Annotations}
		return nil
	}
	f.config = doc.Config.Digest
	f.plain = doc.MayBeImage() && len(doc.Layers) > 0
	for _, l := range doc.Layers {
		f.plain = f.plain && (l.MediaType == v1.MediaTypeImageLayer || l.MediaType == image.DockerPlainLayer)
	}
	for _, c := range doc.Children() {
		if !a.hasBlob(c.Digest) && !image.IsForeign(c.MediaType) {
			f.lacks = append(f.lacks, c)
		}
	}
	return nil
}

// hasBlob reports whether the archive has an entry for the blob of a valid digest.
func (a *Reader) hasBlob(d digest.Digest) bool { return a.tar.Has(ociPath(d)) }
