package dockerarchive

import (
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/tarfs"
)

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

// used lists the entries that manifest.json names, those of blobs, and those that any of them lead to as
// links.
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
	formats := []string{"manifest.json", "repositories", v1.ImageIndexFile, v1.ImageLayoutFile}
	return slices.Contains(formats, name)
}
