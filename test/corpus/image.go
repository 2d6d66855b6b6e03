package corpus

import (
	"archive/tar"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// created is the age of all images.
var created = time.Date(2024, time.May, 4, 12, 0, 0, 0, time.UTC)

// layer is a layer as it unpacks and as it is stored.
type layer struct {
	plain       []byte
	stored      []byte
	mediaType   string
	annotations map[string]string
}

func (l layer) diffID() digest.Digest { return digest.FromBytes(l.plain) }

// file is a layer with one file in a directory, uncompressed.
func file(name, text string) layer {
	plain := style{time: created, format: tar.FormatUSTAR}.pack(member{name: name, body: []byte(text)})
	return layer{plain: plain, stored: plain, mediaType: v1.MediaTypeImageLayer}
}

func (l layer) gzip() layer {
	l.stored, l.mediaType = gzipped(l.plain), v1.MediaTypeImageLayerGzip
	return l
}

func (l layer) zstd() layer {
	l.stored, l.mediaType = zstandard(l.plain), v1.MediaTypeImageLayerZstd
	return l
}

// picture is an image on one platform, before a writer makes an archive of it.
type picture struct {
	platform v1.Platform
	layers   []layer
	config   []byte
}

var amd64, arm64 = v1.Platform{OS: "linux", Architecture: "amd64"},
	v1.Platform{OS: "linux", Architecture: "arm64"}

// draw makes an image whose configuration has a history entry without a layer.
func draw(platform v1.Platform, layers ...layer) picture {
	c := v1.Image{Created: &created, Platform: platform,
		Config: v1.ImageConfig{Env: []string{"PATH=/bin"}, Cmd: []string{"/none"}}}
	c.RootFS.Type = "layers"
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.diffID())
		c.History = append(c.History, v1.History{Created: &created, CreatedBy: "COPY <one> & another"})
	}
	c.History = append(c.History, v1.History{Created: &created, CreatedBy: "CMD", EmptyLayer: true})
	return picture{platform: platform, layers: layers, config: marshal(c)}
}

// two is an image of two layers that no other archive has.
func two(text string, pack func(layer) layer) picture {
	return draw(amd64, pack(file("etc/base", text+", base\n")), pack(file("opt/top", text+", top\n")))
}

func asIs(l layer) layer { return l }

func (p picture) id() digest.Digest { return digest.FromBytes(p.config) }

func (p picture) facts() Platform {
	f := Platform{Platform: p.platform.OS + "/" + p.platform.Architecture, ID: p.id()}
	for _, l := range p.layers {
		f.DiffIDs = append(f.DiffIDs, l.diffID())
	}
	return f
}

// image are the facts of an image of one platform.
func (p picture) image(manifest digest.Digest, names ...string) Image {
	return Image{Names: names, Digest: manifest, Platforms: []Platform{p.facts()}}
}

// blobs are the blobs of an OCI layout.
type blobs map[digest.Digest][]byte

func (b blobs) put(mediaType string, raw []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	b[d.Digest] = raw
	return d
}

// image stores an image and returns the descriptor of its manifest.
func (b blobs) image(p picture) v1.Descriptor {
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: b.put(v1.MediaTypeImageConfig, p.config)}
	for _, l := range p.layers {
		d := b.put(l.mediaType, l.stored)
		d.Annotations = l.annotations
		m.Layers = append(m.Layers, d)
	}
	return b.put(m.MediaType, marshal(m))
}

func (b blobs) index(children ...v1.Descriptor) v1.Descriptor {
	return b.put(v1.MediaTypeImageIndex, indexOf(children...))
}

func indexOf(children ...v1.Descriptor) []byte {
	return marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
		Manifests: children})
}

// attestation stores a manifest as buildkit makes it beside an image and returns how an index lists it.
func (b blobs) attestation(of v1.Descriptor) v1.Descriptor {
	statement := []byte(
		`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":"` + of.Digest + `"}`)
	config := []byte(
		`{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["` +
			digest.FromBytes(statement) + `"]}}`)
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: b.put(v1.MediaTypeImageConfig, config)}
	m.Layers = []v1.Descriptor{b.put("application/vnd.in-toto+json", statement)}
	m.Layers[0].Annotations = map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
	d := b.put(m.MediaType, marshal(m))
	d.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{"vnd.docker.reference.digest": of.Digest.String(),
		"vnd.docker.reference.type": "attestation-manifest"}
	return d
}

func on(p v1.Platform, d v1.Descriptor) v1.Descriptor {
	d.Platform = &p
	return d
}

// named gives a descriptor the two names that containerd writes; an empty one is left out.
func named(d v1.Descriptor, name, ref string) v1.Descriptor {
	d.Annotations = map[string]string{}
	if name != "" {
		d.Annotations["io.containerd.image.name"] = name
	}
	if ref != "" {
		d.Annotations[v1.AnnotationRefName] = ref
	}
	return d
}

func blobPath(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

// members are the blobs in the order of their names, in their directories.
func (b blobs) members() []member {
	all := []member{{name: "blobs/"}, {name: "blobs/sha256/"}}
	for _, d := range slices.Sorted(maps.Keys(b)) {
		all = append(all, member{name: blobPath(d), body: b[d]})
	}
	return all
}

// item is an entry of manifest.json.
type item struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[digest.Digest]v1.Descriptor `json:",omitempty"`
}

// blobItem is one whose files are blobs.
func (p picture) blobItem(tags ...string) item {
	it := item{Config: blobPath(p.id()), RepoTags: tags}
	for _, l := range p.layers {
		it.Layers = append(it.Layers, blobPath(digest.FromBytes(l.stored)))
	}
	return it
}
