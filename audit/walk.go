package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/verify"
)

// Limits on what hostile manifests can make us do.
const (
	maxDepth     = 8
	maxManifests = 20_000
	maxHeld      = 256 << 20 // bytes of manifests
)

// blobKey is a blob as a descriptor claims it to be: two claims about one digest are two blobs.
type blobKey struct {
	digest digest.Digest
	size   int64
}

// node is a manifest that has been read, once for all images.
type node struct {
	doc image.Document
	err error
}

// walker goes through the manifests of all targets and gathers what has to be read besides.
type walker struct {
	reached map[digest.Digest]bool
	nodes   map[blobKey]*node
	held    int64
	tasks   map[taskKey]*task
	order   []*task
	uses    []use

	target  Target // the one at hand
	result  *Result
	visited map[blobKey]bool
	spoilt  map[spoiltKey]bool // wrong data in a descriptor has been told of
}

type spoiltKey struct {
	kind   Kind
	digest digest.Digest
}

func newWalker() *walker {
	return &walker{reached: map[digest.Digest]bool{}, nodes: map[blobKey]*node{}, tasks: map[taskKey]*task{}}
}

func (w *walker) begin(t Target, r *Result) {
	w.target, w.result, w.visited, w.spoilt = t, r, map[blobKey]bool{}, map[spoiltKey]bool{}
}

func (w *walker) fault(kind Kind, d digest.Digest, err error) {
	w.result.Faults = append(w.result.Faults, Fault{Kind: kind, Digest: d, Err: err})
}

// data checks the content that a descriptor may carry besides its digest
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#embedded-content). Nothing here uses it; other readers do.
func (w *walker) data(kind Kind, d v1.Descriptor) {
	if len(d.Data) == 0 || verify.Descriptor(d) != nil || verify.Bytes(d, d.Data) == nil {
		return
	}
	if key := (spoiltKey{kind, d.Digest}); !w.spoilt[key] {
		w.spoilt[key] = true
		w.fault(kind, d.Digest, fmt.Errorf("the data in its descriptor is something else: %w", ErrIntegrity))
	}
}

// manifest checks a manifest or index and all below it.
func (w *walker) manifest(ctx context.Context, d v1.Descriptor, depth int) {
	key := blobKey{d.Digest, d.Size}
	if w.visited[key] || ctx.Err() != nil {
		return
	}
	w.visited[key] = true
	w.reached[d.Digest] = true
	w.data(Manifest, d)
	if depth > maxDepth {
		w.fault(Manifest, d.Digest, fmt.Errorf("indexes nest deeper than %d", maxDepth))
		return
	}
	n := w.node(ctx, d)
	if n.doc.Subject != nil {
		w.data(Manifest, *n.doc.Subject)
	}
	switch {
	case n.err != nil:
		w.fault(Manifest, d.Digest, n.err)
	case image.IsIndex(n.doc.MediaType):
		w.index(ctx, &n.doc, depth)
	default:
		w.image(ctx, &n.doc)
	}
}

func (w *walker) index(ctx context.Context, doc *image.Document, depth int) {
	for _, c := range doc.Manifests {
		w.reached[c.Digest] = true
		if c.MediaType != "" && !image.IsManifest(c.MediaType) {
			w.blob(Other, c, "")
			continue
		}
		w.manifest(ctx, c, depth+1)
	}
}

// node reads a manifest, unless another image has it too.
func (w *walker) node(ctx context.Context, d v1.Descriptor) *node {
	key := blobKey{d.Digest, d.Size}
	if n := w.nodes[key]; n != nil {
		return n
	}
	n := &node{}
	w.nodes[key] = n
	if d.Size > 0 && d.Size <= image.MaxManifestSize { // no others are read
		w.held += d.Size
	}
	if len(w.nodes) > maxManifests || w.held > maxHeld {
		n.err = fmt.Errorf("there are more than %d manifests, or more than %d bytes of them", maxManifests, maxHeld)
		return n
	}
	raw, err := readSmall(ctx, w.target.Source, d, image.MaxManifestSize)
	if err != nil {
		n.err = err
		return n
	}
	n.doc, n.err = image.ParseManifest(d.MediaType, raw)
	return n
}

