package dockerarchive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/jsonkeys"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
)

// maxName bounds the name of an image: it is less than 256 bytes without registry and tag. Parsing one of
// megabytes takes seconds.
const maxName = 1024

// SavedImage is an image in a saved tar.
type SavedImage struct {
	ID     digest.Digest // of Config: what docker images shows
	Config []byte        // as it stands in the archive
	Names  []string      // full names with tags; none if it was saved by its ID
	Odd    []string      // NAME:sha256:HEX, which docker-drag writes among the names and which are none
	Layers []SavedLayer  // base first

	// Absent is set by [Reader.Survey] alone. It has all parts that are missing or wrong, and foreign layers.
	Absent []image.Absent
}

// faulty reports whether a part is absent that ought to be there.
func (s SavedImage) faulty() bool { return slices.ContainsFunc(s.Absent, image.Absent.IsFault) }

// SavedLayer is a layer in a saved tar.
type SavedLayer struct {
	DiffID  digest.Digest // what its uncompressed content must hash to; not verified
	Path    string        // in the archive
	content *tarfs.File
}

// Open returns the layer as it is stored, compressed or not. It may be called any number of times and
// concurrently.
func (l SavedLayer) Open() *io.SectionReader { return l.content.Open() }

// Size is the number of bytes stored.
func (l SavedLayer) Size() int64 { return l.content.Entry().Size }

// Images lists the images of the archive in the order of its manifest.json. Configurations are checked
// against their names, layers are only looked up. An archive without a manifest.json may be a v1 archive:
// then Images reads all layers to learn their diff IDs, and makes the configurations that Docker makes.
func (a *Reader) Images(ctx context.Context) ([]SavedImage, error) { return a.images(ctx, false) }

func (a *Reader) images(ctx context.Context, tolerant bool) ([]SavedImage, error) {
	if !a.tar.Has("manifest.json") {
		return a.withoutManifest(ctx)
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, verify.Mismatchf("manifest.json lists no image")
	}
	images, err := collect(len(items), func(i int) (SavedImage, error) {
		im, err := a.read(items[i], tolerant)
		if err != nil {
			err = fmt.Errorf("image %d of %d: %w", i+1, len(items), err)
		}
		return im, err
	})
	if err == nil && !tolerant {
		err = a.checkPaths(images)
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
		if held += len(im.Config); held > maxConfigs {
			return nil, tooLarge(n)
		}
		images = append(images, im)
	}
	return images, nil
}

func tooLarge(count int) error {
	return fmt.Errorf("the configurations of %d images take more than %d bytes", count, maxConfigs)
}

// items reads manifest.json, which may be absent.
func (a *Reader) items() ([]manifestItem, error) {
	if !a.tar.Has("manifest.json") {
		return nil, nil
	}
	raw, err := a.readJSON("manifest.json", maxManifestJSON)
	if err != nil {
		return nil, err
	}
	var items []manifestItem
	err = json.Unmarshal(raw, &items)
	switch {
	case errors.As(err, new(*json.UnmarshalTypeError)) && a.tar.Has("version"):
		return nil, fmt.Errorf("%w: it is a directory of skopeo's (dir:): copy it with skopeo to oci-archive: first",
			ErrNotImage)
	case errors.As(err, new(*json.UnmarshalTypeError)):
		return nil, fmt.Errorf("%w: its manifest.json is no list of images, as docker save writes it", ErrNotImage)
	case err != nil:
		return nil, verify.Mismatchf("manifest.json: %v", err)
	case len(items) > maxImages:
		return nil, verify.Mismatchf("manifest.json lists more than %d images", maxImages)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, verify.Mismatchf("manifest.json is ambiguous: %v", err)
	}
	return items, nil
}

func (a *Reader) withoutManifest(ctx context.Context) ([]SavedImage, error) {
	if !a.tar.Has("oci-layout") {
		if dirs := a.v1Dirs(""); len(dirs) > 0 {
			return a.v1Images(ctx, dirs)
		}
	}
	return nil, a.noImage()
}

func (a *Reader) image(item manifestItem) (SavedImage, error) {
	var im SavedImage
	config, err := a.tar.Read(item.Config, image.MaxConfigSize)
	if err != nil {
		return im, fmt.Errorf("configuration: %w", err)
	}
	im.ID, im.Config = digest.FromBytes(config), config
	if want, ok := namedDigest(item.Config); ok && want != im.ID {
		return im, fmt.Errorf("configuration %q hashes to %s: %w", item.Config, im.ID, ErrIntegrity)
	}
	parsed, err := image.ParseConfig(config)
	if err != nil {
		return im, verify.Mismatchf("%w", err)
	}
	if len(parsed.RootFS.DiffIDs) != len(item.Layers) {
		return im, verify.Mismatchf("%s has %d layers but %d diff IDs",
			im.ID, len(item.Layers), len(parsed.RootFS.DiffIDs))
	}
	for i, p := range item.Layers {
		content, err := a.tar.Find(p)
		if err != nil {
			return im, fmt.Errorf("%s, layer %d: %w", im.ID, i+1, err)
		}
		im.Layers = append(im.Layers, SavedLayer{parsed.RootFS.DiffIDs[i], tarfs.Clean(p), content})
	}
	im.Names, im.Odd, err = fullNames(item.RepoTags)
	return im, err
}

// namedDigest reads the digest that the name of a configuration promises, in the ways it is written: as the
// stem of a .json file, as sha256:hex, or as the name of a blob.
func namedDigest(name string) (digest.Digest, bool) {
	stem := strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:")
	d := digest.NewDigestFromEncoded(digest.SHA256, stem)
	return d, d.Validate() == nil
}

// fullNames reads RepoTags. Two writers put there what is no name: an empty one is the newline at the end of
// a file of old rules_oci, and odd is what docker-drag makes of a digest.
func fullNames(tags []string) (names, odd []string, err error) {
	seen := map[string]bool{}
	for _, t := range tags {
		if t == "" {
			continue
		}
		_, hex, ok := strings.Cut(t, ":sha256:")
		if ok && digest.NewDigestFromEncoded(digest.SHA256, hex).Validate() == nil {
			odd = append(odd, t)
			continue
		}
		ref, err := reference.ParseNormalizedNamed(t[:min(len(t), maxName)])
		if len(t) > maxName {
			err = fmt.Errorf("it has more than %d bytes", maxName)
		}
		if err != nil {
			return nil, nil, verify.Mismatchf("invalid name %.200q: %v", t, err)
		}
		if n := reference.TagNameOnly(ref).String(); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names, odd, nil
}

// checkPaths refuses archives in which one file is said to be two different layers.
func (a *Reader) checkPaths(images []SavedImage) error {
	used := map[string]digest.Digest{}
	for _, im := range images {
		for _, l := range im.Layers {
			if other, ok := used[l.Path]; ok && other != l.DiffID {
				return fmt.Errorf("archive is contradictory: layer %q is said to be %s and %s: %w",
					l.Path, other, l.DiffID, ErrIntegrity)
			}
			used[l.Path] = l.DiffID
		}
	}
	return nil
}

// Compression tells from the layer's first bytes how it is stored: "none", "gzip", "zstd", "bzip2" or "xz".
func (l SavedLayer) Compression() (string, error) {
	prefix := make([]byte, compression.PeekSize)
	n, err := l.Open().ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return compression.Detect(prefix[:n]), nil
}
