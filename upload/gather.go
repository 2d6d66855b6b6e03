package upload

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/layercache"
	"drayage/registry"
)

const (
	gatherJobs = 16 // blobs that are looked for at once
	maxNearby  = 50 // other repositories that are asked for one blob
	maxBlind   = 20 // mounts without a repository that are refused before no other is tried
)

// Store is a place that gives out blobs which were left out of images.
type Store interface {
	image.Source
	// Has reports whether the store has a blob, in the size that the descriptor says.
	Has(ctx context.Context, d v1.Descriptor) (bool, error)
}

// place is where a blob is: in another repository, or in a store.
type place struct {
	repo   *registry.Repository // nil: in a store
	source image.Source
}

type places map[digest.Digest]place

// Gather finds out where everything is that was left out of the images of targets and their referrers. It is
// to be asked before [Push], and moves no blob. What the repository of a target has stays left out. What
// another repository of the registry has, or a store, is read there from then on, and mounted where that is
// possible: repositories of other targets count, those of Options.Bases, and those that an earlier run has
// pushed to. A registry that finds blobs by itself is asked to. Gather returns what is nowhere: the push of
// an image that needs such a blob would fail.
func Gather(
	ctx context.Context, targets []Target, opts Options, stores []Store,
) (lost map[digest.Digest]bool, err error) {
	g := newGatherer(opts, stores)
	for _, t := range targets {
		g.enter(t)
	}
	if len(g.wanted) == 0 {
		return nil, nil
	}
	if err := g.each(ctx, g.ask); err != nil {
		return nil, err
	}
	if err := g.each(ctx, g.find); err != nil {
		return nil, err
	}
	for i, t := range targets {
		if targets[i].found = g.found; t.Image != nil {
			t.Image.Fill(func(d v1.Descriptor) image.Source { return g.found[d.Digest].source })
		}
	}
	return g.lost, g.refused(ctx)
}

// gatherer is one run of Gather.
type gatherer struct {
	opts   Options
	stores []Store
	cache  *layercache.Cache
	repos  []*registry.Repository // of the targets, each once
	wanted map[key]wanted

	mu    sync.Mutex
	there map[digest.Digest][]*registry.Repository // which repositories of targets have a blob
	found places                                   // of blobs that a target's repository lacks
	lost  map[digest.Digest]bool
	blind int // mounts without a repository that were refused
}

func newGatherer(opts Options, stores []Store) *gatherer {
	return &gatherer{
		opts: opts, stores: stores, cache: layercache.Open(opts.CacheDir, opts.Compression.method()),
		wanted: map[key]wanted{}, there: map[digest.Digest][]*registry.Repository{}, found: places{},
		lost: map[digest.Digest]bool{},
	}
}

// wanted is a blob that was left out, and the repository that needs it.
type wanted struct {
	blob    v1.Descriptor
	repo    *registry.Repository
	rebuilt *image.Rebuilt // or nil
}

func (g *gatherer) enter(t Target) {
	if t.Image == nil {
		return
	}
	met := len(g.wanted)
	for _, im := range append([]*image.Image{t.Image}, t.Image.Referrers...) {
		for _, a := range im.Absent {
			if d := a.Descriptor; a.Reason == image.LeftOut {
				g.wanted[key{t.Repository.Name(), d.Digest, d.Size, false}] = wanted{d, t.Repository, a.Rebuilt}
			}
		}
	}
	if len(g.wanted) > met {
		g.repos = append(g.repos, t.Repository)
	}
}

// each calls do for each wanted blob, several at a time.
func (g *gatherer) each(ctx context.Context, do func(context.Context, wanted) error) error {
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(gatherJobs)
	for _, w := range g.wanted {
		eg.Go(func() error { return do(egctx, w) })
	}
	if err := eg.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// ask asks a repository whether it has a blob.
func (g *gatherer) ask(ctx context.Context, w wanted) error {
	there, err := w.repo.Exists(ctx, w.blob)
	if there {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.there[w.blob.Digest] = append(g.there[w.blob.Digest], w.repo)
	}
	return err
}

// has reports whether the repository that needs the blob has it.
func (g *gatherer) has(w wanted) bool {
	for _, r := range g.there[w.blob.Digest] {
		if r.Name() == w.repo.Name() {
			return true
		}
	}
	return false
}

// find looks for a blob elsewhere that a repository lacks.
func (g *gatherer) find(ctx context.Context, w wanted) error {
	g.mu.Lock()
	known := g.found[w.blob.Digest].source != nil || g.has(w)
	g.mu.Unlock()
	if known {
		return nil
	}
	at, err := g.elsewhere(ctx, w)
	if err != nil {
		return err
	}
	mounted := false
	if at.source == nil {
		if mounted, err = g.mount(ctx, w); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.source != nil {
		g.found[w.blob.Digest] = at
	} else if !mounted {
		g.lost[w.blob.Digest] = true
	}
	return nil
}

// elsewhere is another repository of the registry, or a store, that has the blob.
func (g *gatherer) elsewhere(ctx context.Context, w wanted) (place, error) {
	for _, r := range g.nearby(w) {
		if there, err := r.Exists(ctx, w.blob); err == nil && there {
			return place{r, r}, nil
		} else if ctx.Err() != nil {
			return place{}, context.Cause(ctx)
		}
	}
	for _, s := range g.stores {
		there, err := s.Has(ctx, w.blob)
		if err != nil {
			return place{}, err
		}
		if there {
			return place{source: s}, nil
		}
	}
	return place{}, nil
}

// nearby lists other repositories of the registry, those first that may well have the blob.
func (g *gatherer) nearby(w wanted) (all []*registry.Repository) {
	seen := map[string]bool{w.repo.Name(): true}
	add := func(r *registry.Repository) {
		if r.SameRegistry(w.repo) && !seen[r.Name()] && len(all) < maxNearby {
			seen[r.Name()] = true
			all = append(all, r)
		}
	}
	g.mu.Lock()
	for _, r := range g.there[w.blob.Digest] {
		add(r)
	}
	g.mu.Unlock()
	if path := g.cache.Where(w.repo.Registry(), w.blob.Digest); path != "" {
		add(w.repo.Beside(path))
	}
	for _, b := range g.opts.Bases {
		add(b.Repository)
	}
	for _, r := range g.repos {
		add(r)
	}
	return all
}

// mount asks the registry to find a blob by itself.
func (g *gatherer) mount(ctx context.Context, w wanted) (bool, error) {
	g.mu.Lock()
	enough := g.blind >= maxBlind || g.opts.AskOnly
	g.mu.Unlock()
	if enough || g.opts.Look {
		return false, nil
	}
	mounted, err := w.repo.Pusher().Mount(ctx, w.blob, "")
	if !mounted {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.blind++
	}
	return mounted, err
}

// refused returns the error of a registry that does not let the user ask for what is lost there.
func (g *gatherer) refused(ctx context.Context) error {
	for _, w := range g.wanted {
		if g.lost[w.blob.Digest] {
			if _, err := w.repo.Holds(ctx, w.blob); errors.Is(err, registry.ErrDenied) {
				return err
			}
			break
		}
	}
	return nil
}
