package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/internal/kind"
	"drayage/internal/limits"
)

// parallelReads is how many manifests are asked for at once: an index of twenty platforms costs a few round
// trips and not twenty.
const parallelReads = 8

// ErrTooMany is wrapped where manifests are more, or larger together, than a [Policy] allows.
var ErrTooMany = errors.New("too many manifests")

// Node is a manifest or index as a descriptor claims it to be.
type Node struct {
	Descriptor v1.Descriptor
	Raw        []byte // nil in a tolerant tree
	Document   Document
	Err        error // why it cannot be used; only in a tolerant tree
}

// Policy says which manifests a [Tree] reads, and what a fault means. The zero value reads all of them,
// within the limits for one image, and fails at the first fault.
type Policy struct {
	// Tolerant keeps a fault in its node and goes on. Everything is then read once only, without the repeats
	// that broken connections need, and no bytes are kept.
	Tolerant bool
	// Reads reports whether an entry of an index is read as a manifest. nil means whatever has a manifest's
	// media type.
	Reads func(entry v1.Descriptor) bool

	// Slim is told of each manifest that has been read, and may drop from it what nobody needs. It is called
	// concurrently. nil drops nothing.
	Slim func(*Node)

	MaxManifests int   // 0 means 10,000
	MaxBytes     int64 // of all manifests together; 0 means 64 MiB
}

// Tree holds manifests that were read from one source, each once, however many indexes and images refer to
// it. It may be used concurrently.
type Tree struct {
	src    Source
	policy Policy

	mu      sync.Mutex
	nodes   map[claim]*Node // nil: it has been forgotten
	content map[digest.Digest][]byte
	held    int64
	entries int // of all indexes
}

// claim is a manifest as a descriptor describes it. Two descriptors may agree about a digest and about
// nothing else.
type claim struct {
	digest    digest.Digest
	size      int64
	mediaType string
}

func claimed(d v1.Descriptor) claim { return claim{d.Digest, d.Size, d.MediaType} }

// NewTree returns a tree that has read nothing yet.
func NewTree(src Source, policy Policy) *Tree {
	if policy.Reads == nil {
		policy.Reads = func(d v1.Descriptor) bool { return IsManifest(d.MediaType) }
	}
	policy.MaxManifests = cmp.Or(policy.MaxManifests, limits.Manifests)
	policy.MaxBytes = cmp.Or(policy.MaxBytes, limits.Held)
	return &Tree{src: src, policy: policy, nodes: map[claim]*Node{}, content: map[digest.Digest][]byte{}}
}

// Read reads manifests and, level by level, what is below them. A tolerant tree fails only if ctx ends.
func (t *Tree) Read(ctx context.Context, roots ...v1.Descriptor) error {
	level := t.unread(roots, func(v1.Descriptor) bool { return true })
	for depth := 0; len(level) > 0; depth++ {
		if depth > limits.Depth && t.policy.Tolerant {
			return nil // [Tree.Walk] finds it
		}
		if depth > limits.Depth {
			return tooDeep(level[0])
		}
		nodes, err := t.readLevel(ctx, level)
		if err != nil {
			return err
		}
		var entries []v1.Descriptor
		for _, n := range nodes {
			entries = append(entries, n.Document.Manifests...)
		}
		level = t.unread(entries, t.policy.Reads)
	}
	return nil
}

func tooDeep(d v1.Descriptor) error {
	return fmt.Errorf("%s: indexes nested more than %d deep", d.Digest, limits.Depth)
}

// unread lists the wanted descriptors that have not been read, each once.
func (t *Tree) unread(all []v1.Descriptor, wanted func(v1.Descriptor) bool) (some []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	queued := map[claim]bool{}
	for _, d := range all {
		if c := claimed(d); t.nodes[c] == nil && !queued[c] && wanted(d) {
			queued[c] = true
			some = append(some, d)
		}
	}
	return some
}

