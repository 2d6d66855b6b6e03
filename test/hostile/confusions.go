package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// layout is an archive in OCI's format in the making.
type layout struct {
	members []imagetest.Entry
	known   map[string]bool // names of blobs
	layers  []any           // descriptors
	config  map[string]any
	fields  map[string]any // of the manifest, besides
}

// describe is a descriptor that attacks can fill with anything.
func describe(mediaType string, raw []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest.FromBytes(raw).String(), "size": len(raw)}
}

func (l *layout) put(mediaType string, raw []byte) map[string]any {
	name := "blobs/sha256/" + digest.FromBytes(raw).Encoded()
	if !l.known[name] {
		l.known[name] = true
		l.members = append(l.members, imagetest.Entry{Name: name, Body: string(raw)})
	}
	return describe(mediaType, raw)
}

func newLayout() *layout {
	l := &layout{known: map[string]bool{}, fields: map[string]any{}}
	tar := layerTar("one", 9000)
	l.layers = []any{l.put(v1.MediaTypeImageLayerGzip, imagetest.Gzip(tar))}
	l.config = l.put(v1.MediaTypeImageConfig, configOf(tar))
	return l
}

func (l *layout) layer() map[string]any { return l.layers[0].(map[string]any) }

// manifest stores the manifest and describes it.
func (l *layout) manifest() map[string]any {
	m := map[string]any{"schemaVersion": 2, "mediaType": v1.MediaTypeImageManifest, "config": l.config,
		"layers": l.layers}
	for k, v := range l.fields {
		m[k] = v
	}
	return l.put(v1.MediaTypeImageManifest, imagetest.Encode(m))
}

func (l *layout) index(children ...any) map[string]any {
	return l.put(v1.MediaTypeImageIndex, imagetest.Encode(map[string]any{"schemaVersion": 2,
		"mediaType": v1.MediaTypeImageIndex, "manifests": children}))
}

// twice stores what d describes once more, with an empty list under a key before the list that is under it.
func (l *layout) twice(d map[string]any, key, other string) map[string]any {
	raw := []byte(l.members[len(l.members)-1].Body)
	return l.put(d["mediaType"].(string), bytes.Replace(raw, fmt.Appendf(nil, "%q:", key),
		fmt.Appendf(nil, "%q:[],%q:", other, key), 1))
}

// pack makes the archive with root as its only image.
func (l *layout) pack(root map[string]any) []byte {
	if root["annotations"] == nil {
		root["annotations"] = map[string]string{"io.containerd.image.name": Name, v1.AnnotationRefName: "1"}
	}
	return l.packWith(imagetest.Encode(map[string]any{"schemaVersion": 2, "manifests": []any{root}}))
}

// packWith makes the archive with an index.json.
func (l *layout) packWith(index []byte) []byte {
	return imagetest.Pack(append(l.members, imagetest.Entry{Name: "oci-layout",
		Body: `{"imageLayoutVersion":"1.0.0"}`},
		imagetest.Entry{Name: "index.json", Body: string(index)})...)
}

// crowdedIndex attacks by how much there is in index.json.
func crowdedIndex(name, before, value string, n int, behind string) Archive {
	return Archive{Case: 57, Name: name, OCI: true, make: func() []byte {
		l := newLayout()
		l.manifest()
		return l.packWith(crowd(before, value, n, behind))
	}}
}

func confused(number int, name string, taken bool, root func(*layout) map[string]any) Archive {
	return Archive{Case: number, Name: name, Taken: taken, OCI: true, make: func() []byte {
		l := newLayout()
		return l.pack(root(l))
	}}
}

// changedManifest attacks by what stands in the manifest.
func changedManifest(number int, name string, taken bool, change func(*layout)) Archive {
	return confused(number, name, taken, func(l *layout) map[string]any {
		change(l)
		return l.manifest()
	})
}

// changedRoot attacks by what index.json says of the manifest.
func changedRoot(number int, name string, taken bool, field string, value any) Archive {
	return confused(number, name, taken, func(l *layout) map[string]any {
		root := l.manifest()
		root[field] = value
		return root
	})
}

func confusions() []Archive {
	return slices.Concat(ambiguous(), deep(), digests(), sizes(), kindsOfContent())
}

