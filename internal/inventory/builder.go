package inventory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Builder collects what a place has, in any order. Its zero value is ready for use. It is for one goroutine.
type Builder struct {
	blobs  []record
	chains []sum
	images []Image
}

// AddBlob enters a blob. It may be entered again.
func (b *Builder) AddBlob(blob Blob) error {
	s, err := newSum(blob.Digest)
	if err != nil {
		return err
	}
	r := record{sum: s, size: blob.Size}
	if blob.DiffID != "" {
		diffID, err := newSum(blob.DiffID)
		if err != nil {
			return err
		}
		r.diffID = &diffID
	}
	b.blobs = append(b.blobs, r)
	return checkSize(blob.Digest, blob.Size)
}

// AddChain enters the chain ID of layers that the place has unpacked.
func (b *Builder) AddChain(chainID digest.Digest) error {
	s, err := newSum(chainID)
	b.chains = append(b.chains, s)
	return err
}

// AddImage enters the name of an image.
func (b *Builder) AddImage(im Image) error {
	if err := checkName(im.Name); err != nil {
		return err
	}
	_, err := newSum(im.Digest)
	b.images = append(b.images, im)
	return err
}

// Inventory sorts what has been entered. The builder is empty then. It returns an error if two entries
// contradict each other.
func (b *Builder) Inventory() (*Inventory, error) {
	v := &Inventory{blobs: b.blobs[:0], chains: b.chains, images: b.images}
	slices.SortFunc(b.blobs, func(a, b record) int { return a.compare(b.sum) })
	for _, r := range b.blobs {
		last := len(v.blobs) - 1
		if last < 0 || v.blobs[last].compare(r.sum) != 0 {
			v.blobs = append(v.blobs, r)
			continue
		}
		if err := v.blobs[last].merge(r); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(v.chains, sum.compare)
	v.chains = slices.CompactFunc(v.chains, func(s, t sum) bool { return s == t })
	slices.SortFunc(v.images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
	v.images = slices.Compact(v.images)
	*b = Builder{}
	return v, nil
}

// merge adds what another entry says of the same blob.
func (r *record) merge(more record) error {
	switch {
	case r.size != more.size:
		return fmt.Errorf("%s stands twice, with the sizes %d and %d", r.digest(), r.size, more.size)
	case r.diffID == nil:
		r.diffID = more.diffID
	case more.diffID != nil && *more.diffID != *r.diffID:
		return fmt.Errorf("%s stands twice, with the diff IDs %s and %s", r.digest(), r.diffID.digest(),
			more.diffID.digest())
	}
	return nil
}
