package dockerarchive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// deltaName is the file of a docker tar that lists the layers that were left out of it. Docker does not look
// at it: docker load asks for each layer by its chain ID before it opens the layer's file.
const deltaName = "drayage.delta.json"

// ErrLeftOut is wrapped by the error about a docker tar from which layers were left out, because the engine
// that it is for has them unpacked. [Reader.Survey] reads such a tar.
var ErrLeftOut = errors.New("layers were left out")

// leaveOut finds out which layers are not inside. A layer that some image needs inside is inside for all.
func (t *dockerTar) leaveOut(ctx context.Context, images []*image.Image) error {
	t.leftOut = leftOut{}
	for _, im := range images {
		for _, a := range im.Absent {
			if a.Reason != image.LeftOut {
				return fmt.Errorf("%s: %w", im.Root.Digest, a)
			}
			if a.Rebuilt != nil {
				return fmt.Errorf("%s: %w: a docker tar has no room for patches", im.Root.Digest, a)
			}
		}
		labels := im.Names
		if len(labels) == 0 {
			labels = []string{im.Root.Digest.String()}
		}
		if err := t.leftOut.add(ctx, im, labels); err != nil {
			return err
		}
	}
	if len(t.leftOut) == 0 {
		return nil
	}
	t.inside = map[digest.Digest]*blob{}
	for _, im := range images {
		if err := t.findInside(ctx, im); err != nil {
			return err
		}
	}
	return nil
}

// findInside enters the layers of an image that were not left out.
func (t *dockerTar) findInside(ctx context.Context, im *image.Image) error {
	_, judged, err := dockerConfig(ctx, im)
	if err != nil {
		return err
	}
	doc := &im.RootNode().Document
	for i, id := range judged.DiffIDs {
		l := &doc.Layers[i]
		if t.leftOut[l.Digest] == nil && t.inside[id] == nil {
			t.inside[id] = &blob{Descriptor: l, source: im.Source, diffID: id, image: doc.Config.Digest}
		}
	}
	return nil
}

// place adds a layer of an image and returns the name of its file. A layer that was left out has the name
// that the file would have.
func (t *dockerTar) place(dir v1Layer, b *blob, created time.Time) string {
	if t.leftOut[b.Digest] == nil {
		return t.addLayer(dir, b, created)
	}
	if other := t.inside[b.diffID]; other != nil {
		return t.addLayer(dir, other, created)
	}
	return (&tarEntry{name: dir.id, kind: layerDir}).path()
}

// deltaFile lists what is not inside. There is none if everything is.
func (t *dockerTar) deltaFile() ([]*tarEntry, error) {
	inside := map[digest.Digest]bool{}
	for d, o := range t.leftOut {
		if o.diffID == "" {
			return nil, fmt.Errorf("%s cannot be left out of a docker tar: two configurations differ in what it "+
				"unpacks to", d)
		}
		inside[d] = t.inside[o.diffID] != nil
	}
	raw, err := marshalDelta(t.leftOut.document(inside))
	if raw == nil || err != nil {
		return nil, err
	}
	return []*tarEntry{file(deltaName, raw, time.Unix(0, 0))}, nil
}

// thinDocker is what the delta document of a docker tar lists, by diff ID. Its methods may be called on nil.
type thinDocker struct {
	absent map[digest.Digest]v1.Descriptor
	needed map[digest.Digest]bool // an image needs it, and it is not inside
}

// thinDocker reads the delta document of a docker tar. The result is nil if there is none.
func (a *Reader) thinDocker() (*thinDocker, error) {
	if !a.tar.Has(deltaName) {
		return nil, nil
	}
	raw, err := a.tar.Read(deltaName, limits.Delta)
	if err != nil {
		return nil, err
	}
	doc, err := delta.Parse(raw)
	switch {
	case errors.Is(err, delta.ErrNewer):
		return nil, fmt.Errorf("%s: %w", deltaName, err)
	case err != nil:
		return nil, verify.Mismatchf("%s cannot be used: %w", deltaName, err)
	}
	if len(doc.Rebuilt) > 0 {
		return nil, verify.Mismatchf("%s lists patches, which a docker tar cannot have", deltaName)
	}
	t := &thinDocker{absent: map[digest.Digest]v1.Descriptor{}, needed: map[digest.Digest]bool{}}
	for i := range doc.Absent {
		b := &doc.Absent[i]
		if b.DiffID == "" {
			return nil, verify.Mismatchf("%s does not say what %s unpacks to", deltaName, b.Digest)
		}
		d := b.Descriptor()
		d.Digest = b.DiffID
		t.absent[b.DiffID] = d
	}
	return t, nil
}

// explain enters into an image why its layers are absent that the document lists.
func (t *thinDocker) explain(im *SavedImage) {
	if t == nil {
		return
	}
	for i := range im.Absent {
		a := &im.Absent[i]
		d, listed := t.absent[a.Descriptor.Digest]
		if !listed || a.Part != image.PartLayer || a.Reason != image.Missing {
			continue
		}
		t.needed[d.Digest] = true
		a.Reason, a.Descriptor, a.DiffID, a.Err = image.LeftOut, d, d.Digest, nil
	}
}

// confirm returns an error if the document lists what is inside, or what no image needs.
func (t *thinDocker) confirm() error {
	if t == nil {
		return nil
	}
	for _, d := range t.sorted() {
		if !t.needed[d.Digest] {
			return verify.Mismatchf("%s lists layer %s, which is inside or which no image needs", deltaName, d.Digest)
		}
	}
	return nil
}

func (t *thinDocker) sorted() (all []v1.Descriptor) {
	for _, d := range t.absent {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return all
}

// refuse is the error for who needs all layers.
func (t *thinDocker) refuse() error {
	if t == nil {
		return nil
	}
	return refuseLeftOut(t.sorted())
}

// refuseLeftOut names layers that are not inside.
func refuseLeftOut(layers []v1.Descriptor) error {
	var names []string
	for _, d := range layers {
		names = append(names, d.Digest.String())
	}
	return fmt.Errorf("%w of this docker tar, which only the Docker engine can load that has them (%d: %s)",
		ErrLeftOut, len(names), shortened(names, ", "))
}

// Lacks returns an error that wraps [ErrLeftOut] if layers of the image were left out, for callers that need
// all of them.
func (s SavedImage) Lacks() error {
	var layers []v1.Descriptor
	for _, a := range s.Absent {
		if a.Reason == image.LeftOut {
			layers = append(layers, a.Descriptor)
		}
	}
	if len(layers) == 0 {
		return nil
	}
	return refuseLeftOut(layers)
}
