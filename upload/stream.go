package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Stream brings layers and blobs in an order that is not ours to choose, each once, as [dockerarchive.Pass]
// does.
type Stream interface {
	// Awaits reports whether the file is still to come.
	Awaits(name string) bool
	// Next goes on to the next file, which then can be read once, and returns its name. io.EOF says that
	// everything has come and was as it should be: no manifest is pushed before.
	Next(ctx context.Context) (string, error)
}

// fileOf is the name of the file with a job's content in an archive.
func (p *pusher) fileOf(j job) string {
	if t := p.tasks[j.Key]; t.layer != nil {
		return t.layer.Path
	}
	return "blobs/" + j.Blob.Digest.Algorithm().String() + "/" + j.Blob.Digest.Encoded()
}

// InOrder returns an error if targets cannot be pushed from s. The stream brings each file once, so only one
// repository may need the content of a file that is still to come.
func InOrder(targets []Target, s Stream) error {
	results := newResults(targets)
	p := newPusher(results, Options{}).plans(results)
	seen := map[string]bool{}
	for _, j := range p.plan.Jobs() {
		name := p.fileOf(j)
		if p.tasks[j.Key].gathered {
			continue
		}
		if s.Awaits(name) && seen[name] {
			return fmt.Errorf("%q is needed more than once", name)
		}
		seen[name] = true
	}
	return nil
}

// split divides the jobs into those that can be done at any time; by file, those whose content is still to
// come; and those that are repeated.
func (p *pusher) split() (now []job, later map[string]job, repeated []job) {
	later = map[string]job{}
	for _, j := range p.plan.Jobs() {
		name := p.fileOf(j)
		switch {
		case p.tasks[j.Key].repeated:
			repeated = append(repeated, j)
		case p.opts.Stream != nil && !p.tasks[j.Key].gathered && p.opts.Stream.Awaits(name):
			later[name] = j
		default:
			now = append(now, j)
		}
	}
	return now, later, repeated
}

// stream does jobs in the order in which their content comes.
func (p *pusher) stream(ctx context.Context, later map[string]job) error {
	for {
		name, err := p.opts.Stream.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			for _, name := range slices.Sorted(maps.Keys(later)) {
				p.plan.Done(later[name], cmp.Or(err, fmt.Errorf("%q has not come", name)))
			}
			return err
		}
		if j, ok := later[name]; ok {
			delete(later, name)
			if l := p.tasks[j.Key].layer; l != nil {
				j.Blob.Size = l.Size() // which nothing has said before
			}
			p.plan.Done(j, p.do(ctx, j))
		}
	}
}
