package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/internal/transfer"
	"drayage/registry"
)

// Stream brings layers and blobs in an order that is not ours to choose, each once, as [dockerarchive.Pass] does.
type Stream interface {
	// Awaits reports whether the file is still to come.
	Awaits(name string) bool
	// Next goes on to the next file, which then can be read once, and returns its name. io.EOF says that everything has come
	// and was as it should be: no manifest is pushed before.
	Next(ctx context.Context) (string, error)
}

// fileOf is the name of the file with a job's content in an archive.
func (p *pusher) fileOf(j transfer.Job) string {
	if t := p.tasks[jobKey(j)]; t.layer != nil {
		return t.layer.Path
	}
	return "blobs/" + j.Blob.Digest.Algorithm().String() + "/" + j.Blob.Digest.Encoded()
}

// InOrder returns an error that says why targets cannot be pushed from s: of each file that is still to come only one repository may
// need the content.
func InOrder(targets []Target, s Stream) error {
	p := &pusher{}
	p.plan(imagesOf(targets))
	seen := map[string]bool{}
	for _, j := range slices.Concat(p.jobs, p.repeats) {
		name := p.fileOf(j)
		if s.Awaits(name) && seen[name] {
			return fmt.Errorf("%q is needed more than once", name)
		}
		seen[name] = true
	}
	return nil
}

func imagesOf(targets []Target) []*tracked {
	images := make([]*tracked, len(targets))
	for i, t := range targets {
		images[i] = &tracked{Result: Result{Target: t}}
	}
	return images
}

// split divides the jobs into those that can be done at any time and, by file, those whose content is still to come. No image is
// finished before the stream is: what stands at its end may show that it is wrong.
func (p *pusher) split(images []*tracked) (now []transfer.Job, later map[string]transfer.Job) {
	if p.opts.Stream == nil {
		return p.jobs, nil
	}
	later = map[string]transfer.Job{}
	for _, j := range p.jobs {
		if name := p.fileOf(j); p.opts.Stream.Awaits(name) {
			later[name] = j
		} else {
			now = append(now, j)
		}
	}
	for _, im := range images {
		im.missing++
	}
	return now, later
}

// stream does jobs in the order in which their content comes.
func (p *pusher) stream(ctx context.Context, later map[string]transfer.Job, finished func(transfer.Job, error)) error {
	for {
		name, err := p.opts.Stream.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			for _, name := range slices.Sorted(maps.Keys(later)) {
				finished(later[name], cmp.Or(err, fmt.Errorf("%q has not come", name)))
			}
			return err
		}
		if j, ok := later[name]; ok {
			delete(later, name)
			if l := p.tasks[jobKey(j)].layer; l != nil {
				j.Blob.Size = l.Size() // which nothing has said before
			}
			finished(j, p.do(ctx, j))
		}
	}
}

// pass pushes a layer that is stored compressed and can be read only once: its digest is known, and its diff ID has been
// checked, when it has been sent, and it is not stored if that is wrong.
func (p *pusher) pass(ctx context.Context, repo *registry.Repository, l *dockerarchive.SavedLayer, mediaType string, reported func(int64)) (v1.Descriptor, error) {
	return repo.Pusher().PushStream(ctx, mediaType, func() (io.ReadCloser, error) {
		return piped(func(w io.Writer) error {
			return checkLayer(ctx, l, io.TeeReader(transfer.Counted(l.Open(), reported), w), nil)
		}), nil
	}, registry.PushOptions{})
}
