package dockerarchive

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/lenient"
	"drayage/internal/limits"
)

type manifestItem struct {
	Config   string
	RepoTags repoTags
	Layers   []string

	LayerSources layerSources `json:",omitempty"`
}

// repoTags are the names of an image. What are no names are left out.
type repoTags []string

// UnmarshalJSON implements json.Unmarshaler. It does not fail.
func (r *repoTags) UnmarshalJSON(raw []byte) error {
	lenient.Decode(raw, (*[]string)(r))
	return nil
}

// documents are manifest.json and repositories, which both formats have.
type documents struct {
	items        []manifestItem
	itemOf       map[[sha256.Size]byte]int    // by what the image consists of
	repositories map[string]map[string]string // by repository and tag: the top layer
	owners       map[string]digest.Digest     // of names
	configs      int64                        // bytes of what is read by manifest.json
}

func newDocuments() documents {
	return documents{
		itemOf: map[[sha256.Size]byte]int{}, repositories: map[string]map[string]string{},
		owners: map[string]digest.Digest{},
	}
}

// claim gives names to the image with an ID and returns those that it did not have yet. It refuses names that
// another image has: docker load gives such a name to whichever image comes last.
func (d *documents) claim(names []string, id digest.Digest) (fresh []string, err error) {
	for _, n := range names {
		if _, _, err := splitName(n); err != nil {
			return nil, err
		}
		other, taken := d.owners[n]
		if taken && other != id {
			return nil, fmt.Errorf("%s would name two images, %s and %s: save them to two files", n, other, id)
		}
		if !taken {
			d.owners[n] = id
			fresh = append(fresh, n)
		}
	}
	return fresh, nil
}

// add enters an image and its top layer. If the image is there already, it gets the names too. config is the
// size of its configuration, if that is read by manifest.json.
func (d *documents) add(item manifestItem, names []string, top string, config int64) error {
	key := sha256.Sum256([]byte(item.Config + " " + strings.Join(item.Layers, " ")))
	i, known := d.itemOf[key]
	if !known {
		i = len(d.items)
		d.items, d.itemOf[key] = append(d.items, item), i
		d.configs += config
	}
	names = tagged(names)
	d.items[i].RepoTags = append(d.items[i].RepoTags, names...)
	for _, n := range names {
		repository, tag, _ := splitName(n) // claim has seen it
		if top == "" {
			continue
		}
		if d.repositories[repository] == nil {
			d.repositories[repository] = map[string]string{}
		}
		d.repositories[repository][tag] = top
	}
	return cmp.Or(tooMany(len(d.items), limits.Images, "images"),
		tooMany(d.configs, limits.Configs, "bytes of configurations"))
}

// sort puts images and their names into an order that does not depend on the order in which they were added.
func (d *documents) sort() {
	for _, item := range d.items {
		slices.Sort(item.RepoTags)
	}
	slices.SortFunc(d.items, func(a, b manifestItem) int {
		return cmp.Or(slices.Compare(a.RepoTags, b.RepoTags), cmp.Compare(a.Config, b.Config),
			slices.Compare(a.Layers, b.Layers))
	})
	d.itemOf = nil // the places have changed
}

// entries lists the files. A file that would say nothing is not among them.
func (d *documents) entries() (all []*tarEntry, err error) {
	if len(d.items) == 0 {
		return nil, nil
	}
	items, err := marshalList(d.items)
	if all = append(all, jsonFile("manifest.json", items)); err != nil || len(d.repositories) == 0 {
		return all, err
	}
	repositories, err := json.Marshal(d.repositories)
	return append(all, jsonFile("repositories", repositories)), err
}

// jsonFile is a file of JSON with a final newline, as Docker writes it.
func jsonFile(name string, raw []byte) *tarEntry {
	return file(name, slices.Concat(raw, []byte("\n")), time.Unix(0, 0))
}

// marshalList is json.Marshal of a list. It holds the text of a very long one only twice.
func marshalList[T any](list []T) ([]byte, error) {
	b := bytes.NewBufferString("[")
	for i, one := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		raw, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		b.Write(raw)
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

// splitName divides a full name into the repository in Docker's short form and the tag. A name with a digest
// has no tag.
func splitName(name string) (familiar, tag string, err error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", fmt.Errorf("invalid image name %q: %v", name, err)
	}
	t, tagged := ref.(reference.Tagged)
	if _, digested := ref.(reference.Digested); tagged == digested {
		return "", "", fmt.Errorf("invalid image name %q: an archive holds names with a tag or a digest", name)
	}
	if tagged {
		tag = t.Tag()
	}
	return reference.FamiliarName(ref), tag, nil
}

// tagged leaves out names with a digest: engines take none from manifest.json and repositories.
func tagged(names []string) []string {
	return which(names, func(n string) bool { return !strings.Contains(n, "@") })
}

// layerSources are the descriptors that Docker adds to an image in manifest.json. Since version 25 its graph
// drivers give one for every layer: all uncompressed, and in index.json a manifest that was made for them and
// never was in a registry. In 25.0.0 that manifest had its layers in any order.
type layerSources map[digest.Digest]v1.Descriptor

// UnmarshalJSON takes what is something else for nothing.
func (s *layerSources) UnmarshalJSON(raw []byte) error {
	var m map[digest.Digest]v1.Descriptor
	if json.Unmarshal(raw, &m) == nil {
		*s = m
	}
	return nil
}

// rebuilt reports whether the image is one of those, which manifest.json describes better than index.json.
func (s layerSources) rebuilt() bool {
	for diffID, d := range s {
		if d.MediaType != v1.MediaTypeImageLayer || d.Digest != diffID {
			return false
		}
	}
	return len(s) > 0
}

// uncompressed returns the sources of layers that are all uncompressed, or nil.
func uncompressed(layers []v1.Descriptor) layerSources {
	s := layerSources{}
	for _, l := range layers {
		if l.MediaType != v1.MediaTypeImageLayer {
			return nil
		}
		s[l.Digest] = v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}
	}
	return s
}
