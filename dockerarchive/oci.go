package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/limits"
	"drayage/layout"
)

type ociTar struct {
	documents
	index  []v1.Descriptor
	images []*image.Image // with referrers
	weight weight

	leftOut leftOut

	entered map[[4]string]bool // what distinguishes the entries of index
}

// ociEntries lists the entries of an OCI tar. The JSON files come first, then manifests and configurations,
// so that a reader of a stream knows what follows, then layers. Blobs stand in the order of their digests. If
// something was left out, the delta document is the last of the JSON files.
func ociEntries(ctx context.Context, images []*image.Image) ([]*tarEntry, error) {
	t := &ociTar{documents: newDocuments(), index: []v1.Descriptor{}, entered: map[[4]string]bool{},
		leftOut: leftOut{}}
	t.weight.known = map[digest.Digest]bool{}
	for _, im := range images {
		if err := t.addAll(ctx, im); err != nil {
			return nil, err
		}
	}
	t.entered, t.weight.known = nil, nil // there may be very many, and the lists below take room
	t.documents.sort()
	documents, unwritten := t.documents.entries()
	t.documents = newDocuments()
	blobs, inside := t.blobs()
	thin, document, err := t.leftOut.deltaFile(inside)
	if err != nil {
		return nil, err
	}
	index, err := t.indexJSON(document)
	if err != nil {
		return nil, err
	}
	all := []*tarEntry{
		file(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+v1.ImageLayoutVersion+`"}`), time.Unix(0, 0)),
		file(v1.ImageIndexFile, index, time.Unix(0, 0)),
	}
	if thin != nil {
		documents = append(documents, thin)
	}
	return slices.Concat(all, documents, blobs), unwritten
}

// addAll enters an image and its referrers.
func (t *ociTar) addAll(ctx context.Context, im *image.Image) error {
	labels := im.Names
	if len(labels) == 0 {
		labels = []string{im.Root.Digest.String()}
	}
	add := func(im *image.Image, names []string) error {
		if err := t.add(ctx, im, names); err != nil {
			return err
		}
		return t.leftOut.add(ctx, im, labels)
	}
	err := add(im, im.Names)
	for _, r := range im.Referrers {
		if err == nil {
			err = add(r, append(im.NamesOf(r), r.Names...))
		}
	}
	return err
}

func (t *ociTar) add(ctx context.Context, im *image.Image, names []string) error {
	for _, a := range im.Absent {
		if a.IsFault() {
			return fmt.Errorf("%s: %w", im.Root.Digest, a)
		}
	}
	fresh, err := t.claim(names, im.Root.Digest)
	if err != nil {
		return err
	}
	t.images = append(t.images, im)
	if err := t.weight.carry(im.Graph, max(len(names), 1)); err != nil {
		return err
	}
	root, err := im.Entry(ctx, im.Source)
	if err != nil {
		return err
	}
	if t.addRoot(im, root, names); len(t.index) > limits.Images {
		return tooMany(len(t.index), limits.Images, "names")
	}
	if im.Subject != "" {
		return nil
	}
	return t.addItem(ctx, im, fresh)
}

// addRoot enters the image into index.json, once for each name, or else with its tag. Mostly it has no
// platform: ctr leaves out what is for another platform than its own.
func (t *ociTar) addRoot(im *image.Image, root v1.Descriptor, names []string) {
	enter := func(annotations map[string]string) {
		d := root
		if im.Subject != "" {
			annotations[layout.AnnotationSubject] = im.Subject.String()
		}
		d.Annotations = annotations
		t.addEntry(d)
	}
	switch {
	case len(names) == 0 && im.Tag == "":
		enter(map[string]string{})
	case len(names) == 0:
		enter(map[string]string{v1.AnnotationRefName: im.Tag})
	}
	for _, n := range names {
		annotations := map[string]string{layout.AnnotationName: n}
		if _, tag, _ := splitName(n); tag != "" {
			annotations[v1.AnnotationRefName] = tag
		}
		enter(annotations)
	}
}

