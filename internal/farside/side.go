// Package farside knows what the far side of a gap has already, so that it need not travel again. A [Side]
// is one place that tells: an inventory, an earlier archive, a layout, a repository. [LeaveOut] decides what
// stays behind, [Open] opens what people name as such a place.
//
// What a side tells is a lower bound. The far side may have more, and then a few bytes travel in vain.
package farside

import (
	"context"
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// Side tells what one place has. It may be used concurrently.
type Side interface {
	// Has reports whether the place has the blob, in the size that the descriptor says.
	Has(ctx context.Context, d v1.Descriptor) (bool, error)
}

// Unpacked is a [Side] that knows layers by what they unpack to, as engines do.
type Unpacked interface {
	Side
	// HasChain reports whether the place has all layers up to the one with this chain ID.
	HasChain(chainID digest.Digest) bool
}

// remote is a [Side] that takes a request for each question. Others are asked before it.
type remote interface{ remote() }

// OfLayout is what a layout has, in a directory or in an archive. The content of blobs is not looked at.
func OfLayout(l *layout.Layout) Side { return stored{l} }

type stored struct{ layout *layout.Layout }

func (s stored) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	found, err := s.layout.Stat(d.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && found.Size == d.Size, err
}

// OfRepository is what a repository of a registry has. Only blobs that are asked for are looked up.
func OfRepository(r *registry.Repository) Side { return repository{r} }

type repository struct{ *registry.Repository }

func (r repository) Has(ctx context.Context, d v1.Descriptor) (bool, error) { return r.Holds(ctx, d) }

func (repository) remote() {}

// OfLayers is what a place has that knows nothing but unpacked layers: each list has the diff IDs of one
// image, base first.
func OfLayers(images ...[]digest.Digest) Unpacked {
	c := chains{}
	for _, diffIDs := range images {
		for _, id := range image.ChainIDs(diffIDs) {
			c[id] = true
		}
	}
	return c
}

type chains map[digest.Digest]bool

func (chains) Has(context.Context, v1.Descriptor) (bool, error) { return false, nil }

func (c chains) HasChain(chainID digest.Digest) bool { return c[chainID] }

// UnpackedOnly are those of the sides that know unpacked layers, and nothing else of what they know. A docker
// tar can lack no other layers: docker load opens every layer that it has not unpacked.
func UnpackedOnly(sides []Side) (some []Side) {
	for _, s := range sides {
		if u, ok := s.(Unpacked); ok {
			some = append(some, unpackedOnly{u})
		}
	}
	return some
}

type unpackedOnly struct{ Unpacked }

func (unpackedOnly) Has(context.Context, v1.Descriptor) (bool, error) { return false, nil }

// AllBut has every blob but the given ones: what somebody asks for who lacks only those.
func AllBut(blobs map[digest.Digest]bool) Side { return allBut(blobs) }

type allBut map[digest.Digest]bool

func (a allBut) Has(_ context.Context, d v1.Descriptor) (bool, error) { return !a[d.Digest], nil }
