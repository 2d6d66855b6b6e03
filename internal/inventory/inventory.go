// Package inventory reads and writes files that say what a place has: the far side of an air gap, so that
// only what it lacks has to cross. [Parse] reads such a file, and a [Builder] makes one. An inventory is a
// lower bound: the place may have more. Equal states give equal bytes, because everything is sorted and
// nothing says when. docs/formats.md describes the file.
package inventory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// MediaType is that of an inventory.
const MediaType = family + "v1+json"

// family begins the media types of inventories of all versions.
const family = "application/vnd.drayage.inventory."

// Blob is a blob that the place has: a manifest, a configuration or a layer.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	DiffID digest.Digest `json:"diffID,omitempty"` // of a layer, if a configuration tells it
}

// Image is the name of an image that the place has. In an engine the digest is the image ID.
type Image struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
}

// Inventory is what a place has. Several goroutines may read it.
type Inventory struct {
	blobs  []record // sorted; one per digest
	chains []sum    // sorted
	images []Image  // sorted
}

// record is a Blob that takes little room: there may be several hundred thousand.
type record struct {
	sum
	size   int64
	diffID *sum
}

// sum is a digest that takes little room.
type sum struct {
	first [32]byte
	rest  string // of SHA-512: the bytes behind
}

// algorithms are those of digests, by the number of their bytes.
var algorithms = map[int]digest.Algorithm{32: digest.SHA256, 64: digest.SHA512}

// newSum returns an error if d is no digest.
func newSum(d digest.Digest) (s sum, err error) {
	algorithm, text, _ := strings.Cut(string(d), ":")
	raw, err := hex.DecodeString(text)
	if err != nil || algorithm == "" || string(algorithms[len(raw)]) != algorithm ||
		strings.ToLower(text) != text {
		return sum{}, cmp.Or(verify.Digest(d), fmt.Errorf("invalid digest %q", d))
	}
	copy(s.first[:], raw)
	s.rest = string(raw[len(s.first):])
	return s, nil
}

func (s sum) digest() digest.Digest {
	raw := append(s.first[:], s.rest...) // s is a copy
	return digest.NewDigestFromBytes(algorithms[len(raw)], raw)
}

// compare orders sums as the texts of their digests.
func (s sum) compare(t sum) int {
	return cmp.Or(
		cmp.Compare(len(s.rest), len(t.rest)),
		bytes.Compare(s.first[:], t.first[:]),
		strings.Compare(s.rest, t.rest),
	)
}

// Has reports whether the place has the blob, with the size that d says. The error is always nil.
func (v *Inventory) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	s, err := newSum(d.Digest)
	if err != nil {
		return false, nil // no place has what has no digest
	}
	i, ok := slices.BinarySearchFunc(v.blobs, s, func(r record, s sum) int { return r.compare(s) })
	return ok && v.blobs[i].size == d.Size, nil
}

// HasChain reports whether the place has the layers of a chain ID, unpacked.
func (v *Inventory) HasChain(chainID digest.Digest) bool {
	s, err := newSum(chainID)
	if err != nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(v.chains, s, sum.compare)
	return ok
}

// Blobs gives out all blobs, by digest.
func (v *Inventory) Blobs() iter.Seq[Blob] {
	return func(yield func(Blob) bool) {
		for _, r := range v.blobs {
			b := Blob{Digest: r.digest(), Size: r.size}
			if r.diffID != nil {
				b.DiffID = r.diffID.digest()
			}
			if !yield(b) {
				return
			}
		}
	}
}

// Chains gives out the chain IDs of layers that the place has unpacked.
func (v *Inventory) Chains() iter.Seq[digest.Digest] {
	return func(yield func(digest.Digest) bool) {
		for _, s := range v.chains {
			if !yield(s.digest()) {
				return
			}
		}
	}
}

// Images lists the images by name. An inventory without names has none.
func (v *Inventory) Images() []Image { return slices.Clone(v.images) }

// Counts says how much the place has.
func (v *Inventory) Counts() (blobs, chains, images int, bytes int64) {
	for _, r := range v.blobs {
		bytes = verify.AddSize(bytes, r.size)
	}
	return len(v.blobs), len(v.chains), len(v.images), bytes
}

// IsInventory reports whether a file is an inventory, by its first bytes: some hundred are enough. One of a
// version that Parse does not know is an inventory too.
func IsInventory(prefix []byte) bool {
	text := bytes.TrimLeft(plaintext.UTF8(prefix), " \t\r\n")
	return bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"`+family))
}

// checkSize is for the size of a blob, from whom ever.
func checkSize(d digest.Digest, size int64) error {
	if size < 0 || size > verify.MaxBlobSize {
		return fmt.Errorf("%s: impossible size %d", d, size)
	}
	return nil
}

// checkName is for the name of an image, from whom ever.
func checkName(name string) error {
	if name == "" || len(name) > limits.Name {
		return fmt.Errorf("a name of %d bytes: it needs 1 to %d", len(name), limits.Name)
	}
	return nil
}