func (t *ociTar) addEntry(d v1.Descriptor) {
	key := [4]string{d.Digest.String(), d.Annotations[layout.AnnotationName],
		d.Annotations[layout.AnnotationSubject], d.Annotations[v1.AnnotationRefName]}
	if !t.entered[key] {
		t.entered[key] = true
		t.index = append(t.index, d)
	}
}

// indexJSON is index.json. document is the digest of the delta document, if there is one.
func (t *ociTar) indexJSON(document digest.Digest) ([]byte, error) {
	slices.SortStableFunc(t.index, func(a, b v1.Descriptor) int {
		order := cmp.Compare(a.Annotations[layout.AnnotationName], b.Annotations[layout.AnnotationName])
		order = cmp.Or(order, cmp.Compare(a.Digest, b.Digest))
		for _, key := range []string{layout.AnnotationSubject, v1.AnnotationRefName} {
			order = cmp.Or(order, cmp.Compare(a.Annotations[key], b.Annotations[key]))
		}
		return order
	})
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: t.index}
	index.SchemaVersion = 2
	if document != "" {
		index.Annotations = map[string]string{delta.Annotation: document.String()}
	}
	return json.Marshal(index)
}

// addItem enters into manifest.json the one platform of the image that engines get which read only that.
func (t *ociTar) addItem(ctx context.Context, im *image.Image, names []string) error {
	n, err := loadable(ctx, im)
	if err != nil || n == nil {
		return err
	}
	layers, top := n.Document.Layers, ""
	item := manifestItem{Config: ociPath(n.Document.Config.Digest), Layers: []string{}}
	for _, l := range layers {
		item.Layers = append(item.Layers, ociPath(l.Digest))
		top = l.Digest.Encoded()
	}
	config := int64(0)
	if im.Uncompressed {
		item.LayerSources, config = uncompressed(layers), n.Document.Config.Size
	}
	return t.documents.add(item, names, top, config)
}

// loadable chooses the default platform of an image, else the first. Without a container image it is nil.
func loadable(ctx context.Context, im *image.Image) (*image.Node, error) {
	var nodes []*image.Node
	var have []v1.Platform
	for i := range im.Manifests {
		n := &im.Manifests[i]
		if !n.Document.MayBeImage() {
			continue
		}
		raw, err := image.ReadAll(ctx, im.Source, *n.Document.Config, image.MaxConfigSize)
		if err != nil {
			return nil, err
		}
		if n.Document.Judge(raw).Kind != image.Container {
			continue
		}
		config, err := image.ParseConfig(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Document.Config.Digest, err)
		}
		if _, err := config.DiffIDs(len(n.Document.Layers)); err == nil && config.Platform.OS != "unknown" {
			nodes, have = append(nodes, n), append(have, config.Platform)
		}
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	return nodes[max(image.BestPlatform(image.DefaultPlatform(), have), 0)], nil
}

// blobs lists the manifests and configurations of all images, and then all other blobs that are there, and
// the patches of others. inside has the digests of all of these.
func (t *ociTar) blobs() (all []*tarEntry, inside map[digest.Digest]bool) {
	inside = map[digest.Digest]bool{}
	var small, large []*tarEntry
	add := func(to *[]*tarEntry, d *v1.Descriptor, src image.Source) {
		if !inside[d.Digest] {
			inside[d.Digest] = true
			*to = append(*to, blobFile("", &blob{Descriptor: d, source: src}, time.Unix(0, 0)))
		}
	}
	for _, im := range t.images {
		for i := range im.Manifests {
			n := &im.Manifests[i]
			add(&small, &n.Descriptor, im.Source)
			if c := n.Document.Config; c != nil {
				add(&small, c, im.Source)
			}
		}
	}
	for _, im := range t.images {
		blobs := im.Travelling()
		for i := range blobs {
			add(&large, &blobs[i], im.Source)
		}
	}
	for _, o := range t.leftOut.patched(inside) {
		for _, part := range o.rebuilt.Parts() {
			add(&large, &part, o.source)
		}
	}
	byDigest := func(a, b *tarEntry) int { return cmp.Compare(a.blob.Digest, b.blob.Digest) }
	slices.SortFunc(small, byDigest)
	slices.SortFunc(large, byDigest)
	return append(small, large...), inside
}

func ociPath(d digest.Digest) string {
	return v1.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}
