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
	items, err := a.items()
	if err != nil {
		return 0, 0, err
	}
	used := map[string]bool{}
	for _, item := range items {
		a.use(used, item.Config)
		for _, l := range item.Layers {
			a.use(used, l)
		}
	}
	for d := range reached {
		if d.Validate() == nil {
			a.use(used, ociPath(d))
		}
	}
	for name, e := range a.tar.Entries() {
		if e.IsFile() && !used[name] && !ofTheFormat(name) {
			files++
			bytes += e.Size
		}
	}
	return files, bytes, nil
}

// use marks an entry, and those that it leads to if it is a link.
func (a *Reader) use(used map[string]bool, name string) {
	for n := range a.tar.Trail(tarfs.Clean(name)) {
		used[n] = true
	}
}

// ofTheFormat reports whether a file says what the archive is, or is one that Docker puts beside each layer.
func ofTheFormat(name string) bool {
	if dir, base := path.Split(name); dir != "" {
		return base == "VERSION" || base == "json"
	}
	formats := []string{"manifest.json", "repositories", v1.ImageIndexFile, v1.ImageLayoutFile}
	return slices.Contains(formats, name)
}
