package audit

import (
	"context"
	"reflect"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// blobKey is a blob as a descriptor claims it to be: two claims about one digest are two blobs.
type blobKey struct {
	digest digest.Digest
	size   int64
}

// walker goes through the manifests of all targets and gathers the blobs to read.
type walker struct {
	reached map[digest.Digest]bool
	trees   map[image.Source]*image.Tree
	judged  map[*image.Node]judgement
	tasks   map[taskKey]*task
	order   []*task
	uses    []use
	parts   int  // blobs, counted for each image that has them
	listing bool // only what is reached is wanted

	target Target // the current one
	result *Result
	tree   *image.Tree                    // of its source
	absent map[digest.Digest]image.Absent // what is not read of it
	told   map[string]bool                // reported descriptors with wrong data
}

func newWalker() *walker {
	return &walker{
		reached: map[digest.Digest]bool{},
		trees:   map[image.Source]*image.Tree{},
		judged:  map[*image.Node]judgement{},
		tasks:   map[taskKey]*task{},
	}
}

// begin takes the next target.
func (w *walker) begin(t Target, r *Result) {
	w.target, w.result, w.told = t, r, map[string]bool{}
	r.Absent, w.absent = slices.Clone(t.Absent), map[digest.Digest]image.Absent{}
	for _, a := range t.Absent {
		w.absent[a.Descriptor.Digest] = a
	}
	shared := reflect.ValueOf(t.Source).Comparable()
	if shared && w.trees[t.Source] != nil {
		w.tree = w.trees[t.Source]
		return
	}
	w.tree = image.NewTree(t.Source, image.Policy{
		Tolerant: true, MaxManifests: limits.AllManifests, MaxBytes: limits.AllHeld,
		Reads: func(d v1.Descriptor) bool { return d.MediaType == "" || image.IsManifest(d.MediaType) },
	})
	if shared {
		w.trees[t.Source] = w.tree
	}
}

func (w *walker) fault(part image.Part, d v1.Descriptor, err error) {
	w.result.Faults = append(w.result.Faults, image.NewFault(part, d, err))
}

// embedded checks the content that a descriptor may carry. Nothing here uses that content, but other readers
// do (https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#embedded-content).
func (w *walker) embedded(part image.Part, d v1.Descriptor) {
	if len(d.Data) == 0 || verify.Descriptor(d) != nil || verify.Bytes(d, d.Data) == nil {
		return
	}
	if key := string(part) + d.Digest.String(); !w.told[key] {
		w.told[key] = true
		w.fault(part, d, verify.Mismatchf("the data in its descriptor is something else"))
	}
}

// image checks the manifests of the current target and notes its blobs.
func (w *walker) image(ctx context.Context) error {
	if err := w.tree.Read(ctx, w.target.Root); err != nil {
		return err
	}
	visited, seen := map[blobKey]bool{}, []image.Visit{}
	err := w.tree.Walk(w.target.Root, func(v image.Visit) error {
		d := v.Descriptor
		w.reached[d.Digest] = true
		if seen = append(seen, v); v.Node == nil {
			w.blob(image.PartBlob, d, "")
			return ctx.Err()
		}
		if key := (blobKey{d.Digest, d.Size}); !visited[key] {
			visited[key] = true
			w.manifest(ctx, v)
		}
		if w.parts > limits.AllParts {
			return kind.Errorf(image.ErrTooMany, "all images together have more than %d parts, "+
				"counted for each name: choose some by name", limits.AllParts)
		}
		return ctx.Err()
	})
	w.forget(seen)
	return err
}

// maxForgotten is how many manifests of an image are forgotten. Those of larger ones stay known: many such
// images could have the same ones, which would all be read for each of them.
const maxForgotten = 64

// forget drops what is in memory of the manifests of an image. There may be very many images.
func (w *walker) forget(seen []image.Visit) {
	if len(seen) > maxForgotten {
		return
	}
	descs := make([]v1.Descriptor, len(seen))
	for i, v := range seen {
		descs[i] = v.Descriptor
		delete(w.judged, v.Node)
	}
	w.tree.Forget(descs)
}

// manifest checks one manifest or index.
func (w *walker) manifest(ctx context.Context, v image.Visit) {
	w.embedded(image.PartManifest, v.Descriptor)
	doc := &v.Node.Document
	if doc.Subject != nil {
		w.embedded(image.PartManifest, *doc.Subject)
	}
	if v.Node.Err != nil {
		w.fault(image.PartManifest, v.Descriptor, v.Node.Err)
	} else if !image.IsIndex(doc.MediaType) {
		w.blobs(ctx, v.Node)
	}
}

// judgement is what a manifest describes, and why its configuration could not be read.
type judgement struct {
	image.Judgement
	err error
}

// judge reads the configuration of a manifest once for all targets.
func (w *walker) judge(ctx context.Context, n *image.Node) judgement {
	j, known := w.judged[n]
	if !known {
		var raw []byte
		if n.Document.MayBeImage() {
			raw, j.err = w.tree.Config(ctx, n)
		}
		j.Judgement = n.Document.Judge(raw)
		w.judged[n] = j
	}
	return j
}

// blobs notes the configuration and the layers of one manifest.
func (w *walker) blobs(ctx context.Context, n *image.Node) {
	var judged judgement
	if !w.listing {
		judged = w.judge(ctx, n)
	}
	if judged.Kind == image.Artifact { // also if nobody has looked
		for _, d := range n.Document.Children() {
			w.blob(image.PartBlob, d, "")
		}
		return
	}
	w.reached[n.Document.Config.Digest] = true
	w.embedded(image.PartConfig, *n.Document.Config)
	if judged.err != nil {
		w.fault(image.PartConfig, *n.Document.Config, judged.err)
	}
	for i, l := range n.Document.Layers {
		var diffID digest.Digest
		if t := image.ParseLayerType(l.MediaType); judged.DiffIDs != nil && t.Sealed() == "" && !t.Other {
			diffID = judged.DiffIDs[i]
		}
		w.blob(image.PartLayer, l, diffID)
	}
	if judged.Kind == image.Sealed {
		w.result.Sealed = append(w.result.Sealed, judged.Why)
	}
}

// saved takes the layers of an image of a docker tar, and the faults that the reader of the tar has found. A
// layer without a diff ID in the configuration is only unpacked.
func (w *walker) saved(im *dockerarchive.SavedImage) {
	for _, a := range im.Absent {
		if a.IsFault() {
			w.result.Faults = append(w.result.Faults, a)
		} else {
			w.result.Absent = append(w.result.Absent, a)
		}
	}
	for _, l := range im.Layers {
		d := v1.Descriptor{Digest: l.DiffID, Size: l.Size()}
		a := digest.Canonical
		if l.DiffID == "" {
			d.Digest = digest.FromString(l.Path) // to tell it from others while it is read
		} else {
			a = l.DiffID.Algorithm()
		}
		t := w.task(taskKey{blobKey: blobKey{l.DiffID, l.Size()}, path: l.Path, algorithm: a}, d, l.Source())
		d.Digest = l.DiffID
		w.uses = append(w.uses, use{task: t, result: w.result, part: image.PartLayer, desc: d, diffID: l.DiffID})
		w.parts++
	}
}

// blob notes a blob of the current image. If diffID is not empty, the blob must unpack to it.
func (w *walker) blob(part image.Part, d v1.Descriptor, diffID digest.Digest) {
	w.reached[d.Digest] = true
	if w.parts++; w.listing {
		return
	}
	if err := verify.Descriptor(d); err != nil {
		w.fault(part, d, err)
		return
	}
	w.embedded(part, d)
	if a, ok := w.absent[d.Digest]; ok {
		if a.DiffID != "" && diffID != "" && a.DiffID != diffID {
			w.fault(part, d, verify.Mismatchf("the delta document says that it unpacks to %s, "+
				"and the configuration of the image says %s", a.DiffID, diffID))
		}
		w.patch(a)
		return
	}
	var a digest.Algorithm
	if diffID != "" {
		a = diffID.Algorithm()
	}
	t := w.task(taskKey{blobKey: blobKey{d.Digest, d.Size}, algorithm: a}, d, w.target.Source)
	w.uses = append(w.uses, use{task: t, result: w.result, part: part, desc: d, diffID: diffID})
}

// patch notes the patch and the recipe of a layer that is absent, and the content that they make if nothing
// else can be had of the layer.
func (w *walker) patch(a image.Absent) {
	if a.Rebuilt == nil {
		return
	}
	if w.target.Content[a.Descriptor.Digest] {
		d := a.Plain().Descriptor
		t := w.task(taskKey{blobKey: blobKey{d.Digest, d.Size}}, d, w.target.Source)
		u := use{task: t, result: w.result, part: image.PartLayer, desc: a.Descriptor}
		w.uses = append(w.uses, u)
	}
	for _, d := range a.Rebuilt.Parts() {
		t := w.task(taskKey{blobKey: blobKey{d.Digest, d.Size}}, d, w.target.Source)
		w.uses = append(w.uses, use{task: t, result: w.result, part: image.PartPatch, desc: d})
	}
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