func ambiguous() []Archive {
	return []Archive{
		changedManifest(56, "OCI: a manifest with layers and manifests", false, func(l *layout) {
			l.fields["manifests"] = []any{l.layer()}
		}),
		changedManifest(56, "OCI: a manifest that says it is an index", false, func(l *layout) {
			l.fields["mediaType"] = v1.MediaTypeImageIndex
		}),
		confused(56, "OCI: a manifest with two lists of layers", false, func(l *layout) map[string]any {
			return l.twice(l.manifest(), "layers", "layers")
		}),
		confused(56, "OCI: a manifest with two lists of layers, by case", false, func(l *layout) map[string]any {
			return l.twice(l.manifest(), "layers", "Layers")
		}),
		confused(56, "OCI: an index with two lists of manifests", false, func(l *layout) map[string]any {
			return l.twice(l.index(l.manifest()), "manifests", "manifests")
		}),
		changedRoot(56, "OCI: a manifest that index.json says is an index", false, "mediaType",
			v1.MediaTypeImageIndex),
	}
}

func deep() []Archive {
	return []Archive{
		confused(57, "OCI: a thousand indexes, one in the other", false, func(l *layout) map[string]any {
			d := l.manifest()
			for range 1000 {
				d = l.index(d)
			}
			return d
		}),
		confused(57, "OCI: an index of 25000 manifests that are absent", false, func(l *layout) map[string]any {
			var children []any
			for i := range 25_000 {
				children = append(children, describe(v1.MediaTypeImageManifest, []byte(fmt.Sprint(i))))
			}
			return l.index(children...)
		}),
		confused(57, "OCI: an index of one manifest a thousand times", true, func(l *layout) map[string]any {
			d := l.manifest()
			d["platform"] = map[string]string{"os": "linux", "architecture": "amd64"}
			return l.index(slices.Repeat([]any{d}, 1000)...)
		}),
		changedManifest(57, "OCI: a million layers that are nothing", false, func(l *layout) {
			l.fields["layers"] = json.RawMessage(crowd("[", "{}", 1_000_000, "]"))
		}),
		confused(57, "OCI: an index of a million manifests that are nothing", false,
			func(l *layout) map[string]any {
				return l.put(v1.MediaTypeImageIndex, crowd(`{"schemaVersion":2,"manifests":[`, "{}", 1_000_000, "]}"))
			}),
		crowdedIndex("OCI: an index.json of five million images that are nothing",
			`{"schemaVersion":2,"manifests":[`, "{}", 5_000_000, "]}"),
	}
}

func digests() (all []Archive) {
	for _, d := range []string{"sha256:../../../../etc/passwd", "sha256:" + strings.Repeat("A", 64),
		"sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "blobs", ""} {
		all = append(all, changedManifest(58, fmt.Sprintf("OCI: a layer with the digest %.30q", d), false,
			func(l *layout) { l.layer()["digest"] = d }))
		all = append(all, changedRoot(58, fmt.Sprintf("OCI: an image with the digest %.30q", d), false, "digest",
			d))
	}
	return append(all, changedManifest(58, "OCI: a layer with a digest in SHA-512", true, func(l *layout) {
		raw := l.members[0].Body
		d := digest.SHA512.FromString(raw)
		l.members = append(l.members, imagetest.Entry{Name: "blobs/sha512/" + d.Encoded(), Body: raw})
		l.layer()["digest"] = d.String()
	}))
}

func sizes() (all []Archive) {
	for _, size := range []any{-1, 0, 1, 1 << 20, uint64(1) << 63, 1e30, "10"} {
		all = append(all, changedManifest(59, fmt.Sprintf("OCI: a layer with the size %#v", size), false,
			func(l *layout) { l.layer()["size"] = size }))
	}
	data := changedManifest(59, "OCI: data that is not the content", true, func(l *layout) {
		l.layer()["data"] = []byte("something else")
	})
	data.Named = true
	return append(all, data,
		changedRoot(59, "OCI: an image of 2^62 bytes", false, "size", 1<<62),
		changedManifest(59, "OCI: a layer whose bytes are others", false, func(l *layout) {
			l.members[0].Body = strings.Repeat("x", len(l.members[0].Body))
		}))
}

func kindsOfContent() []Archive {
	return []Archive{
		changedManifest(60, "OCI: a layer that is absent, with the address of a metadata service", false,
			func(l *layout) {
				d := describe(v1.MediaTypeImageLayerGzip, []byte("absent"))
				d["urls"] = []string{"http://169.254.169.254/latest/meta-data/"}
				l.layers = append(l.layers, d)
			}),
		changedManifest(60, "OCI: a layer of an unknown type", true, func(l *layout) {
			l.layer()["mediaType"] = "application/vnd.example.unknown"
		}),
		changedManifest(60, "OCI: an artifact", true, func(l *layout) {
			l.config = l.put("application/vnd.example.config", []byte("{}"))
			l.layer()["mediaType"] = "text/plain"
		}),
		changedManifest(60, "OCI: no layers", true, func(l *layout) {
			l.config, l.layers = l.put(v1.MediaTypeImageConfig, configOf()), []any{}
		}),
	}
}
