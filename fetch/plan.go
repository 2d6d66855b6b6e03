package fetch

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/registry"
)

// tracked is an image on its way: it is complete when as many blobs have arrived as it has.
type tracked struct {
	*Result
	missing int
}

func newTracked(r *Result) *tracked {
	return &tracked{Result: r, missing: len(r.Image.jobs())}
}

// jobs are the blobs of an image and of what belongs to it.
func (im *Image) jobs() []transfer.Job {
	var all []transfer.Job
	for _, d := range im.Blobs {
		all = append(all, transfer.Job{Blob: d, Source: im.Source})
	}
	for _, r := range im.Referrers {
		for _, d := range r.Blobs {
			all = append(all, transfer.Job{Blob: d, Source: r.Source})
		}
	}
	return all
}

// done takes the outcome of one blob and reports whether the image's own outcome is now known.
func (t *tracked) done(err error) bool {
	t.missing--
	if err != nil && t.Err == nil {
		t.Err = err
	}
	return t.missing == 0
}

// plan is the union of what several images consist of.
type plan struct {
	jobs  []transfer.Job
	users map[wanted][]*tracked
}

// wanted is a blob as a manifest describes it. Images that disagree about its size do not share it: one of them is wrong,
// and only that one must fail.
type wanted struct {
	digest digest.Digest
	size   int64
}

func wantedBy(j transfer.Job) wanted { return wanted{j.Blob.Digest, j.Blob.Size} }

func newPlan(images []*tracked) *plan {
	p := &plan{users: map[wanted][]*tracked{}}
	at := map[wanted]int{}
	for _, t := range images {
		for _, j := range t.Image.jobs() {
			w := wantedBy(j)
			here := alternative{j.Source, t.Reference, j.Blob}
			if users := p.users[w]; users == nil {
				at[w] = len(p.jobs)
				p.jobs = append(p.jobs, transfer.Job{Blob: j.Blob, Source: alternatives{here}})
			} else if from := t.Reference.Name(); !slices.ContainsFunc(users, func(u *tracked) bool { return u.Reference.Name() == from }) {
				first := &p.jobs[at[w]]
				first.Source = append(first.Source.(alternatives), here)
			}
			p.users[w] = append(p.users[w], t)
		}
	}
	return p
}

// alternatives are the places to have a blob from. The next is asked where one cannot be opened.
type alternatives []alternative

type alternative struct {
	image.Source
	at   registry.Reference
	blob v1.Descriptor // as this image describes it: a foreign layer has addresses
}

// Open implements image.Source. A registry that cannot be talked to is not asked once more for another of its repositories. The
// error is that of the first place.
func (a alternatives) Open(ctx context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	var first error
	down := map[string]bool{}
	for _, place := range a {
		if down[place.at.Registry] {
			continue
		}
		rc, err := place.Source.Open(ctx, place.blob, offset, length)
		if err == nil || ctx.Err() != nil || errors.Is(err, image.ErrNoRanges) {
			return rc, err
		}
		if first == nil {
			first = err
		}
		down[place.at.Registry] = errors.Is(err, registry.ErrUnavailable)
	}
	return nil, first
}

// ExtraStream implements image.ParallelSource where the first place does.
func (a alternatives) ExtraStream() func() {
	if l, ok := image.AsParallel(a[0].Source); ok {
		return l.ExtraStream()
	}
	return nil
}

func (p *plan) blobs() []v1.Descriptor {
	all := make([]v1.Descriptor, len(p.jobs))
	for i, j := range p.jobs {
		all[i] = j.Blob
	}
	return all
}
