package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
)

// Images lists the images of the archive in the order of its manifest.json. Configurations are checked
// against their names, layers are only looked up. An archive without a manifest.json may be a v1 archive:
// then Images reads all layers to learn their diff IDs, and makes the configurations that Docker makes.
func (a *Reader) Images(ctx context.Context) ([]SavedImage, error) { return a.images(ctx, false) }

// Survey is [Reader.Contents] for those who look for faults. Where an image that manifest.json lists is not
// whole, Survey does not fail but enters the fault into Absent of the image. A layer has no diff ID if no
// configuration tells it.
func (a *Reader) Survey(ctx context.Context) (*Contents, error) { return a.contents(ctx, true) }

func (a *Reader) images(ctx context.Context, tolerant bool) ([]SavedImage, error) {
	if !a.tar.Has("manifest.json") {
		if dirs := a.v1Dirs(""); len(dirs) > 0 && !a.tar.Has("oci-layout") {
			return a.v1Images(ctx, dirs)
		}
		return nil, fmt.Errorf("%w%s", ErrNotImage, a.what())
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, verify.Mismatchf("manifest.json lists no image")
	}
	thin, err := a.thinDocker()
	if err != nil {
		return nil, err
	}
	images, err := collect(len(items), func(i int) (SavedImage, error) {
		im, err := a.read(items[i], thin, tolerant)
		if err != nil {
			err = fmt.Errorf("image %d of %d: %w", i+1, len(items), err)
		}
		return im, err
	})
	if err == nil {
		err = thin.confirm()
	}
	if err == nil && !tolerant {
		err = cmp.Or(thin.refuse(), a.checkPaths(images))
	}
	return images, err
}

// collect reads n images. It bounds what their configurations take.
func collect(n int, read func(i int) (SavedImage, error)) ([]SavedImage, error) {
	var images []SavedImage
	held := 0
	for i := range n {
		im, err := read(i)
		if err != nil {
			return nil, err
		}
		if held += len(im.Config); held > limits.Configs {
			return nil, tooLarge(n)
		}
		images = append(images, im)
	}
	return images, nil
}

func tooLarge(count int) error {
	return fmt.Errorf("the configurations of %d images take more than %d bytes", count, limits.Configs)
}

// items reads manifest.json, which may be absent.
func (a *Reader) items() ([]manifestItem, error) {
	if !a.tar.Has("manifest.json") {
		return nil, nil
	}
	raw, err := a.readJSON("manifest.json", limits.ArchiveJSON)
	if err != nil {
		return nil, err
	}
	var items []manifestItem
	err = json.Unmarshal(raw, &items)
	switch {
	case errors.As(err, new(*json.UnmarshalTypeError)) && a.tar.Has("version"):
		return nil, fmt.Errorf("%w: it is a directory of skopeo's (dir:): "+
			"copy it with skopeo to oci-archive: first", ErrNotImage)
	case errors.As(err, new(*json.UnmarshalTypeError)):
		return nil, fmt.Errorf("%w: its manifest.json is no list of images, as docker save writes it", ErrNotImage)
	case err != nil:
		return nil, verify.Mismatchf("manifest.json: %v", err)
	case len(items) > limits.Images:
		return nil, verify.Mismatchf("manifest.json lists more than %d images", limits.Images)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, verify.Mismatchf("manifest.json is ambiguous: %v", err)
	}
	return merged(items), nil
}

// merged brings together items that have the same configuration and layers: they are one image. It gets all
// their names.
func merged(items []manifestItem) (each []manifestItem) {
	at, named := map[[2]string]int{}, map[[3]string]bool{}
	for _, item := range items {
		layers := digest.FromString(strings.Join(item.Layers, "\x00")).String()
		i, known := at[[2]string{item.Config, layers}]
		if !known {
			i = len(each)
			at[[2]string{item.Config, layers}] = i
			each = append(each, manifestItem{item.Config, nil, item.Layers, item.LayerSources})
		}
		for _, n := range item.RepoTags {
			if name := [3]string{item.Config, layers, n}; !named[name] {
				named[name] = true
				each[i].RepoTags = append(each[i].RepoTags, n)
			}
		}
	}
	return each
}

// read returns the image of an item. What is missing or wrong is an error, or if tolerant, in Absent.
func (a *Reader) read(item manifestItem, thin *thinDocker, tolerant bool) (SavedImage, error) {
	var im SavedImage
	diffIDs, err := a.readConfig(item, &im)
	if err != nil {
		im.lacks(image.PartConfig, im.ID, item.Config, a.reason(item.Config), err)
	}
	im.Names, im.Odd = fullNames(item.RepoTags)
	a.findLayers(item, diffIDs, &im)
	im.diffIDs = diffIDs
	thin.explain(&im)
	if faults := which(im.Absent, image.Absent.IsFault); len(faults) > 0 && !tolerant {
		first := faults[0]
		return im, fmt.Errorf("%s %q: %w", first.Part, first.Path, first.Err)
	}
	return im, nil
}

