package dockerarchive

import (
	"cmp"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
)

// tooMany is the error of a writer about an archive that no reader here would take. It is nil if n is within
// the limit.
func tooMany[N int | int64](n, limit N, what string) error {
	if n <= limit {
		return nil
	}
	return fmt.Errorf("the archive would have %d %s, and its readers accept %d: "+
		"save its images to several files", n, what, limit)
}

// fit says whether readers accept so many entries, and so large descriptions of images.
func fit(entries []*tarEntry) error {
	files, names := 0, 0
	for _, e := range entries {
		e.files(func(f tarEntry) bool {
			files++
			names += len(f.name) + len(f.link)
			return true
		})
		if e.name != "manifest.json" && e.name != v1.ImageIndexFile {
			continue
		}
		err := cmp.Or(tooMany(len(e.data), limits.ArchiveJSON, "bytes in "+e.name),
			tooMany(jsonkeys.Values(e.data), limits.Values, "values in "+e.name))
		if err != nil {
			return err
		}
	}
	return cmp.Or(tooMany(files, limits.Entries, "entries"),
		tooMany(names, limits.EntryNames, "bytes in the names of its entries"))
}

// weight is what an image makes those hold who read it from a layout.
type weight struct {
	leaves, parts int
	bytes         int64 // of manifests, each once
	known         map[digest.Digest]bool
}

// carry adds an image with so many entries in index.json.
func (w *weight) carry(g *image.Graph, entries int) error {
	leaves, parts := 1, len(g.Blobs)
	for _, n := range g.Manifests {
		leaves += len(n.Document.Manifests)
		parts += 1 + len(n.Document.Layers)
		if !w.known[n.Descriptor.Digest] {
			w.known[n.Descriptor.Digest] = true
			w.bytes += n.Descriptor.Size
		}
	}
	w.leaves += leaves * entries
	w.parts += (leaves + parts) * entries
	return cmp.Or(tooMany(w.leaves, limits.AllLeaves, "manifests, counted for each name"),
		tooMany(w.parts, limits.AllParts, "manifests and layers, counted for each name"),
		tooMany(w.bytes, limits.AllHeld, "bytes of manifests"))
}
