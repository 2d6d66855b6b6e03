package fetch

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/registry"
)

// plan is what several images consist of together.
type plan = transfer.Plan[wanted, *Result]

// wanted is a blob as a manifest describes it. Images that disagree about its size do not share it: one of
// them is wrong, and only that one must fail.
type wanted struct {
	digest digest.Digest
	size   int64
}

// jobs are the blobs of an image and of its referrers.
func (im *Image) jobs() []transfer.Job[wanted] {
	var all []transfer.Job[wanted]
	for _, part := range im.withReferrers() {
		for _, d := range part.Blobs {
			all = append(all, transfer.Job[wanted]{Key: wanted{d.Digest, d.Size}, Blob: d, Source: part.Source})
		}
	}
	return all
}

// Wanted lists the blobs of an image and of its referrers. Of one that was not resolved, nil, there are none.
func (im *Image) Wanted() (blobs []v1.Descriptor) {
	if im == nil {
		return nil
	}
	for _, part := range im.withReferrers() {
		blobs = append(blobs, part.Blobs...)
	}
	return blobs
}

func (im *Image) withReferrers() []*image.Image {
	return append([]*image.Image{&im.Image}, im.Referrers...)
}

func newPlan(images []*Result) *plan {
	p := transfer.NewPlan[wanted, *Result]()
	for _, r := range images {
		p.Enter(r)
		for _, part := range r.Image.withReferrers() {
			for i := range part.Blobs {
				here := alternative{part.Source, r, &part.Blobs[i]}
				j := transfer.Job[wanted]{Key: wanted{here.blob.Digest, here.blob.Size}, Blob: *here.blob}
				if known := p.Job(j.Key); known != nil {
					known.Source.(*alternatives).add(here)
				} else {
					j.Source = &alternatives{places: []alternative{here}}
				}
				p.Add(r, j)
			}
		}
	}
	return p
}

// alternatives are the places to have a blob from. The next is asked where one cannot be opened.
type alternatives struct {
	places []alternative
	names  map[string]bool // of their repositories; nil: there is one place only
}

type alternative struct {
	image.Source
	image *Result
	blob  *v1.Descriptor // as this image describes it: a foreign layer has addresses
}

func (a alternative) registry() string { return a.image.Reference.Registry }

// add adds a place, unless its repository is one already.
func (a *alternatives) add(place alternative) {
	if a.names == nil {
		a.names = map[string]bool{a.places[0].image.Reference.Name(): true}
	}
	if name := place.image.Reference.Name(); !a.names[name] {
		a.names[name] = true
		a.places = append(a.places, place)
	}
}

// Open implements image.Source. A registry that cannot be talked to is not asked once more for another of
// its repositories. The error is that of the first place.
func (a *alternatives) Open(
	ctx context.Context, _ v1.Descriptor, offset, length int64,
) (io.ReadCloser, error) {
	var first error
	down := map[string]bool{}
	for _, place := range a.places {
		if down[place.registry()] {
			continue
		}
		rc, err := place.Source.Open(ctx, *place.blob, offset, length)
		if err == nil || ctx.Err() != nil || errors.Is(err, image.ErrNoRanges) {
			return rc, err
		}
		if first == nil {
			first = err
		}
		down[place.registry()] = errors.Is(err, registry.ErrUnavailable)
	}
	return nil, first
}

// Retrying implements image.RetryObserver.
func (a *alternatives) Retrying(r image.Retry) { image.TellRetry(a.places[0].Source, r) }

func (a *alternatives) ExtraStream() func() {
	if l, ok := image.AsParallel(a.places[0].Source); ok {
		return l.ExtraStream()
	}
	return nil
}
