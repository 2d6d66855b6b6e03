package image

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/kind"
	"drayage/internal/verify"
)

// Leaf is an entry of an index that is no index itself: the manifest of one image or artifact.
type Leaf struct {
	Descriptor v1.Descriptor // as the index has it
	Platform   v1.Platform   // as the index says, or else the configuration; empty if unknown
	Image      bool          // known to be a container image although the index tells no platform
}

// Annotations of attestations in an index
// (https://github.com/moby/buildkit/blob/v0.19.0/docs/attestations/attestation-storage.md).
const (
	referenceType   = "vnd.docker.reference.type"
	referenceDigest = "vnd.docker.reference.digest"
)

// IsAttestation reports whether the leaf is what BuildKit says about how another one was built: provenance
// or an SBOM.
func (l Leaf) IsAttestation() bool {
	return l.Descriptor.Annotations[referenceType] == "attestation-manifest" ||
		l.Platform.OS == "unknown" && l.Platform.Architecture == "unknown"
}

// Attested is the digest of the manifest that an attestation is about, or empty.
func (l Leaf) Attested() digest.Digest {
	d := digest.Digest(l.Descriptor.Annotations[referenceDigest])
	if verify.Digest(d) != nil {
		return ""
	}
	return d
}

// NewLeaf is an entry of an index with the platform that the index gives it. Half a platform counts as none.
func NewLeaf(d v1.Descriptor) Leaf {
	l := Leaf{Descriptor: d}
	if d.Platform != nil && d.Platform.OS != "" && d.Platform.Architecture != "" {
		l.Platform = *d.Platform
	}
	return l
}

// leaves lists the entries of indexes at and below root that are no indexes, in their order. A manifest
// that an index lists for two platforms is two leaves. An unread entry is a leaf if unread says so of its
// media type.
func (t *Tree) leaves(root v1.Descriptor, unread func(mediaType string) bool) (all []Leaf, err error) {
	err = t.Walk(root, func(v Visit) error {
		if v.Node != nil && v.Node.Err != nil {
			return v.Node.Err
		}
		if v.Node != nil && IsIndex(v.Node.Document.MediaType) || v.Node == nil && !unread(v.Descriptor.MediaType) {
			return nil
		}
		if all = append(all, NewLeaf(v.Descriptor)); len(all) > t.policy.MaxManifests {
			return kind.Errorf(ErrTooMany, "index refers to more than %d manifests", t.policy.MaxManifests)
		}
		return nil
	})
	return all, err
}

// fillPlatforms reads what the index does not say of its leaves.
func (t *Tree) fillPlatforms(ctx context.Context, leaves []Leaf) error {
	var silent []v1.Descriptor
	for _, l := range leaves {
		if l.Platform.OS == "" {
			silent = append(silent, l.Descriptor)
		}
	}
	if err := t.Read(ctx, silent...); err != nil {
		return err
	}
	for i, l := range leaves {
		if l.Platform.OS != "" {
			continue
		}
		j, err := t.judge(ctx, t.Node(l.Descriptor))
		if err != nil {
			return err
		}
		leaves[i].Platform, leaves[i].Image = j.Config.Platform, j.Kind != Artifact
	}
	return nil
}

// judge reads the configuration of what may be an image.
func (t *Tree) judge(ctx context.Context, n *Node) (Judgement, error) {
	if !n.Document.MayBeImage() {
		return Judgement{}, nil
	}
	raw, err := t.Config(ctx, n)
	return n.Document.Judge(raw), err
}

// pick finds the best leaf for each wanted platform, in the order of the leaves. Where none tells a platform
// it finds the only image, or nothing.
func pick(leaves []Leaf, want []v1.Platform) ([]Leaf, error) {
	if len(leaves) > 0 && len(known(leaves)) == 0 {
		images := slices.DeleteFunc(slices.Clone(leaves), func(l Leaf) bool { return !l.Image })
		if len(images) > 1 {
			images = nil
		}
		return images, nil
	}
	have := platformsOf(leaves)
	var at []int
	for _, w := range want {
		i := BestPlatform(w, have)
		if i < 0 {
			return nil, &PlatformError{Want: w, Have: have}
		}
		at = append(at, i)
	}
	slices.Sort(at)
	var chosen []Leaf
	for _, i := range slices.Compact(at) {
		chosen = append(chosen, leaves[i])
	}
	return chosen, nil
}

