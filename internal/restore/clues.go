package restore

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/registry"
)

// Manifest is the manifest of an image, byte for byte.
type Manifest struct {
	Raw       []byte
	MediaType string
}

// Digest is what names the manifest.
func (m Manifest) Digest() digest.Digest { return digest.FromBytes(m.Raw) }

// Clue is one thing that tells of manifests that images had. The zero value tells nothing.
type Clue struct {
	Text string // as it was typed
	Used bool   // an image has got its manifest by it

	names     map[digest.Digest]string          // of manifests whose digest was given: a repository, or empty
	manifests map[digest.Digest]Manifest        // by the digest of the configuration
	ofConfig  map[digest.Digest][]digest.Digest // digests of manifests, by that of the configuration
	listed    map[digest.Digest]bool            // manifests and configurations in an inventory
	blobs     map[digest.Digest][]v1.Descriptor // what a layer was compressed to, by diff ID
	indexes   map[digest.Digest]digest.Digest   // of a manifest: an index that lists it
}

// AddDigest notes the digest of a manifest, and the name of the image that has it, which may be empty.
func (c *Clue) AddDigest(d digest.Digest, name string) { put(&c.names, d, name) }

// AddOf notes the digest of a manifest of the image with a configuration.
func (c *Clue) AddOf(config, manifest digest.Digest) {
	put(&c.ofConfig, config, append(c.ofConfig[config], manifest))
}

// maxForms is how many blobs are kept that a layer may have been compressed to.
const maxForms = 8

// AddBlob notes that a layer was compressed to a blob.
func (c *Clue) AddBlob(diffID digest.Digest, blob v1.Descriptor) {
	blob = v1.Descriptor{MediaType: blob.MediaType, Digest: blob.Digest, Size: blob.Size}
	if forms := c.blobs[diffID]; len(forms) < maxForms && !has(forms, blob.Digest) {
		put(&c.blobs, diffID, append(forms, blob))
	}
}

func has(blobs []v1.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(blobs, func(b v1.Descriptor) bool { return b.Digest == d })
}

// AddDocument notes a manifest, or the digests of the manifests that an index lists.
func (c *Clue) AddDocument(mediaType string, raw []byte) error {
	doc, err := image.ParseManifest(mediaType, raw)
	switch {
	case err != nil:
		return err
	case len(doc.Manifests) > limits.Manifests:
		return fmt.Errorf("the index lists %d manifests, more than %d", len(doc.Manifests), limits.Manifests)
	case image.IsIndex(doc.MediaType):
		for _, d := range doc.Manifests {
			c.AddDigest(d.Digest, "")
			put(&c.indexes, d.Digest, digest.FromBytes(raw))
		}
		return nil
	case doc.Config == nil || !image.IsImageManifest(doc.MediaType):
		return fmt.Errorf("it is no manifest of an image, but %q", doc.MediaType)
	}
	put(&c.manifests, doc.Config.Digest, Manifest{Raw: raw, MediaType: doc.MediaType})
	return nil
}

// Clues are all that is known of the manifests that images had.
type Clues []*Clue

// Known returns the manifest of the image with a configuration, if it is at hand.
func (all Clues) Known(config digest.Digest) (Manifest, bool) {
	for _, c := range all {
		if m, ok := c.manifests[config]; ok {
			c.Used = true
			return m, true
		}
	}
	return Manifest{}, false
}

// Has reports whether a digest is that of a manifest which is wanted, or at hand.
func (all Clues) Has(d digest.Digest) (has bool) {
	for _, c := range all {
		_, named := c.names[d]
		found := named || c.listed[d]
		for _, of := range c.ofConfig {
			found = found || slices.Contains(of, d)
		}
		for _, m := range c.manifests {
			found = found || m.Digest() == d
		}
		c.Used, has = c.Used || found, has || found
	}
	return has
}

// Index returns the digest of an index that lists a manifest, if one is known.
func (all Clues) Index(manifest digest.Digest) digest.Digest {
	for _, c := range all {
		if d, ok := c.indexes[manifest]; ok {
			return d
		}
	}
	return ""
}

// blobsOf are the blobs that a layer is known to have become.
func (all Clues) blobsOf(diffID digest.Digest) (blobs []v1.Descriptor) {
	for _, c := range all {
		for _, d := range c.blobs[diffID] {
			if !has(blobs, d.Digest) {
				blobs = append(blobs, d)
			}
		}
	}
	return blobs
}

// Wanted are digests, and the clue that each comes from. The manifest of an image has one of them.
type Wanted struct {
	digests map[digest.Digest]*Clue
	// Certain says that the image is known to have one of them. Otherwise they may belong to other images.
	Certain bool
}

// String lists the digests.
func (w Wanted) String() string {
	var all []string
	for _, d := range slices.Sorted(maps.Keys(w.digests)) {
		all = append(all, d.String())
	}
	if n := len(all); n > maxShown {
		all = append(all[:maxShown], fmt.Sprintf("or one of %d more", n-maxShown))
	}
	return strings.Join(all, ", ")
}

// maxShown is how many digests a message lists.
const maxShown = 5

// Any reports whether there is a digest.
func (w Wanted) Any() bool { return len(w.digests) > 0 }

// Wanted returns the digests that the manifest of an image may have, whose configuration has a digest. A
// digest that was given with a name is for images whose names end alike. Without names it is for any.
func (all Clues) Wanted(config digest.Digest, names []string) Wanted {
	w := Wanted{digests: map[digest.Digest]*Clue{}}
	for _, c := range all {
		for _, d := range c.ofConfig[config] {
			w.digests[d], w.Certain = c, true
		}
		if c.listed[config] {
			for d := range c.listed {
				w.digests[d], w.Certain = c, true
			}
		}
		for d, name := range c.names {
			if name == "" || len(names) == 0 || slices.ContainsFunc(names, func(n string) bool {
				return base(n) == base(name)
			}) {
				w.digests[d] = c
			}
		}
	}
	return w
}

// base is the last part of the path of a repository.
func base(name string) string {
	if ref, err := registry.ParseTyped(name); err == nil {
		return path.Base(ref.Name())
	}
	return name
}

func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}
