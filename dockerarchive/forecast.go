package dockerarchive

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// Forecast is what it would take to write an archive.
type Forecast struct {
	Size    int64 // of the archive, in bytes, without what an earlier run has left of it
	AtLeast bool  // Size is a lower bound: what a layer unpacks to shows only then

	moves map[digest.Digest]image.Move

	mu    sync.Mutex
	whole map[digest.Digest]bool // layers that are read whole for their ends, for lack of ranges
}

// Left tells how many bytes an earlier run has left of each part of an archive. A plan and the sizes of the
// parts stand for the archive.
type Left func(plan []byte, sizes []int64) []int64

// Foresee tells what writing an archive would take, and writes nothing. It reads manifests and
// configurations. With ends it also reads the last four bytes of layers that are unpacked, as [Write] does,
// where their source gives out ranges. Without ends, images are about to be brought elsewhere first. left may
// be nil: no earlier run is gone on with.
func Foresee(
	ctx context.Context, format Format, images []*image.Image, left Left, ends bool,
) (*Forecast, error) {
	a, err := gather(ctx, format, images)
	if err != nil {
		return nil, err
	}
	f := &Forecast{moves: map[digest.Digest]image.Move{}, whole: map[digest.Digest]bool{}}
	if err := a.guess(ctx, f.end(ends)); err != nil {
		return nil, err
	}
	p, err := a.plan()
	if err != nil {
		return nil, err
	}
	f.AtLeast = len(p.late) > 0
	f.Size = verify.AddSize(p.lateSize(), p.end+int64(len(archiveEnd)))
	var held []int64
	if left != nil {
		plan, sizes, err := p.stamp()
		if err != nil {
			return nil, err
		}
		held = left(plan, sizes)
	}
	f.blobs(a, ends)
	f.resume(p, held)
	for _, im := range images {
		if format == Docker { // its configurations are no blobs of the archive
			f.enter(*im.RootNode().Document.Config)
		}
	}
	return f, nil
}

// Moves tells what would become of the blobs of an image and of its referrers.
func (f *Forecast) Moves(im *image.Image) (all []image.Move) {
	for _, part := range append([]*image.Image{im}, im.Referrers...) {
		for _, a := range part.Absent {
			if a.Reason == image.LeftOut {
				all = append(all, image.Move{Blob: a.Descriptor, There: a.Descriptor.Size})
			}
		}
		for _, d := range part.Travelling() {
			if m, ok := f.moves[d.Digest]; ok {
				all = append(all, m)
			}
		}
	}
	return all
}

// end reads the last bytes of a layer, if that takes no more than these.
func (f *Forecast) end(ends bool) trailerFunc {
	return func(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
		if !ends {
			return -1, nil
		}
		size, err := trailer(ctx, rangesOnly{src}, d)
		if errors.Is(err, errWhole) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.whole[d.Digest] = true
			return -1, nil
		}
		return size, err
	}
}

var errWhole = errors.New("the source gives out whole blobs only")

// rangesOnly is a source whose blobs are not read whole.
type rangesOnly struct{ image.Source }

func (s rangesOnly) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if length == image.ToEnd {
		return nil, errWhole
	}
	return s.Source.Open(ctx, d, offset, length)
}

// blobs enters the blobs of an archive. Those that come from a registry move once more as far as their ends
// were read.
func (f *Forecast) blobs(a *archive, ends bool) {
	for _, b := range a.blobs {
		f.enter(*b.Descriptor)
		if _, remote := image.AsParallel(b.source); !remote || !ends || !b.hinted() {
			continue
		}
		m := f.moves[b.Digest]
		if m.Again = trailerSize; f.whole[b.Digest] {
			m.Again = b.Size
		}
		f.moves[b.Digest] = m
	}
}

func (f *Forecast) enter(d v1.Descriptor) {
	if _, known := f.moves[d.Digest]; !known {
		f.moves[d.Digest] = image.Move{Blob: d}
	}
}

// resume enters what an earlier run has left of blobs. What was read to plan the archive has moved already.
func (f *Forecast) resume(p *plan, held []int64) {
	for i, n := range held {
		b := p.blobs[i]
		m := f.moves[b.Digest]
		if f.Size -= n; !image.InMemory(b.source, *b.Descriptor) {
			m.There = n
		}
		f.moves[b.Digest] = m
	}
}
