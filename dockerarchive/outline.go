package dockerarchive

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/tarfs"
)

// PartFault is a part of an image in a saved tar that is missing or cannot be used.
type PartFault struct {
	Layer  bool          // or else the configuration
	Digest digest.Digest // the image ID or the layer's diff ID; empty if nothing tells it
	Path   string        // as manifest.json has it
	Err    error         // wraps fs.ErrNotExist if the archive has no such entry
}

// Outline is Contents for those who look for faults: it goes on after a part of an image that manifest.json lists is missing or wrong, and tells
// of it in the image. Of a layer the diff ID is empty if no configuration tells it.
func (a *Reader) Outline(ctx context.Context) (*Contents, error) { return a.contents(ctx, true) }

// read returns an image of manifest.json. If it is to be tolerant there is no error.
func (a *Reader) read(item manifestItem, tolerant bool) (SavedImage, error) {
	if tolerant {
		return a.outlined(item), nil
	}
	return a.image(item)
}

func (a *Reader) outlined(item manifestItem) SavedImage {
	var im SavedImage
	diffIDs, err := a.outlinedConfig(item, &im)
	if err != nil {
		im.Faults = append(im.Faults, PartFault{Digest: im.ID, Path: item.Config, Err: err})
	}
	if im.Names, im.Odd, err = fullNames(item.RepoTags); err != nil {
		im.Faults = append(im.Faults, PartFault{Digest: im.ID, Path: item.Config, Err: err})
	}
	for i, p := range item.Layers {
		var id digest.Digest
		if diffIDs != nil {
			id = diffIDs[i]
		}
		content, err := a.tar.Find(p)
		there := a.tar.Has(tarfs.Clean(p))
		switch {
		case err == nil:
			im.Layers = append(im.Layers, SavedLayer{DiffID: id, Path: tarfs.Clean(p), content: content})
		case !there && item.foreign(id):
			im.Absent = append(im.Absent, id)
		case !there:
			im.Faults = append(im.Faults, PartFault{Layer: true, Digest: id, Path: p, Err: fs.ErrNotExist})
		default:
			im.Faults = append(im.Faults, PartFault{Layer: true, Digest: id, Path: p, Err: err})
		}
	}
	return im
}

// outlinedConfig enters the configuration and returns its diff IDs, if it has one for each layer, also if it is not what its name promises.
func (a *Reader) outlinedConfig(item manifestItem, im *SavedImage) ([]digest.Digest, error) {
	promised, named := namedDigest(item.Config)
	if named {
		im.ID = promised
	}
	if !a.tar.Has(tarfs.Clean(item.Config)) {
		return nil, fs.ErrNotExist
	}
	config, err := a.tar.Read(item.Config, image.MaxConfigSize)
	if err != nil {
		return nil, err
	}
	is := digest.FromBytes(config)
	if !named {
		im.ID = is
	}
	var wrong error
	if named && is != promised {
		wrong = fmt.Errorf("the bytes hash to %s: %w", is, ErrIntegrity)
	}
	parsed, err := image.ParseConfig(config)
	if err == nil && len(parsed.RootFS.DiffIDs) != len(item.Layers) {
		err = fmt.Errorf("it has %d diff IDs for %d layers: %w", len(parsed.RootFS.DiffIDs), len(item.Layers), ErrIntegrity)
	}
	if err != nil {
		if wrong == nil {
			wrong = err
		}
		return nil, wrong
	}
	im.Config = config
	return parsed.RootFS.DiffIDs, wrong
}

// foreign reports whether the item says of a layer that it comes from somewhere else, and so need not be in the archive.
func (m manifestItem) foreign(diffID digest.Digest) bool {
	return image.IsForeign(m.LayerSources[diffID].MediaType)
}
