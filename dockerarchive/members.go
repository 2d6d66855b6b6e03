package dockerarchive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// member is a tar entry: its header, and where its content comes from.
type member struct {
	header tar.Header
	data   []byte
	layer  *layer // content of a layer.tar
}

// manifestItem is an image in manifest.json.
type manifestItem struct {
	Config   string
	RepoTags []string
	Layers   []string

	LayerSources layerSources `json:",omitempty"`
}

// members lists the archive's entries. The JSON files come first, so that a reader of a stream knows what
// follows; then the layers, those of unknown size last. The order depends on the images and nothing else.
func (c *contents) members() ([]*member, error) {
	index, err := c.manifestJSON()
	if err != nil {
		return nil, err
	}
	all := []*member{file("manifest.json", index, time.Unix(0, 0))}
	repositories, err := c.repositoriesJSON()
	if err != nil {
		return nil, err
	}
	if repositories != nil {
		all = append(all, file("repositories", repositories, time.Unix(0, 0)))
	}
	for _, p := range c.images {
		all = append(all, file(p.id.Encoded()+".json", p.config, p.created))
	}
	early, late := c.layerMembers()
	return append(append(all, early...), late...), nil
}

// layerMembers lists, for each layer directory, the entries that docker writes. A layer that stands in
// several directories is written once; the others get a link to it, as docker makes.
func (c *contents) layerMembers() (early, late []*member) {
	byDiffID := map[digest.Digest]*layer{}
	for _, l := range c.layers {
		byDiffID[l.diffID] = l
	}
	written := map[string]bool{}
	paths := c.layerPaths()
	for _, p := range c.images {
		for i, dir := range p.v1 {
			if written[dir.id] {
				continue
			}
			written[dir.id] = true
			l, name := byDiffID[p.diffIDs[i]], dir.id+"/layer.tar"
			all := []*member{
				directory(dir.id+"/", p.created),
				file(dir.id+"/VERSION", []byte("1.0"), p.created),
				file(dir.id+"/json", dir.json, p.created),
			}
			if first := paths[l.diffID]; first != name {
				all = append(all, link(name, "../"+first, p.created))
			} else {
				all = append(all, &member{header: header(name, tar.TypeReg, 0o644, p.created), layer: l})
			}
			if l.late {
				late = append(late, all...)
			} else {
				early = append(early, all...)
			}
		}
	}
	return early, late
}

// layerPaths tells in which file each layer is found: the first directory it stands in.
func (c *contents) layerPaths() map[digest.Digest]string {
	paths := map[digest.Digest]string{}
	for _, p := range c.images {
		for i, id := range p.diffIDs {
			if paths[id] == "" {
				paths[id] = p.v1[i].id + "/layer.tar"
			}
		}
	}
	return paths
}

// manifestJSON refers to regular files only, never to the links: some readers follow none.
func (c *contents) manifestJSON() ([]byte, error) {
	paths := c.layerPaths()
	var items []manifestItem
	for _, p := range c.images {
		item := manifestItem{Config: p.id.Encoded() + ".json", RepoTags: p.names, Layers: []string{}}
		for _, id := range p.diffIDs {
			item.Layers = append(item.Layers, paths[id])
		}
		items = append(items, item)
	}
	return encode(items)
}

// repositoriesJSON is nil if no image has a name.
func (c *contents) repositoriesJSON() ([]byte, error) {
	repositories := map[string]map[string]string{}
	for _, p := range c.images {
		for _, n := range p.names {
			name, tag, err := splitName(n)
			if err != nil {
				return nil, err
			}
			if len(p.v1) == 0 {
				continue
			}
			if repositories[name] == nil {
				repositories[name] = map[string]string{}
			}
			repositories[name][tag] = p.v1[len(p.v1)-1].id
		}
	}
	if len(repositories) == 0 {
		return nil, nil
	}
	return encode(repositories)
}

// encode writes JSON with a final newline, as docker does.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func header(name string, kind byte, mode int64, t time.Time) tar.Header {
	return tar.Header{Name: name, Typeflag: kind, Mode: mode, ModTime: t}
}

func file(name string, data []byte, t time.Time) *member {
	h := header(name, tar.TypeReg, 0o644, t)
	h.Size = int64(len(data))
	return &member{header: h, data: data}
}

func directory(name string, t time.Time) *member {
	return &member{header: header(strings.TrimSuffix(name, "/")+"/", tar.TypeDir, 0o755, t)}
}

func link(name, target string, t time.Time) *member {
	h := header(name, tar.TypeSymlink, 0o777, t)
	h.Linkname = target
	return &member{header: h}
}