func platformsOf(leaves []Leaf) []v1.Platform {
	all := make([]v1.Platform, len(leaves))
	for i, l := range leaves {
		all[i] = l.Platform
	}
	return all
}

// known lists the platforms that leaves are for, as far as they are told.
func known(leaves []Leaf) (all []v1.Platform) {
	for _, l := range leaves {
		if l.Platform.OS != "" && l.Platform.OS != "unknown" {
			all = append(all, l.Platform)
		}
	}
	return all
}

// beside lists what an index holds about the chosen images, and what is for no platform and about no image.
func beside(leaves, chosen []Leaf) (attestations, others []digest.Digest) {
	about := map[digest.Digest]bool{}
	for _, c := range chosen {
		about[c.Descriptor.Digest] = true
	}
	for _, l := range leaves {
		switch {
		case about[l.Descriptor.Digest]:
		case l.IsAttestation() && about[l.Attested()]:
			attestations = append(attestations, l.Descriptor.Digest)
		case (l.Platform.OS == "" || l.Platform.OS == "unknown") && l.Attested() == "":
			others = append(others, l.Descriptor.Digest)
		}
	}
	return attestations, others
}

// Outline is an image as far as its index tells. Use it where the manifests below an index are not all
// needed: registries may count each as a pull. It may be used concurrently.
type Outline struct {
	Root   Node
	Leaves []Leaf // in the order of the indexes, each once; the root alone if it is no index

	*Tree
}

// LoadOutline reads root and, if it is an index, the indexes below it.
func LoadOutline(ctx context.Context, src Source, root v1.Descriptor) (*Outline, error) {
	t := NewTree(src, Policy{Reads: func(d v1.Descriptor) bool { return IsIndex(d.MediaType) }})
	if err := t.Read(ctx, root); err != nil {
		return nil, err
	}
	o := &Outline{Tree: t, Root: *t.Node(root), Leaves: []Leaf{NewLeaf(root)}}
	var err error
	if o.IsIndex() {
		o.Leaves, err = t.leaves(root, IsManifest)
	}
	return o, err
}

// IsIndex reports whether the image has an index.
func (o *Outline) IsIndex() bool { return IsIndex(o.Root.Document.MediaType) }

// Passed lists the leaves that [Outline.Pick] could have taken as well as the given one: their platforms
// differ only in the version of the system, or not at all.
func (o *Outline) Passed(taken Leaf, sel Selection) []Leaf { return sel.passed(taken, o.Leaves) }

// Told returns the leaves with the platforms that the index does not tell filled in from configurations.
func (o *Outline) Told(ctx context.Context) ([]Leaf, error) {
	leaves := slices.Clone(o.Leaves)
	return leaves, o.fillPlatforms(ctx, leaves)
}

// Pick returns the best leaf for each wanted platform, in the order of the leaves, with its platform filled
// in. An image without an index is taken whatever its platform if the selection is empty. What tells no
// platform is taken for every one: what has no index, the only image of an index, or all of its artifacts.
func (o *Outline) Pick(ctx context.Context, sel Selection) ([]Leaf, error) {
	want, asked := sel.wanted()
	if !o.IsIndex() && !asked {
		return o.Leaves, nil
	}
	leaves := slices.Clone(o.Leaves)
	if err := o.fillPlatforms(ctx, leaves); err != nil {
		return nil, err
	}
	chosen, err := pick(leaves, want)
	if err == nil && len(chosen) == 0 {
		return o.Leaves, nil
	}
	return chosen, err
}