// readLevel reads manifests side by side and enters them into the tree.
func (t *Tree) readLevel(ctx context.Context, level []v1.Descriptor) ([]*Node, error) {
	t.mu.Lock()
	before := len(t.nodes)
	t.mu.Unlock()
	if n := t.policy.MaxManifests; !t.policy.Tolerant && before+len(level) > n {
		return nil, kind.Errorf(ErrTooMany, "index refers to more than %d manifests", n)
	}
	nodes := make([]*Node, len(level))
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelReads)
	for i, d := range level {
		eg.Go(func() error {
			nodes[i] = t.node(egctx, d, before+i)
			if t.policy.Tolerant {
				return context.Cause(ctx)
			}
			return nodes[i].Err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range nodes {
		t.nodes[claimed(n.Descriptor)] = n
	}
	return nodes, nil
}

// node reads one manifest, before which so many have been read.
func (t *Tree) node(ctx context.Context, d v1.Descriptor, before int) *Node {
	n, again := &Node{Descriptor: d}, t.counted(d)
	if !again && before >= t.policy.MaxManifests || t.policy.Tolerant && !t.enter(0) {
		n.Err = t.tooMany()
		return n
	}
	if again {
		t.uncount(d.Size)
	}
	raw, err := t.bytes(ctx, d, MaxManifestSize)
	if err != nil {
		n.Err = err
		return n
	}
	if n.Document, err = ParseManifest(d.MediaType, raw); err != nil {
		n.Err = fmt.Errorf("%s: %w", d.Digest, err)
	}
	if !t.policy.Tolerant {
		n.Raw = raw
	} else if !again && !t.enter(len(n.Document.Manifests)) {
		n.Document, n.Err = Document{}, t.tooMany()
	}
	if n.Err == nil && t.policy.Slim != nil {
		t.policy.Slim(n)
	}
	return n
}

// enter reports whether the tree may hold so many more entries of indexes: the memory that they take is many
// times that of the bytes.
func (t *Tree) enter(entries int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries += entries
	return t.entries <= t.policy.MaxManifests
}

func (t *Tree) tooMany() error {
	return fmt.Errorf(
		"there are more than %d manifests or entries of indexes, or more than %d bytes of them: %w",
		t.policy.MaxManifests, t.policy.MaxBytes, ErrTooMany)
}

// bytes reads a manifest or configuration, unless its bytes are kept.
func (t *Tree) bytes(ctx context.Context, d v1.Descriptor, limit int64) ([]byte, error) {
	t.mu.Lock()
	raw, kept := t.content[d.Digest]
	if kept = kept && int64(len(raw)) == d.Size; !kept {
		t.held += min(max(d.Size, 0), limit)
	}
	over := t.held > t.policy.MaxBytes
	t.mu.Unlock()
	switch {
	case kept:
		return raw, nil
	case over:
		return nil, t.tooMany()
	case t.policy.Tolerant:
		return readOnce(ctx, t.src, d, limit)
	}
	raw, err := ReadAll(ctx, t.src, d, limit)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.content[d.Digest] = raw
	}
	return raw, err
}

// Node returns what has been read of a descriptor, or nil.
func (t *Tree) Node(d v1.Descriptor) *Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes[claimed(d)]
}

// Manifest returns the node of one manifest or index and reads it if that has not been done.
func (t *Tree) Manifest(ctx context.Context, d v1.Descriptor) (*Node, error) {
	n := t.Node(d)
	if n == nil {
		nodes, err := t.readLevel(ctx, []v1.Descriptor{d})
		if err != nil {
			return nil, err
		}
		n = nodes[0]
	}
	return n, n.Err
}

// Config reads the configuration of a manifest, whatever its type.
func (t *Tree) Config(ctx context.Context, n *Node) ([]byte, error) {
	if n.Document.Config == nil {
		return nil, fmt.Errorf("%s has no configuration", n.Descriptor.Digest)
	}
	if t.policy.Tolerant {
		return readOnce(ctx, t.src, *n.Document.Config, MaxConfigSize)
	}
	return t.bytes(ctx, *n.Document.Config, MaxConfigSize)
}

// Forget drops what has been read of some descriptors. It counts against the limits all the same, but only
// once if it is read again.
func (t *Tree) Forget(all []v1.Descriptor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range all {
		if c := claimed(d); t.nodes[c] != nil {
			t.nodes[c] = nil
		}
	}
}

// uncount takes off the bytes of a manifest that is about to be counted again.
func (t *Tree) uncount(size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held -= min(max(size, 0), MaxManifestSize)
}

// counted reports whether what a descriptor stands for has been counted against the limits.
func (t *Tree) counted(d v1.Descriptor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.nodes[claimed(d)]
	return known
}

// Visit is one step of a walk.
type Visit struct {
	Descriptor v1.Descriptor // as what refers to it describes it
	Node       *Node         // nil: it has not been read, or is no manifest
	Depth      int           // 0 at the root
}

// Walk visits root and, below indexes, their entries, depth first and in their order. Of entries that are
// equal in digest, size, media type and platform only the first is visited. An error of visit ends the walk.
func (t *Tree) Walk(root v1.Descriptor, visit func(Visit) error) error {
	type entry struct {
		claim
		platform string
	}
	seen := map[entry]bool{}
	var walk func(v Visit) error
	walk = func(v Visit) error {
		e := entry{claim: claimed(v.Descriptor)}
		if p := v.Descriptor.Platform; p != nil {
			e.platform = FormatPlatform(*p) + " " + p.OSVersion
		}
		if seen[e] {
			return nil
		}
		seen[e] = true
		v.Node = t.Node(v.Descriptor)
		if v.Depth > limits.Depth {
			v.Node = &Node{Descriptor: v.Descriptor, Err: tooDeep(v.Descriptor)}
		}
		if err := visit(v); err != nil || v.Node == nil {
			return err
		}
		for _, c := range v.Node.Document.Manifests {
			if err := walk(Visit{Descriptor: c, Depth: v.Depth + 1}); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(Visit{Descriptor: root})
}
