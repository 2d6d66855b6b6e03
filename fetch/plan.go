package fetch

import (
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
	users map[digest.Digest][]*tracked
}

func newPlan(images []*tracked) *plan {
	p := &plan{users: map[digest.Digest][]*tracked{}}
	for _, t := range images {
		for _, j := range t.Image.jobs() {
			if p.users[j.Blob.Digest] == nil {
				p.jobs = append(p.jobs, j)
			}
			p.users[j.Blob.Digest] = append(p.users[j.Blob.Digest], t)
		}
	}
	return p
}

func (p *plan) blobs() []v1.Descriptor {
	all := make([]v1.Descriptor, len(p.jobs))
	for i, j := range p.jobs {
		all[i] = j.Blob
	}
	return all
}
