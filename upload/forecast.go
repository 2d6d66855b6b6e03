package upload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/registry"
)

// parallelLooks is how many blobs are asked for at once.
const parallelLooks = 16

// Foresee tells what [Push] would do with targets, and writes nothing into a registry. It asks for each blob
// whether its repository has it, or another one from which it can be mounted. If the registry then refuses to
// mount the blob, Push sends it. tell takes each target in order, with what would become of its blobs. A
// target that would fail before anything moves has an error instead. Opts.Stream must be nil.
func Foresee(
	ctx context.Context, targets []Target, opts Options, tell func(Target, []image.Move, error),
) error {
	opts.Look = true
	if err := cmp.Or(opts.Compression.Check(), opts.Reuse.check()); err != nil {
		return err
	}
	results := newResults(targets)
	p := newPusher(results, opts).plans(results)
	f := forecast{p, make([]image.Move, len(p.plan.Jobs())), make([]error, len(p.plan.Jobs()))}
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelLooks)
	at := map[key]int{}
	first := map[key]int{} // by what jobs bring, wherever they bring it
	for i, j := range p.plan.Jobs() {
		at[j.Key] = i
		if p.tasks[j.Key].repeated {
			continue
		}
		first[anywhere(j.Key)] = i
		eg.Go(func() error {
			f.moves[i], f.errs[i] = f.look(egctx, j)
			return nil
		})
	}
	_ = eg.Wait() // each has its own outcome
	for i, j := range p.plan.Jobs() {
		if n, ok := first[anywhere(j.Key)]; ok && p.tasks[j.Key].repeated {
			f.moves[i], f.errs[i] = f.moves[n], f.errs[n]
		}
	}
	for i := range targets {
		f.tell(targets[i], at, tell)
	}
	return context.Cause(ctx)
}

// anywhere is a key without its repository.
func anywhere(k key) key {
	k.repository = ""
	return k
}

// forecast is one call of Foresee.
type forecast struct {
	*pusher
	moves []image.Move // of the jobs of the plan
	errs  []error
}

// tell tells of a target. at has the numbers of jobs.
func (f *forecast) tell(t Target, at map[key]int, tell func(Target, []image.Move, error)) {
	var moves []image.Move
	for _, j := range f.keys(t) {
		i := at[j]
		if f.errs[i] != nil {
			tell(t, nil, f.errs[i])
			return
		}
		moves = append(moves, f.moves[i])
	}
	tell(t, moves, nil)
}

// keys are those of the jobs of a target, each once.
func (f *forecast) keys(t Target) (all []key) {
	seen := map[key]bool{}
	for i, d := range t.wanted() {
		if k := t.key(i, d); !seen[k] {
			seen[k] = true
			all = append(all, k)
		}
	}
	return all
}

// wanted are the blobs of a target, with what was left out.
func (t Target) wanted() []v1.Descriptor {
	all := t.Blobs()
	if t.Image == nil {
		return all
	}
	all = append([]v1.Descriptor{}, all...)
	for _, a := range t.Image.Absent {
		if a.Reason == image.LeftOut {
			all = append(all, a.Descriptor)
		}
	}
	return all
}

// look finds out what would become of one blob.
func (f *forecast) look(ctx context.Context, j job) (image.Move, error) {
	if err := context.Cause(ctx); err != nil {
		return image.Move{}, err
	}
	t := f.tasks[j.Key]
	if t.layer != nil {
		l := layerPush{f.pusher, t.repo, t.layer, func(int64) {}}
		return l.look(ctx)
	}
	if t.from != nil && t.from.SameRegistry(t.repo) {
		f.knows(t.from, j.Blob.Digest)
	}
	m := image.Move{Blob: j.Blob}
	_, m.LeftOut = j.Source.(leftOut)
	there, err := f.has(ctx, t.repo, j.Blob)
	if there {
		m.There = m.Blob.Size
	}
	m.Lacking = m.LeftOut && !there
	return m, err
}

// has reports whether a repository has a blob that is pushed as it is, or could have it mounted.
func (f *forecast) has(ctx context.Context, repo *registry.Repository, d v1.Descriptor) (bool, error) {
	there, err := repo.Exists(ctx, d)
	if from := f.origin(repo, d.Digest); err == nil && !there && from != "" {
		return f.mount(ctx, repo, d, from)
	}
	return there, err
}

// look finds out what would become of a layer of a docker tar.
func (l *layerPush) look(ctx context.Context) (image.Move, error) {
	kind, err := l.layer.Compression()
	if err != nil {
		return image.Move{}, fmt.Errorf("layer %q: %w", l.layer.Path, err)
	}
	if kind == compression.Gzip || kind == compression.Zstd {
		return l.lookStored(ctx)
	}
	d, there, err := l.there(ctx, kind)
	if there || err != nil {
		return image.Move{Blob: d, There: d.Size}, err
	}
	if d, known := l.cache.Lookup(l.layer.DiffID); known {
		return image.Move{Blob: d}, nil
	}
	return image.Move{Plain: true, Blob: v1.Descriptor{Digest: l.layer.DiffID, Size: l.layer.Size()}}, nil
}

// lookStored finds out what would become of a layer that is pushed as it is stored. Its digest is computed.
func (l *layerPush) lookStored(ctx context.Context) (image.Move, error) {
	h := sha256.New()
	content := l.layer.Open()
	if _, err := transfer.Copy(h, transfer.WithContext(ctx, content)); err != nil {
		return image.Move{}, fmt.Errorf("layer %q: %w", l.layer.Path, err)
	}
	m := image.Move{Blob: v1.Descriptor{Digest: digest.NewDigest(digest.SHA256, h), Size: l.layer.Size()}}
	f := forecast{pusher: l.pusher}
	there, err := f.has(ctx, l.repo, m.Blob)
	if there {
		m.There = m.Blob.Size
	}
	return m, err
}
