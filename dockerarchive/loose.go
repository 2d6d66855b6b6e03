package dockerarchive

import (
	"archive/tar"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Loose counts the files that no image leads to, with their sizes: none of what manifest.json names, or links to, and none of the blobs that are
// reached. The small files that belong to a format are not counted, nor is anything in an archive without manifest.json and index.json.
func (a *Reader) Loose(reached map[digest.Digest]bool) (files int, bytes int64, err error) {
	if !a.has("manifest.json") && !a.has(v1.ImageIndexFile) {
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
	for name, s := range a.every() {
		if (s.kind == tar.TypeReg || s.kind == tar.TypeGNUSparse) && !used[name] && !ofTheFormat(name) {
			files++
			bytes += s.size
		}
	}
	return files, bytes, nil
}

// use marks an entry, and those that it leads to if it is a link.
func (a *Reader) use(used map[string]bool, name string) {
	name = clean(name)
	for range maxLinks {
		used[name] = true
		isLink := false
		for s := range a.all(name) {
			if isLink = s.kind == tar.TypeSymlink || s.kind == tar.TypeLink; isLink {
				name = a.target(name, s)
				break
			}
		}
		if !isLink {
			return
		}
	}
}

// ofTheFormat reports whether a file says what the archive is, or is one of those that Docker has put beside each layer since its first version.
func ofTheFormat(name string) bool {
	if dir, base := path.Split(name); dir != "" {
		return base == "VERSION" || base == "json"
	}
	return slices.Contains([]string{"manifest.json", "repositories", v1.ImageIndexFile, v1.ImageLayoutFile}, name)
}
