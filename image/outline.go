package image

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Outline is an image as far as its index tells. Use it where the manifests below an index are not all
// needed: registries may count each as a pull. It may be used concurrently.
type Outline struct {
	Root   Node
	Leaves []Leaf // in the order of the indexes, each once; the root alone if it is no index

	loader *loader
	seen   map[digest.Digest]bool
}

// Leaf is the manifest of one image or artifact.
type Leaf struct {
	Descriptor v1.Descriptor // as the index has it
	Platform   v1.Platform   // by the word of the index; empty if it says nothing
}

// LoadOutline reads root and, if it is an index, the indexes below it.
func LoadOutline(ctx context.Context, src Source, root v1.Descriptor) (*Outline, error) {
	o := &Outline{
		loader: &loader{src: src, nodes: map[digest.Digest]*Node{}, content: map[digest.Digest][]byte{}},
		seen:   map[digest.Digest]bool{root.Digest: true},
	}
	n, err := o.loader.node(ctx, root)
	if err != nil {
		return nil, err
	}
	o.Root = *n
	if !o.IsIndex() {
		o.Leaves = []Leaf{{Descriptor: root}}
		return o, nil
	}
	return o, o.below(ctx, n, 1)
}

// IsIndex reports whether the image has an index.
func (o *Outline) IsIndex() bool { return IsIndex(o.Root.Document.MediaType) }

func (o *Outline) below(ctx context.Context, n *Node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: indexes nested more than %d deep", n.Descriptor.Digest, maxDepth)
	}
	for _, c := range n.Document.Manifests {
		if o.seen[c.Digest] || !IsManifest(c.MediaType) {
			continue
		}
		if o.seen[c.Digest] = true; len(o.seen) > maxManifests {
			return fmt.Errorf("index refers to more than %d manifests", maxManifests)
		}
		if !IsIndex(c.MediaType) {
			l := Leaf{Descriptor: c}
			if c.Platform != nil {
				l.Platform = *c.Platform
			}
			o.Leaves = append(o.Leaves, l)
			continue
		}
		child, err := o.loader.node(ctx, c)
		if err != nil {
			return err
		}
		if err := o.below(ctx, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Pick returns the best leaf for each wanted platform, in the order of the leaves, with its platform filled in. An image
// without an index is taken whatever its platform is if the selection is empty.
func (o *Outline) Pick(ctx context.Context, sel Selection) ([]Leaf, error) {
	want, asked := sel.wanted()
	if !o.IsIndex() && !asked {
		return o.Leaves, nil
	}
	var known []leaf
	for _, l := range o.Leaves {
		if l.Platform.OS == "" {
			var err error
			if l.Platform, err = o.platform(ctx, l.Descriptor); err != nil {
				return nil, err
			}
		}
		known = append(known, leaf{desc: l.Descriptor, platform: l.Platform})
	}
	if !o.IsIndex() && known[0].platform.OS == "" {
		return o.Leaves, nil // an artifact is for every platform
	}
	picked, err := pick(known, want)
	if err != nil {
		return nil, err
	}
	var out []Leaf
	for _, l := range picked {
		out = append(out, Leaf{Descriptor: l.desc, Platform: l.platform})
	}
	return out, nil
}

// platform reads what an index does not say; an artifact has no platform.
func (o *Outline) platform(ctx context.Context, d v1.Descriptor) (v1.Platform, error) {
	n, err := o.Manifest(ctx, d)
	if err != nil || !n.Document.IsContainerImage() {
		return v1.Platform{}, err
	}
	raw, err := o.Config(ctx, n)
	if err != nil {
		return v1.Platform{}, err
	}
	c, err := ParseConfig(raw)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("%s: %w", n.Document.Config.Digest, err)
	}
	return PlatformOf(c), nil
}

// IsAttestation reports whether the leaf is what buildkit knows about how another one was built: provenance or an SBOM.
func (l Leaf) IsAttestation() bool {
	return l.Descriptor.Annotations[referenceType] == "attestation-manifest" || l.Platform.OS == "unknown" && l.Platform.Architecture == "unknown"
}

// Attested is the manifest that an attestation is about, or empty.
func (l Leaf) Attested() digest.Digest {
	d := digest.Digest(l.Descriptor.Annotations[referenceDigest])
	if verify.Digest(d) != nil {
		return ""
	}
	return d
}

// Annotations of attestations in an index
// (https://github.com/moby/buildkit/blob/v0.19.0/docs/attestations/attestation-storage.md).
const (
	referenceType   = "vnd.docker.reference.type"
	referenceDigest = "vnd.docker.reference.digest"
)

// Manifest reads the manifest of a leaf, unless it has been read before.
func (o *Outline) Manifest(ctx context.Context, d v1.Descriptor) (*Node, error) {
	raw := o.loader.have(d)
	if raw == nil {
		return o.loader.node(ctx, d)
	}
	doc, err := ParseManifest(d.MediaType, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return &Node{Descriptor: d, Raw: raw, Document: doc}, nil
}

// Config reads the configuration of a manifest, whatever its type, unless it has been read before.
func (o *Outline) Config(ctx context.Context, n *Node) ([]byte, error) {
	if n.Document.Config == nil {
		return nil, fmt.Errorf("%s has no configuration", n.Descriptor.Digest)
	}
	if raw := o.loader.have(*n.Document.Config); raw != nil {
		return raw, nil
	}
	return o.loader.read(ctx, *n.Document.Config, MaxConfigSize)
}

// have returns content that has been read before, or nil.
func (l *loader) have(d v1.Descriptor) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if raw, ok := l.content[d.Digest]; ok && int64(len(raw)) == d.Size {
		return raw
	}
	return nil
}
