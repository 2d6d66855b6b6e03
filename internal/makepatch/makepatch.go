// Package makepatch makes patches of the layers that an archive is to have, against layers that the far side
// has. [Make] chooses the layers, makes the patches, rebuilds every layer from what it has written, and
// compares the digest. A layer that cannot be rebuilt, or that would save too little, goes whole.
package makepatch

import (
	"context"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/older"
)

// Options is how patches are made.
type Options struct {
	Finder  *older.Finder // knows the layers of the far side
	Temp    string        // the directory for temporary files, which have no names
	Journal *Journal      // keeps what has been made
	// Content also makes patches of gzip layers whose encoder is not known. They keep what the layer unpacks to,
	// and lose its digest.
	Content bool

	Planned  func(layers []v1.Descriptor)       // told once what is going to be read; may be nil
	Progress func(layer v1.Descriptor, n int64) // told how much of a layer has been read; may be nil
}

// Reason says why a layer goes whole.
type Reason string

// The reasons.
const (
	NoBase    Reason = "no base"           // nothing that the far side has can be read here
	NoGain    Reason = "no gain"           // the patch would not be a fifth smaller
	Unknown   Reason = "unknown encoder"   // nobody knows how to compress the content to the same bytes
	Failed    Reason = "not rebuilt"       // what was made of the patch was something else: a fault of drayage
	Zstd      Reason = "zstd"              // it is not modelled
	Chunked   Reason = "zstd:chunked"      // zstd in many pieces
	Stargz    Reason = "eStargz"           // gzip in many pieces, of an encoder that is not known
	Encrypted Reason = "encrypted"         // the content cannot be had
	Other     Reason = "other compression" // bzip2, xz, or something that is not what its media type says
)

// Outcome is what has become of a layer.
type Outcome struct {
	Layer  v1.Descriptor
	Patch  *image.Absent // or nil: it goes whole
	Reason Reason        // why
	Cause  string        // with Failed: what was wrong
	Reused bool          // an earlier run had made it
}

// Saved is how many bytes the patch saves.
func (o *Outcome) Saved() int64 {
	if o.Patch == nil {
		return 0
	}
	return o.Layer.Size - o.Patch.Rebuilt.Size()
}

// Patched are the layers that travel as patches.
func Patched(all []Outcome) map[digest.Digest]bool {
	patched := map[digest.Digest]bool{}
	for _, o := range all {
		if o.Patch != nil {
			patched[o.Layer.Digest] = true
		}
	}
	return patched
}

// Carried adds to what was made the layers that images have as patches already.
func Carried(made []Outcome, images []*image.Image) []Outcome {
	known := Patched(made)
	for _, im := range images {
		for _, a := range im.Absent {
			if a.Reason == image.LeftOut && a.Rebuilt != nil && !known[a.Descriptor.Digest] {
				known[a.Descriptor.Digest] = true
				made = append(made, Outcome{Layer: a.Descriptor, Patch: &a})
			}
		}
	}
	return made
}

// concurrent is how many layers are worked on at once. Only one patch is made at a time, which takes most of
// the memory; meanwhile the next layer is read, and the last one is rebuilt.
const concurrent = 2

// Make makes patches of layers of the images, and lets these travel in place of the layers. It returns what
// has become of each layer that is worth a patch, in the order of the images.
func Make(ctx context.Context, images []*image.Image, o Options) ([]Outcome, error) {
	m := &maker{Options: o, turn: make(chan struct{}, 1), bases: newBases(o.Temp)}
	defer m.bases.close()
	if err := m.gather(ctx, images); err != nil {
		return nil, err
	}
	if o.Planned != nil {
		var layers []v1.Descriptor
		for _, t := range m.targets {
			layers = append(layers, t.Descriptor)
		}
		o.Planned(layers)
	}
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(min(concurrent, runtime.GOMAXPROCS(0)))
	for _, t := range m.targets {
		eg.Go(func() error {
			defer m.bases.done(t.bases)
			return m.layer(egctx, t)
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return m.enter(images), nil
}

// maker is one run of Make.
type maker struct {
	Options
	targets []*target
	whole   []Outcome     // of layers that nobody has to read to know that they go whole
	turn    chan struct{} // one makes a patch
	bases   *bases
}

// target is a layer that may travel as a patch.
type target struct {
	image.Base
	source  image.Source
	stargz  bool // in pieces of its own
	bases   []older.Layer
	outcome Outcome
}

// enter lets the images have the patches.
func (m *maker) enter(images []*image.Image) []Outcome {
	all := slices.Clone(m.whole)
	var patches []image.Absent
	for _, t := range m.targets {
		all = append(all, t.outcome)
		if t.outcome.Patch != nil {
			patches = append(patches, *t.outcome.Patch)
		}
	}
	for _, im := range images {
		for _, part := range append([]*image.Image{im}, im.Referrers...) {
			part.Patch(patches, m.Journal)
		}
	}
	return all
}

// gather finds the layers that are worth a patch, and what they may be made from.
func (m *maker) gather(ctx context.Context, images []*image.Image) error {
	seen := map[digest.Digest]bool{}
	for _, im := range images {
		travels := map[digest.Digest]bool{}
		for _, d := range im.Travelling() {
			travels[d.Digest] = true
		}
		for i := range im.Manifests {
			n := &im.Manifests[i]
			if !n.Document.MayBeImage() {
				continue
			}
			if err := m.manifest(ctx, im, n, travels, seen); err != nil {
				return err
			}
		}
	}
	for _, t := range m.targets {
		m.bases.plan(t.bases)
	}
	return nil
}

// manifest enters the layers of a manifest that travel and are not known yet.
func (m *maker) manifest(
	ctx context.Context, im *image.Image, n *image.Node, travels, seen map[digest.Digest]bool,
) error {
	layers := n.Document.Layers
	fresh := func(d v1.Descriptor) bool { return travels[d.Digest] && !seen[d.Digest] && worthy(d) }
	if !slices.ContainsFunc(layers, fresh) {
		return nil
	}
	raw, err := image.ReadAll(ctx, im.Source, *n.Document.Config, image.MaxConfigSize)
	if err != nil {
		return err
	}
	diffIDs := n.Document.Judge(raw).DiffIDs
	candidates, err := m.Finder.Of(ctx, im, n)
	if err != nil {
		return err
	}
	for i, d := range layers {
		if !fresh(d) {
			continue
		}
		seen[d.Digest] = true
		t := newTarget(im.Source, d)
		if t.outcome.Reason == "" && (diffIDs == nil || diffIDs[i].Algorithm() != digest.SHA256) {
			t.outcome.Reason = Other
		}
		if t.outcome.Reason == "" {
			t.DiffID, t.bases = diffIDs[i], older.Choose(candidates, len(layers)-1-i)
		}
		if t.outcome.Reason == "" && len(t.bases) == 0 {
			t.outcome.Reason = NoBase
		}
		if t.outcome.Reason != "" {
			m.whole = append(m.whole, t.outcome)
			continue
		}
		m.targets = append(m.targets, t)
	}
	return nil
}

func newTarget(src image.Source, d v1.Descriptor) *target {
	bare := v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	o := Outcome{Layer: bare, Reason: reason(d)}
	return &target{source: src, Base: image.Base{Descriptor: bare}, outcome: o,
		stargz: d.Annotations[stargzNote] != ""}
}
