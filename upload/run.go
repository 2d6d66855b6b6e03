package upload

import (
	"cmp"
	"context"
)

// Run pushes images in several parts, for callers that find out about very many images bit by bit. What one
// part has brought into a registry is known to the parts after it.
type Run struct{ p *pusher }

// NewRun returns a run that has pushed nothing. Options.Stream and Options.Sharing need all images at once,
// so they must be nil: [Push] takes them.
func NewRun(opts Options) (*Run, error) {
	if err := cmp.Or(opts.Compression.Check(), opts.Reuse.check()); err != nil {
		return nil, err
	}
	return &Run{newPusher(nil, opts)}, nil
}

// Push pushes a part, as [Push] does. Options.Planned is called for each part. Push must not be called while
// another part is pushed.
func (r *Run) Push(ctx context.Context, targets []Target) ([]Result, error) {
	results := newResults(targets)
	r.p.note(results)
	if r.p.opts.Planned != nil {
		r.p.opts.Planned(planned(results))
	}
	r.p.plans(results).push(ctx)
	_ = r.p.finishing.Wait() // each image has its own outcome
	return results, context.Cause(ctx)
}
