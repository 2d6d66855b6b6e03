package imagesign

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
)

// What signatures are stored as.
const (
	payloadLayer     = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureKey     = "dev.cosignproject.cosign/signature"
	certificateKey   = "dev.sigstore.cosign/certificate"
	bundleLayer      = "application/vnd.dev.sigstore.bundle"
	notationArtifact = "application/vnd.cncf.notary.signature"
)

// Checker checks the signatures of images that are in one place. It is for one goroutine.
type Checker struct {
	src  image.Source
	find func(digest.Digest) []v1.Descriptor
	keys []*Key
	seen map[digest.Digest]*found
	left int   // signatures that may still be looked at
	room int64 // bytes that may still be read
}

// New returns a checker. find lists the manifests that belong to a manifest, and src has these and their
// layers. A signature of any of the keys counts.
func New(src image.Source, find func(digest.Digest) []v1.Descriptor, keys []*Key) *Checker {
	return &Checker{
		src: src, find: find, keys: keys, seen: map[digest.Digest]*found{}, left: limits.AllSignatures,
		room: limits.AllRead,
	}
}

// found is what there is about one manifest.
type found struct {
	signers   []*Key // in the order in which they were given
	names     []string
	elsewhere []string // signatures of given keys for other images, in words
	void      []string // what cannot be a signature, and why
	attested  []*Key
	unlike    []string // other kinds of signatures, in words
	others    int      // signatures that no given key has made
	keyless   int

	below *below // of an index that has been read
}

// Check says whether an image is signed. One is if its manifest or index is. An index is also signed if each
// manifest is to which it leads; src has the indexes. What is damaged or missing is a reason for a signature
// not to count. The error is that of ctx.
func (c *Checker) Check(ctx context.Context, src image.Source, root v1.Descriptor) (*Verdict, error) {
	f, err := c.look(ctx, root.Digest)
	if err != nil {
		return nil, err
	}
	b, err := c.covers(ctx, image.NewTree(src, image.Policy{}), root, 0)
	if err != nil {
		return nil, err
	}
	return f.verdict(b), nil
}

// look finds out what there is about a manifest itself.
func (c *Checker) look(ctx context.Context, d digest.Digest) (*found, error) {
	if f := c.seen[d]; f != nil {
		return f, nil
	}
	f, met, checked := &found{}, map[digest.Digest]bool{}, 0
	for _, desc := range c.find(d) {
		if met[desc.Digest] || len(met) >= limits.Referrers {
			continue
		}
		met[desc.Digest] = true
		raw, err := c.read(ctx, desc, limits.Manifest)
		var doc image.Document
		if err == nil {
			doc, err = image.ParseManifest(desc.MediaType, raw)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			f.void = append(f.void, fmt.Sprintf("manifest %v", err))
			continue
		}
		if doc.Artifact() == notationArtifact {
			f.unlike = append(f.unlike, "a signature of notation")
		}
		for _, l := range doc.Layers {
			if kind := kindOf(l); kind != nil {
				if checked++; checked > limits.Signatures || c.left <= 0 {
					f.void = append(f.void, "there are too many to look at all")
					break
				}
				c.left--
				kind(c, ctx, &entry{found: f, image: d, layer: l})
			}
		}
	}
	c.seen[d] = f
	return f, ctx.Err()
}

// read reads what may be a signature, unless that of all images is too much: an index.json may name a large
// one very often.
func (c *Checker) read(ctx context.Context, d v1.Descriptor, limit int64) ([]byte, error) {
	if c.room -= max(d.Size, 0); c.room < 0 {
		return nil, fmt.Errorf("the signatures of all images have more than %d bytes", limits.AllRead)
	}
	p, err := image.ReadAll(ctx, c.src, d, limit)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is not here", d.Digest)
	}
	return p, err
}

// entry is a layer of a manifest that may be a signature of an image.
type entry struct {
	*found
	image digest.Digest
	layer v1.Descriptor
}

