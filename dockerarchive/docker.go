package dockerarchive

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
)

// dockerTar gathers the entries of a tar in Docker's format.
type dockerTar struct {
	documents
	configs, layers []*tarEntry
	known           map[digest.Digest]bool      // IDs of the images that are there
	files           map[digest.Digest]*tarEntry // by diff ID: the file that holds a layer
	dirs            map[string]bool             // IDs of the layer directories that are there
}

// dockerEntries lists the entries of a docker tar. The JSON files come first, so that a reader of a stream
// knows what follows, then the layers.
func dockerEntries(ctx context.Context, images []*image.Image) ([]*tarEntry, error) {
	t := &dockerTar{
		documents: newDocuments(),
		known:     map[digest.Digest]bool{}, files: map[digest.Digest]*tarEntry{}, dirs: map[string]bool{},
	}
	for _, im := range images {
		if err := t.add(ctx, im); err != nil {
			return nil, err
		}
	}
	all, err := t.documents.entries()
	return slices.Concat(all, t.configs, t.layers), err
}

func (t *dockerTar) add(ctx context.Context, im *image.Image) error {
	if len(im.Absent) > 0 {
		return fmt.Errorf("%s: %w", im.Root.Digest, im.Absent[0])
	}
	doc := &im.RootNode().Document
	raw, err := dockerConfig(ctx, im)
	if err != nil {
		return err
	}
	id := doc.Config.Digest
	config, err := image.ParseConfig(raw)
	if err != nil {
		return fmt.Errorf("image %s: %w", id, err)
	}
	diffIDs, err := config.DiffIDs(len(doc.Layers))
	if err != nil {
		return fmt.Errorf("image %s: %w: %w", id, err, image.ErrUnsupported)
	}
	dirs, err := v1Layers(raw, diffIDs)
	if err != nil {
		return fmt.Errorf("image %s: %w", id, err)
	}
	created := time.Unix(0, 0)
	if config.Created.After(created) {
		created = config.Created.Truncate(time.Second)
	}
	item, top := manifestItem{Config: id.Encoded() + ".json", Layers: []string{}}, ""
	for i, dir := range dirs {
		top = dir.id
		b := &blob{Descriptor: doc.Layers[i], source: im.Source, diffID: diffIDs[i], image: id}
		item.Layers = append(item.Layers, t.addLayer(dir, b, created))
	}
	if !t.known[id] {
		t.known[id] = true
		t.configs = append(t.configs, file(item.Config, raw, created))
	}
	names, err := t.claim(im.Names, id)
	t.documents.add(item, names, top)
	return err
}

// dockerConfig reads the configuration of an image that a docker tar can hold.
func dockerConfig(ctx context.Context, im *image.Image) (raw []byte, err error) {
	doc := &im.RootNode().Document
	if doc.MayBeImage() {
		if raw, err = image.ReadAll(ctx, im.Source, *doc.Config, image.MaxConfigSize); err != nil {
			return nil, err
		}
	}
	switch j := doc.Judge(raw); j.Kind {
	case image.Artifact:
		kind := doc.MediaType
		if doc.Config != nil {
			kind = doc.Config.MediaType
		}
		return nil, fmt.Errorf("%s is not a container image (%s): only --format oci could carry it: %w",
			im.Root.Digest, kind, image.ErrUnsupported)
	case image.Sealed:
		return nil, fmt.Errorf("%s cannot be unpacked (%s): only --format oci could carry it: %w",
			im.Root.Digest, j.Why, image.ErrUnsupported)
	}
	return raw, nil
}

// addLayer adds a layer directory with what Docker writes there. A layer that stands in several directories
// is written once. The others get a link to it, as Docker makes. addLayer returns the name of the file
// itself, for manifest.json: some readers follow no links.
func (t *dockerTar) addLayer(dir v1Layer, b *blob, created time.Time) (name string) {
	content := t.files[b.diffID]
	if content == nil {
		content = blobFile(dir.id+"/layer.tar", b, created)
		t.files[b.diffID] = content
	}
	name, b = content.header.Name, content.blob
	if t.dirs[dir.id] {
		return name
	}
	t.dirs[dir.id] = true
	if name != dir.id+"/layer.tar" {
		content = link(dir.id+"/layer.tar", "../"+name, created)
	}
	for _, e := range []*tarEntry{
		directory(dir.id+"/", created),
		file(dir.id+"/VERSION", []byte("1.0"), created),
		file(dir.id+"/json", dir.json, created),
		content,
	} {
		e.beside = b
		t.layers = append(t.layers, e)
	}
	return name
}