// image takes the configuration and layers of one manifest.
func (w *walker) image(ctx context.Context, doc *image.Document) {
	if !doc.IsContainerImage() || !layersAreTars(doc) {
		for _, d := range doc.Children() {
			w.blob(Other, d, "")
		}
		return
	}
	diffIDs := w.config(ctx, *doc.Config, len(doc.Layers))
	for i, l := range doc.Layers {
		var diffID digest.Digest
		if diffIDs != nil {
			diffID = diffIDs[i]
		}
		w.blob(Layer, l, diffID)
	}
}

// layersAreTars tells images from attestations and signatures that have an image's configuration.
func layersAreTars(doc *image.Document) bool {
	for _, l := range doc.Layers {
		if !strings.Contains(l.MediaType, ".tar") {
			return false
		}
	}
	return true
}

// config checks a configuration and returns the diff IDs in it, n of them, or nil if it is bad.
func (w *walker) config(ctx context.Context, d v1.Descriptor, n int) []digest.Digest {
	w.reached[d.Digest] = true
	w.data(Configuration, d)
	raw, err := readSmall(ctx, w.target.Source, d, image.MaxConfigSize)
	if err != nil {
		w.fault(Configuration, d.Digest, err)
		return nil
	}
	c, err := image.ParseConfig(raw)
	if err == nil && len(c.RootFS.DiffIDs) != n {
		err = fmt.Errorf("it has %d diff IDs for %d layers: %w", len(c.RootFS.DiffIDs), n, ErrIntegrity)
	}
	if err != nil {
		w.fault(Configuration, d.Digest, err)
		return nil
	}
	return c.RootFS.DiffIDs
}

// saved takes the layers of an image of a docker tar, and what was found wrong with it when the tar was opened. A layer of which no configuration
// tells the diff ID is only unpacked.
func (w *walker) saved(im *dockerarchive.SavedImage) {
	for _, f := range im.Faults {
		kind := Configuration
		if f.Layer {
			kind = Layer
		}
		w.result.Faults = append(w.result.Faults, Fault{kind, f.Digest, f.Path, f.Err})
	}
	for _, id := range im.Absent {
		w.result.Absent = append(w.result.Absent, v1.Descriptor{Digest: id})
	}
	for _, l := range im.Layers {
		d := v1.Descriptor{Digest: l.DiffID, Size: l.Size()}
		a := digest.Canonical
		if l.DiffID == "" {
			d.Digest = digest.FromString(l.Path) // to tell it from others while it is read
		} else {
			a = l.DiffID.Algorithm()
		}
		t := w.task(taskKey{blobKey: blobKey{l.DiffID, l.Size()}, path: l.Path, algorithm: a}, d, savedLayer{l})
		d.Digest = l.DiffID
		w.uses = append(w.uses, use{task: t, result: w.result, kind: Layer, desc: d, diffID: l.DiffID})
	}
}

// blob notes that the image at hand has a blob, which must unpack to diffID if that is not empty.
func (w *walker) blob(kind Kind, d v1.Descriptor, diffID digest.Digest) {
	w.reached[d.Digest] = true
	if err := verify.Descriptor(d); err != nil {
		w.fault(kind, d.Digest, err)
		return
	}
	w.data(kind, d)
	var a digest.Algorithm
	if diffID != "" {
		a = diffID.Algorithm()
	}
	t := w.task(taskKey{blobKey: blobKey{d.Digest, d.Size}, algorithm: a}, d, w.target.Source)
	w.uses = append(w.uses, use{task: t, result: w.result, kind: kind, desc: d, diffID: diffID})
}

func (w *walker) task(key taskKey, d v1.Descriptor, src image.Source) *task {
	t := w.tasks[key]
	if t == nil {
		t = &task{key: key, desc: d, source: src}
		w.tasks[key] = t
		w.order = append(w.order, t)
	}
	return t
}
