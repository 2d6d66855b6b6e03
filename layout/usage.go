package layout

import (
	"context"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/limits"
)

// Usage says what the blobs of a layout are there for.
type Usage struct {
	Shares []Share // by entry of index.json, in its order

	Blobs             int // all that are there
	Bytes             int64
	Unreferenced      int // those that no entry leads to
	UnreferencedBytes int64

	// Damaged is about a manifest that cannot be read, if there is one. What it needs cannot be told: the shares
	// do not say what they would free, [Dir.Remove] and [Dir.Collect] refuse to work, and Unreferenced is too
	// much.
	Damaged error
}

// Unknown stands for a number of bytes that cannot be told.
const Unknown = -1

// Share is what one entry of index.json takes of a layout, together with the referrers that belong to it.
type Share struct {
	Image

	// Held are the bytes of all blobs that it leads to and that are there, each counted once. It is Unknown for
	// a referrer of what is there: that is counted with its image.
	Held int64
	// Frees are the bytes of those that no other entry leads to: [Dir.Remove] of this entry alone, and then
	// [Dir.Collect], free so many. It may be Unknown.
	Frees int64
	// Err is why not all that it leads to is known: its manifest is not there, or one is damaged.
	Err error
}

// Usage finds out what each image takes, and what it takes alone. It reads every manifest once, and no
// layers. A manifest that is damaged, or is not there, is an error of the shares that lead to it. Usage fails
// where [Layout.Blobs] does.
func (l *Layout) Usage(ctx context.Context) (*Usage, error) {
	all, err := l.Images()
	if err != nil {
		return nil, err
	}
	r := newReach(l)
	r.damaged = map[int32]error{}
	h, err := hold(ctx, r, all)
	if err != nil {
		return nil, err
	}
	blobs, err := l.Blobs()
	if err != nil {
		return nil, err
	}
	s := &sharing{holdings: h, sizes: make([]int64, len(h.digests)), byRoot: map[int32]*rootShare{}}
	u := s.count(blobs)
	for _, err := range r.damaged {
		if u.Damaged == nil || err.Error() < u.Damaged.Error() { // always the same one
			u.Damaged = err
		}
	}
	return u, s.shares(ctx, u)
}

// sharing divides the blobs of a layout among its entries.
type sharing struct {
	*holdings
	sizes  []int64 // by number; absent if it is not there
	byRoot map[int32]*rootShare
}

const absent = -1

// rootShare is what a root takes, whatever the number of its names.
type rootShare struct {
	held, alone int64
	names       int
	err         error
}

// count counts the blobs, and notes their sizes.
func (s *sharing) count(blobs []v1.Descriptor) *Usage {
	u := &Usage{Blobs: len(blobs)}
	for n := range s.sizes {
		s.sizes[n] = absent
	}
	live := s.live(make([]bool, len(s.images)))
	for _, b := range blobs {
		u.Bytes += b.Size
		if n, known := s.numbers[b.Digest]; known {
			s.sizes[n] = b.Size
		}
		if !s.has(live, b) {
			u.Unreferenced++
			u.UnreferencedBytes += b.Size
		}
	}
	return u
}

// shares enters what each entry takes.
func (s *sharing) shares(ctx context.Context, u *Usage) error {
	heads := s.heads()
	if err := s.divide(ctx, heads); err != nil {
		return err
	}
	u.Shares = make([]Share, len(s.images))
	for i, im := range s.images {
		u.Shares[i] = Share{Image: im, Held: Unknown, Frees: Unknown}
	}
	for _, i := range heads {
		of, share := s.byRoot[s.roots[i]], &u.Shares[i]
		share.Held, share.Err = of.held, of.err
		switch {
		case u.Damaged != nil:
		case of.names > 1:
			share.Frees = 0
		default:
			share.Frees = of.alone
		}
	}
	return nil
}

// divide goes over what each root leads to, and finds out what no other root does.
func (s *sharing) divide(ctx context.Context, heads []int) error {
	owners := make([]*rootShare, len(s.digests))
	several := &rootShare{}
	c, none := s.newClosure(), make([]bool, len(s.images))
	parts, visited := 0, []int32{}
	for _, i := range heads {
		root := s.roots[i]
		of := s.byRoot[root]
		if of != nil {
			of.names++
			continue
		}
		of = &rootShare{names: 1, err: s.fault(root)}
		s.byRoot[root] = of
		visited = visited[:0]
		s.add(c, root, none, func(n int32) { visited = append(visited, n) })
		for _, n := range visited {
			c.parts[n] = false
			of.held += max(s.sizes[n], 0)
			if of.err == nil {
				of.err = s.damaged[n]
			}
			if owners[n] == nil {
				owners[n] = of
			} else {
				owners[n] = several
			}
		}
		if parts += len(visited); parts > limits.AllParts {
			return kind.Errorf(image.ErrTooMany, "the images together have more than %d parts", limits.AllParts)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for n, of := range owners {
		if of != nil {
			of.alone += max(s.sizes[n], 0)
		}
	}
	return nil
}

// fault is why nothing is known of a root: its manifest is not there.
func (s *sharing) fault(root int32) error {
	if s.sizes[root] == absent {
		return fmt.Errorf("its manifest is missing: %w", &lacking{s.digests[root]})
	}
	return nil
}