// small is the size of a signature that costs nothing to carry. Those with an entry of a transparency log
// have some ten kilobytes.
const small = 16 << 10

// IsSmall reports whether a layer is a signature, and not a large one.
func IsSmall(l v1.Descriptor) bool { return kindOf(l) != nil && l.Size <= small }

// kindOf says how a layer is checked; nil if it is no signature.
func kindOf(l v1.Descriptor) func(*Checker, context.Context, *entry) {
	switch {
	case l.MediaType == payloadLayer:
		return (*Checker).simple
	case strings.HasPrefix(l.MediaType, bundleLayer):
		return (*Checker).bundled
	}
	return nil
}

// simple checks a signature in an annotation of its payload.
func (c *Checker) simple(ctx context.Context, e *entry) {
	text := e.layer.Annotations[signatureKey]
	signature, err := base64.StdEncoding.DecodeString(text)
	switch {
	case len(text) > limits.SignatureText:
		err = fmt.Errorf("it has more than %d characters", limits.SignatureText)
	case err != nil:
		err = errors.New("it is no base64")
	case len(signature) == 0:
		err = errors.New("it is empty")
	}
	var payload []byte
	if err == nil {
		payload, err = c.read(ctx, e.layer, limits.SignaturePayload)
	}
	if err != nil {
		e.void = append(e.void, err.Error())
		return
	}
	signers := c.signers(payload, signature)
	switch {
	case len(signers) > 0:
		said, err := parsePayload(payload)
		c.enter(e, signers, said, err)
	case e.layer.Annotations[certificateKey] != "":
		e.keyless++
	default:
		e.others++
	}
}

// bundled checks a bundle.
func (c *Checker) bundled(ctx context.Context, e *entry) {
	if e.layer.Size > limits.SignaturePayload {
		e.unlike = append(e.unlike, fmt.Sprintf("a bundle of %d bytes, too large for a signature", e.layer.Size))
		return
	}
	raw, err := c.read(ctx, e.layer, limits.SignaturePayload)
	var b *bundle
	if err == nil {
		b, err = parseBundle(raw)
	}
	var other *unlike
	switch {
	case errors.As(err, &other):
		e.unlike = append(e.unlike, other.text)
		return
	case errors.Is(err, errKeyless):
		e.keyless++
		return
	case err != nil:
		e.void = append(e.void, err.Error())
		return
	}
	if signers := c.signers(b.message, b.signature); len(signers) > 0 {
		said, err := parseStatement(b.payload)
		c.enter(e, signers, said, err)
		return
	}
	for _, k := range c.keys {
		if b.hint == k.hint() {
			e.void = append(e.void, fmt.Sprintf("it names %s and does not hold", k.Name))
			return
		}
	}
	e.others++
}

// signers lists the keys that have signed a message.
func (c *Checker) signers(message, signature []byte) (all []*Key) {
	for _, k := range c.keys {
		if k.signed(message, signature) {
			all = append(all, k)
		}
	}
	return all
}

// enter notes what given keys have signed.
func (c *Checker) enter(e *entry, signers []*Key, said *claim, err error) {
	by := names(signers)
	switch {
	case err != nil:
		e.void = append(e.void, fmt.Sprintf("%s has signed something else: %v", by, err))
	case !said.about(e.image):
		e.elsewhere = append(e.elsewhere, fmt.Sprintf("%s has signed %s and not this", by, shown(said.digests[0])))
	case said.attests:
		e.attested = c.unite(e.attested, signers)
	default:
		e.signers = c.unite(e.signers, signers)
		if said.reference != "" {
			e.names = append(e.names, said.reference)
		}
	}
}

// shown is a digest that may be any text.
func shown(d string) string {
	if digest.Digest(d).Validate() != nil {
		return fmt.Sprintf("%.100q", d)
	}
	return d
}
