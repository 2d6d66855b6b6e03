package record

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/verify"
)

// refer enters a referrer that stands in the index as an entry of its own.
func (b *builder) refer(ctx context.Context, subject digest.Digest, im *source.Image) error {
	root, src, err := im.Root(ctx)
	if err != nil {
		return err
	}
	return b.enter(ctx, src, root, Referrer{Digest: root.Digest, Subject: subject})
}

// attest enters the attestations that stand in the index of an image.
func (b *builder) attest(ctx context.Context, src image.Source, root v1.Descriptor) error {
	o, err := image.LoadOutline(ctx, src, root)
	if err != nil {
		return err
	}
	for _, l := range o.Leaves {
		if l.IsAttestation() {
			r := Referrer{Digest: l.Descriptor.Digest, Subject: l.Attested()}
			if err := b.enter(ctx, src, l.Descriptor, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter describes a referrer and adds it to the document, once.
func (b *builder) enter(ctx context.Context, src image.Source, root v1.Descriptor, r Referrer) error {
	key := [2]digest.Digest{r.Digest, r.Subject}
	if b.referrers[key] {
		return nil
	}
	b.referrers[key] = true
	g, err := image.Load(ctx, src, root, image.Selection{All: true})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Missing, r.Size, r.Is = true, root.Size, []string{"artifact"}
	case err != nil:
		return err
	default:
		r.Type = g.RootNode().Document.About()
		r.Is = whatIs(g)
		for _, n := range g.Manifests {
			r.Size = verify.AddSize(r.Size, n.Descriptor.Size)
		}
		for _, d := range g.Blobs {
			r.Size = verify.AddSize(r.Size, d.Size)
		}
	}
	b.doc.Referrers = append(b.doc.Referrers, r)
	return b.hold(400 + len(r.Type))
}

// clues are parts of the types that tools give to what belongs to an image.
var clues = []struct{ part, is string }{
	{"spdx", "SBOM"}, {"cyclonedx", "SBOM"}, {"syft", "SBOM"}, {"sbom", "SBOM"},
	{"slsa", "provenance"}, {"provenance", "provenance"},
	{"simplesigning", "signature"}, {"signature", "signature"}, {"notary", "signature"},
	{"cosign", "signature"}, {"in-toto", "attestation"}, {"dsse", "attestation"},
	{"sigstore.bundle", "signature"},
}

// predicateTypes are annotations that tell what an attestation says.
var predicateTypes = []string{
	"in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType",
}

// whatIs says in words what a referrer is, by the types in its manifests.
func whatIs(g *image.Graph) []string {
	var is []string
	look := func(types ...string) {
		for _, text := range types {
			text = strings.ToLower(text)
			for _, c := range clues {
				if strings.Contains(text, c.part) && !slices.Contains(is, c.is) {
					is = append(is, c.is)
				}
			}
		}
	}
	for _, n := range g.Manifests {
		look(n.Document.About())
		for _, d := range n.Document.Children() {
			look(d.MediaType, d.ArtifactType)
			for _, key := range predicateTypes {
				look(d.Annotations[key])
			}
		}
		for _, key := range predicateTypes {
			look(n.Document.Annotations[key])
		}
	}
	// An attestation that carries an SBOM or provenance is that; a bundle without more is a signature.
	if len(is) > 1 {
		is = slices.DeleteFunc(is, func(s string) bool { return s == "attestation" })
	}
	if len(is) == 0 {
		is = []string{"artifact"}
	}
	slices.Sort(is)
	return is
}
