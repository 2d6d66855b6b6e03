package dockerarchive

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/tarfs"
)

// Survey is [Reader.Contents] for those who look for faults. It goes on after a part of an image that manifest.json lists
// is missing or wrong, and tells of it in the image. A layer has no diff ID if no configuration tells it.
func (a *Reader) Survey(ctx context.Context) (*Contents, error) { return a.contents(ctx, true) }

// read returns an image of manifest.json. If it is to be tolerant there is no error.
func (a *Reader) read(item manifestItem, tolerant bool) (SavedImage, error) {
	if tolerant {
		return a.surveyed(item), nil
	}
	return a.image(item)
}

func (a *Reader) surveyed(item manifestItem) SavedImage {
	var im SavedImage
	diffIDs, err := a.surveyConfig(item, &im)
	if err != nil {
		im.lacks(image.PartConfig, im.ID, item.Config, err)
	}
	if im.Names, im.Odd, err = fullNames(item.RepoTags); err != nil {
		im.lacks(image.PartConfig, im.ID, item.Config, err)
	}
	for i, p := range item.Layers {
		var id digest.Digest
		if diffIDs != nil {
			id = diffIDs[i]
		}
		content, err := a.tar.Find(p)
		if err == nil {
			im.Layers = append(im.Layers, SavedLayer{DiffID: id, Path: tarfs.Clean(p), content: content})
			continue
		}
		if !a.tar.Has(tarfs.Clean(p)) {
			err = fs.ErrNotExist
		}
		absent := im.lacks(image.PartLayer, id, p, err)
		if absent.Reason == image.Missing && item.foreign(id) {
			absent.Reason = image.ForeignLayer
		}
	}
	return im
}

// lacks notes that a part of the image, which ought to be at path, is missing or wrong.
func (im *SavedImage) lacks(part image.Part, d digest.Digest, path string, err error) *image.Absent {
	absent := image.NewFault(part, v1.Descriptor{Digest: d}, err)
	absent.Path = path
	im.Absent = append(im.Absent, absent)
	return &im.Absent[len(im.Absent)-1]
}

// surveyConfig enters the configuration and returns its diff IDs if it has one for each layer. It returns both also if
// the configuration is not what its name promises.
func (a *Reader) surveyConfig(item manifestItem, im *SavedImage) ([]digest.Digest, error) {
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
	if ids, layers := len(parsed.RootFS.DiffIDs), len(item.Layers); err == nil && ids != layers {
		err = fmt.Errorf("it has %d diff IDs for %d layers: %w", ids, layers, ErrIntegrity)
	}
	if err != nil {
		return nil, cmp.Or(wrong, err)
	}
	im.Config = config
	return parsed.RootFS.DiffIDs, wrong
}

// foreign reports whether the item says of a layer that it is a foreign layer, and so need not be in the archive.
func (m manifestItem) foreign(diffID digest.Digest) bool {
	return image.IsForeign(m.LayerSources[diffID].MediaType)
}
