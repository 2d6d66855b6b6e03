package image

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// parallelLoads is how many manifests are asked for at once: an index of twenty platforms costs
// a few round trips and not twenty.
const parallelLoads = 8

type loader struct {
	src  Source
	lazy bool // leave out manifests whose platform their index tells, until they are chosen

	mu      sync.Mutex
	nodes   map[digest.Digest]*Node
	content map[digest.Digest][]byte
	held    int64
}

// load reads the given manifests and, level by level, those below them.
func (l *loader) load(ctx context.Context, level []v1.Descriptor, depth int) error {
	if len(level) == 0 {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%s: indexes nested more than %d deep", level[0].Digest, maxDepth)
	}
	if len(l.nodes)+len(level) > maxManifests {
		return fmt.Errorf("index refers to more than %d manifests", maxManifests)
	}
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelLoads)
	loaded := make([]*Node, len(level))
	for i, d := range level {
		eg.Go(func() (err error) {
			loaded[i], err = l.node(egctx, d)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for _, n := range loaded {
		l.nodes[n.Descriptor.Digest] = n
	}
	return l.load(ctx, l.below(loaded), depth+1)
}

func (l *loader) node(ctx context.Context, d v1.Descriptor) (*Node, error) {
	raw, err := l.read(ctx, d, MaxManifestSize)
	if err != nil {
		return nil, err
	}
	doc, err := ParseManifest(d.MediaType, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return &Node{Descriptor: d, Raw: raw, Document: doc}, nil
}

// read keeps what it reads, so that nothing is asked for twice.
func (l *loader) read(ctx context.Context, d v1.Descriptor, limit int64) ([]byte, error) {
	raw, err := ReadAll(ctx, l.src, d, limit)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held += int64(len(raw)); l.held > maxHeld {
		return nil, fmt.Errorf("the manifests of one image take more than %d bytes", maxHeld)
	}
	l.content[d.Digest] = raw
	return raw, nil
}

// below lists the manifests that the given nodes refer to and that are not known yet.
func (l *loader) below(nodes []*Node) []v1.Descriptor {
	var next []v1.Descriptor
	queued := map[digest.Digest]bool{}
	for _, n := range nodes {
		for _, c := range n.Document.Manifests {
			if l.nodes[c.Digest] == nil && !queued[c.Digest] && IsManifest(c.MediaType) && !(l.lazy && tellsPlatform(c)) {
				queued[c.Digest] = true
				next = append(next, c)
			}
		}
	}
	return next
}

// tellsPlatform reports whether one can choose an image by its descriptor alone. Registries count the manifests that are
// read against a limit.
func tellsPlatform(d v1.Descriptor) bool { return d.Platform != nil && IsImageManifest(d.MediaType) }
