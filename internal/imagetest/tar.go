package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Entry is an entry of a tar.
type Entry struct {
	Name string
	Body string
	Type byte   // 0 means a regular file
	Link string // where a link leads
}

// Files are regular files in the order of their names.
func Files(content map[string]string) (all []Entry) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		all = append(all, Entry{Name: name, Body: content[name]})
	}
	return all
}

// Tar makes a tar of files. It has the same bytes for the same files.
func Tar(files map[string]string) []byte { return Pack(Files(files)...) }

// Pack makes a tar of entries.
func Pack(entries ...Entry) []byte {
	var b bytes.Buffer
	PackTo(&b, entries...)
	return b.Bytes()
}

// PackTo writes a tar of entries.
func PackTo(to io.Writer, entries ...Entry) {
	w := tar.NewWriter(to)
	for _, e := range entries {
		h := &tar.Header{Name: e.Name, Mode: 0o644, Typeflag: e.Type, Linkname: e.Link, Size: int64(len(e.Body))}
		switch h.Typeflag {
		case 0:
			h.Typeflag = tar.TypeReg
		case tar.TypeXGlobalHeader:
			h = &tar.Header{Typeflag: h.Typeflag, PAXRecords: map[string]string{"comment": "a commit"}}
		}
		must(w.WriteHeader(h))
		_, err := io.WriteString(w, e.Body)
		must(err)
	}
	must(w.Close())
}

// Saved is an image of a docker tar.
type Saved struct {
	Config []byte
	Names  []string
	Layers [][]byte // base first
}

// Entries are the entries of a docker tar in the order in which docker save writes them: the layers, each
// once, the configuration, and manifest.json at the end. A layer is called layerN/layer.tar, with N from 0.
func Entries(images ...Saved) (all []Entry) {
	type item struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var items []item
	layers := map[string]string{} // content -> name
	for _, im := range images {
		it := item{Config: digest.FromBytes(im.Config).Encoded() + ".json", RepoTags: im.Names}
		for _, l := range im.Layers {
			name, known := layers[string(l)]
			if !known {
				name = fmt.Sprintf("layer%d/layer.tar", len(layers))
				layers[string(l)] = name
				all = append(all, Entry{Name: name, Body: string(l)})
			}
			it.Layers = append(it.Layers, name)
		}
		all = append(all, Entry{Name: it.Config, Body: string(im.Config)})
		items = append(items, it)
	}
	return append(all, Entry{Name: "manifest.json", Body: string(Encode(items))})
}