// findLayers enters the layers. Their diff IDs are nil if no configuration tells them.
func (a *Reader) findLayers(item manifestItem, diffIDs []digest.Digest, im *SavedImage) {
	for i, p := range item.Layers {
		var id digest.Digest
		if diffIDs != nil {
			id = diffIDs[i]
		}
		content, err := a.tar.Find(p)
		if err == nil {
			im.Layers = append(im.Layers, SavedLayer{id, tarfs.Clean(p), content, &a.known})
			continue
		}
		reason := a.reason(p)
		if reason == image.Missing && image.IsForeign(item.LayerSources[id].MediaType) {
			reason = image.ForeignLayer
		}
		im.lacks(image.PartLayer, id, p, reason, err)
	}
}

func (im *SavedImage) lacks(part image.Part, d digest.Digest, path string, reason image.Reason, err error) {
	im.Absent = append(im.Absent,
		image.Absent{Part: part, Descriptor: v1.Descriptor{Digest: d}, Path: path, Reason: reason, Err: err})
}

func (a *Reader) reason(path string) image.Reason {
	if a.tar.Has(tarfs.Clean(path)) || a.tar.Fault() != nil {
		return image.Damaged
	}
	return image.Missing
}

// readConfig enters the configuration and returns its diff IDs, even if its name promises another digest.
func (a *Reader) readConfig(item manifestItem, im *SavedImage) ([]digest.Digest, error) {
	promised, named := namedDigest(item.Config)
	if named {
		im.ID = promised
	}
	config, err := a.tar.Read(item.Config, image.MaxConfigSize)
	if err != nil {
		return nil, err
	}
	var wrong error
	if is := digest.FromBytes(config); !named {
		im.ID = is
	} else if found := promised.Algorithm().FromBytes(config); found != promised {
		wrong = verify.Mismatchf("the bytes hash to %s", found)
	} else {
		im.ID = is // whatever the algorithm of the name: engines show this one
	}
	parsed, err := image.ParseConfig(config)
	var diffIDs []digest.Digest
	if err == nil {
		diffIDs, err = parsed.DiffIDs(len(item.Layers))
	}
	if err != nil {
		return nil, cmp.Or(wrong, verify.Mismatchf("%w", err))
	}
	im.Config = config
	return diffIDs, wrong
}

// checkPaths refuses archives in which one file is two different layers.
func (a *Reader) checkPaths(images []SavedImage) error {
	used := map[string]digest.Digest{}
	for _, im := range images {
		for _, l := range im.Layers {
			if other, ok := used[l.Path]; ok && other != l.DiffID {
				return verify.Mismatchf("archive is contradictory: layer %q is said to be %s and %s",
					l.Path, other, l.DiffID)
			}
			used[l.Path] = l.DiffID
		}
	}
	return nil
}

// Unreferenced counts the files that no image leads to, and their bytes. It does not count what manifest.json
// names or links to, blobs that are reached, and the small files of the format. In an archive with neither
// manifest.json nor index.json it counts nothing.
func (a *Reader) Unreferenced(reached map[digest.Digest]bool) (files int, bytes int64, err error) {
	if !a.tar.Has("manifest.json") && !a.tar.Has(v1.ImageIndexFile) {
		return 0, 0, nil
	}
	used, err := a.used(reached)
	if err != nil {
		return 0, 0, err
	}
	for name, e := range a.tar.Entries() {
		if e.IsFile() && !used[name] && !ofTheFormat(name) {
			files++
			bytes += e.Size
		}
	}
	return files, bytes, nil
}

// used lists what manifest.json names, the blobs, and what any of these lead to as links.
func (a *Reader) used(blobs map[digest.Digest]bool) (map[string]bool, error) {
	items, err := a.items()
	var names []string
	for _, item := range items {
		names = append(append(names, item.Config), item.Layers...)
	}
	for d := range blobs {
		if d.Validate() == nil {
			names = append(names, ociPath(d))
		}
	}
	used := map[string]bool{}
	for _, name := range names {
		for n := range a.tar.Trail(tarfs.Clean(name)) {
			used[n] = true
		}
	}
	return used, err
}

// ofTheFormat reports whether a file says what the archive is, or is one that Docker puts beside each layer.
func ofTheFormat(name string) bool {
	if dir, base := path.Split(name); dir != "" {
		return base == "VERSION" || base == "json"
	}
	formats := []string{"manifest.json", "repositories", deltaName, v1.ImageIndexFile, v1.ImageLayoutFile}
	return slices.Contains(formats, name)
}
