package fetch

import (
	"context"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/transfer"
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
			if users := p.users[w]; users == nil {
				at[w] = len(p.jobs)
				p.jobs = append(p.jobs, j)
			} else if from := t.Reference.Name(); !slices.ContainsFunc(users, func(u *tracked) bool { return u.Reference.Name() == from }) {
				first := &p.jobs[at[w]]
				first.Source = alternatives{first.Source, j.Source}
			}
			p.users[w] = append(p.users[w], t)
		}
	}
	return p
}

// alternatives are two places to have a blob from. The second is asked where the first cannot be opened.
type alternatives [2]transfer.Source

// Open implements transfer.Source.
func (a alternatives) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	rc, err := a[0].Open(ctx, d, offset, length)
	if err == nil || ctx.Err() != nil {
		return rc, err
	}
	rc, other := a[1].Open(ctx, d, offset, length)
	if other != nil {
		return nil, err
	}
	return rc, nil
}

func (p *plan) blobs() []v1.Descriptor {
	all := make([]v1.Descriptor, len(p.jobs))
	for i, j := range p.jobs {
		all[i] = j.Blob
	}
	return all
}
