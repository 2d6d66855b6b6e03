package dockerarchive

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/dockerv1"
	"drayage/internal/limits"
)

type dockerTar struct {
	documents
	configs, layers []*tarEntry
	known           map[string]bool             // names of configurations and layer directories
	files           map[digest.Digest]*tarEntry // by diff ID: the file that holds a layer
	leftOut         leftOut
	inside          map[digest.Digest]*blob // by diff ID, if something was left out: layers that are not
}

// dockerEntries lists the entries of a docker tar. The JSON files come first, so that a reader of a stream
// knows what follows, then the layers.
func dockerEntries(ctx context.Context, images []*image.Image) ([]*tarEntry, error) {
	t := &dockerTar{documents: newDocuments(), known: map[string]bool{}, files: map[digest.Digest]*tarEntry{}}
	if err := t.leaveOut(ctx, images); err != nil {
		return nil, err
	}
	for _, im := range images {
		if err := t.add(ctx, im); err != nil {
			return nil, err
		}
	}
	all, err := t.documents.entries()
	if err != nil {
		return nil, err
	}
	document, err := t.deltaFile()
	return slices.Concat(all, document, t.configs, t.layers), err
}

func (t *dockerTar) add(ctx context.Context, im *image.Image) error {
	doc := &im.RootNode().Document
	raw, judged, err := dockerConfig(ctx, im)
	if err != nil {
		return err
	}
	if err := tooMany(len(doc.Layers), limits.SavedLayers, "layers in one image"); err != nil {
		return err
	}
	id, config, diffIDs := doc.Config.Digest, judged.Config, judged.DiffIDs
	dirs, err := v1Layers(raw, diffIDs)
	if err != nil {
		return fmt.Errorf("image %s: %w", id, err)
	}
	created := time.Unix(0, 0)
	if config.Created.After(created) {
		created = config.Created.Truncate(time.Second)
	}
	item, top := manifestItem{Config: digest.FromBytes(raw).Encoded() + ".json", Layers: []string{}}, ""
	for i, dir := range dirs {
		top = dir.id
		b := &blob{Descriptor: &doc.Layers[i], source: im.Source, diffID: diffIDs[i], image: id}
		item.Layers = append(item.Layers, t.place(dir, b, created))
	}
	if !t.known[item.Config] {
		t.known[item.Config] = true
		t.configs = append(t.configs, file(item.Config, raw, created))
	}
	names, err := t.claim(im.Names, id)
	if err != nil {
		return err
	}
	return t.documents.add(item, names, top, int64(len(raw)))
}

// dockerConfig reads the configuration of an image that a docker tar can hold.
func dockerConfig(ctx context.Context, im *image.Image) (raw []byte, j image.Judgement, err error) {
	doc := &im.RootNode().Document
	if doc.MayBeImage() {
		if raw, err = image.ReadAll(ctx, im.Source, *doc.Config, image.MaxConfigSize); err != nil {
			return nil, j, err
		}
	}
	switch j = doc.Judge(raw); j.Kind {
	case image.Artifact:
		err = fmt.Errorf("%s is not a container image (%s): only --format oci could carry it: %w",
			im.Root.Digest, doc.About(), image.ErrUnsupported)
	case image.Sealed:
		err = fmt.Errorf("%s cannot be unpacked (%s): only --format oci could carry it: %w",
			im.Root.Digest, j.Why, image.ErrUnsupported)
	}
	return raw, j, err
}

// addLayer adds a layer directory with what Docker writes there. A layer that stands in several directories
// is written once. The others get a link to it, as Docker makes. addLayer returns the name of the file
// itself, for manifest.json: some readers follow no links.
func (t *dockerTar) addLayer(dir v1Layer, b *blob, created time.Time) (name string) {
	content, own := t.files[b.diffID], &tarEntry{name: dir.id, kind: layerDir, modified: created.Unix()}
	if content == nil {
		content, own.blob, own.data = own, b, dir.json
		t.files[b.diffID] = own
	}
	name = content.path()
	if t.known[dir.id] {
		return name
	}
	t.known[dir.id] = true
	if own.beside = content.blob; own != content {
		own.link, own.data = "../"+name, dir.json
	}
	t.layers = append(t.layers, own)
	return name
}

type v1Layer struct {
	id   string // 64 hex digits
	json []byte
}

// v1Layers computes the names and json files of the layer directories as Docker does, base first. Docker's
// names depend on the daemon's time zone: lower layers are dated to 1970 there. Here the zone is UTC.
func v1Layers(config []byte, diffIDs []digest.Digest) ([]v1Layer, error) {
	var top dockerv1.Image
	if json.Unmarshal(config, &top) != nil {
		// Docker reads no more of it than that it is the image's configuration.
		c, err := image.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		top = dockerv1.Image{Created: time.Unix(0, 0).UTC()}
		top.OS, top.Architecture = c.Platform.OS, c.Platform.Architecture
	}
	layers, chain := make([]v1Layer, len(diffIDs)), image.ChainIDs(diffIDs)
	var parent digest.Digest
	for i := range diffIDs {
		im := dockerv1.Image{Created: time.Unix(0, 0).UTC()}
		if i == len(diffIDs)-1 {
			im = top
		}
		id, err := v1ID(im, chain[i], parent)
		if err != nil {
			return nil, err
		}
		im.ID, im.Parent, im.OS = id.Encoded(), "", top.OS
		if parent != "" {
			im.Parent = parent.Encoded()
		}
		raw, err := json.Marshal(im)
		if err != nil {
			return nil, err
		}
		layers[i] = v1Layer{id: id.Encoded(), json: raw}
		parent = id
	}
	return layers, nil
}

// v1ID hashes the json of a layer without its id and with the chain ID. The keys at the top are sorted.
func v1ID(im dockerv1.Image, chain, parent digest.Digest) (digest.Digest, error) {
	im.ID = ""
	raw, err := json.Marshal(im)
	if err != nil {
		return "", err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return "", err
	}
	fields["layer_id"] = json.RawMessage(`"` + chain.String() + `"`)
	if parent != "" {
		fields["parent"] = json.RawMessage(`"` + parent.String() + `"`)
	}
	if raw, err = json.Marshal(fields); err != nil {
		return "", err
	}
	return digest.FromBytes(raw), nil
}
