package corpus

import (
	"archive/tar"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Generated is an archive with its bytes.
type Generated struct {
	Archive
	Bytes []byte
}

// Generate makes the archives whose writers are not at hand, the same bytes each time.
func Generate() []Generated {
	return slices.Concat(
		[]Generated{docker19(true), docker19(false), docker25(), docker28(), docker29(), docker29Dangling()},
		builders(), packers(), plainLayouts(),
	)
}

func generated(file, writer, quirk string, raw []byte, images ...Image) Generated {
	return Generated{Archive{File: file, Writer: writer, Quirk: quirk, Images: images}, raw}
}

// docker19ID is the image ID that Docker 20.10 gives the image of docker19 when it loads it.
const docker19ID digest.Digest = "sha256:f3b5afa80a10a9dd6d784f141b888596e224ae188d7b5f443c47572be85f0413"

// docker19 is an image in the format before manifest.json, with random IDs for layers.
func docker19(tagged bool) Generated {
	base, top := file("etc/base", "Docker 1.9, base\n"), file("opt/top", "Docker 1.9, top\n")
	const baseID = "7b1c40a3f5d0fd1bbd1fa1cb5b17b13bb6f10b6cb87a15ec2e3bd9f1c2b0a4d5"
	const topID = "0e2f9d3c5b4a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
	describe := func(id, parent, command string, size int) []byte {
		text := `{"id":"` + id + `",`
		if parent != "" {
			text += `"parent":"` + parent + `",`
		}
		text += `"created":"2015-11-20T10:00:00.123456789Z","container":"` + id +
			`","container_config":{"Hostname":"a1b2c3","Env":null,"Cmd":["/bin/sh","-c",` + command + `]},` +
			`"docker_version":"1.9.1","author":"A. Author \u003ca@example.org\u003e","config":{"Hostname":"a1b2c3","Env":["PATH=/bin"],"Cmd":["/none"]},` +
			`"architecture":"amd64","os":"linux","Size":` + string(marshal(size)) + `}`
		return []byte(text)
	}
	members := []member{
		{name: topID + "/"}, {name: topID + "/VERSION", body: []byte("1.0")},
		{name: topID + "/json", body: describe(topID, baseID, `"#(nop) COPY file:2 in /opt/top"`, 16)},
		{name: topID + "/layer.tar", body: top.plain},
		{name: baseID + "/"}, {name: baseID + "/VERSION", body: []byte("1.0")},
		{name: baseID + "/json", body: describe(baseID, "", `"#(nop) COPY file:1 in /etc/base"`, 17)},
		{name: baseID + "/layer.tar", body: base.plain},
	}
	im := Image{Platforms: []Platform{{Platform: "linux/amd64", ID: docker19ID,
		DiffIDs: []digest.Digest{base.diffID(), top.diffID()}}}}
	name, quirk := "docker-1.9-id.tar",
		"no manifest.json, no configuration, and no repositories either: saved by its ID"
	if tagged {
		name, quirk = "docker-1.9.tar",
			"no manifest.json and no configuration: the image is made of the descriptions of its layers"
		im.Names = []string{"docker.io/library/ancient:1"}
		members = append(members, member{name: "repositories",
			body: line(map[string]map[string]string{"ancient": {"1": topID}})})
	}
	s := style{time: time.Date(2015, 11, 20, 10, 0, 0, 0, time.UTC), format: tar.FormatUSTAR}
	return generated(name, "docker 1.9.1", quirk, s.pack(members...), im)
}

// graph is what Docker since 25 writes of its graph driver: uncompressed blobs, a manifest made for the
// occasion, and blobs that nothing refers to.
func (b blobs) graph(p picture) v1.Descriptor {
	for i := range p.layers {
		b.put("", []byte(`{"id":"`+p.layers[i].diffID().Encoded()+
			`","created":"1970-01-01T00:00:00Z","container_config":{},"os":"linux"}`))
	}
	return b.image(p)
}

// graphItem is the item of manifest.json that goes with it. Docker names the source of every layer.
func (p picture) graphItem(tags ...string) item {
	it := p.blobItem(tags...)
	it.LayerSources = map[digest.Digest]v1.Descriptor{}
	for _, l := range p.layers {
		it.LayerSources[l.diffID()] = v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.diffID(),
			Size: int64(len(l.plain))}
	}
	return it
}

var dockerLayout = member{name: "oci-layout", body: []byte(`{"imageLayoutVersion": "1.0.0"}`)}

func (b blobs) dockerTar(s style, index []v1.Descriptor, items []item,
	repositories map[string]map[string]string) []byte {
	members := append(b.members(), member{name: "index.json", body: indexOf(index...)},
		member{name: "manifest.json", body: line(items)}, dockerLayout)
	if repositories != nil {
		members = append(members, member{name: "repositories", body: line(repositories)})
	}
	return s.pack(members...)
}

// docker25 has the bugs of 25.0.0: layers of the OCI manifest in random order, equal ones collapsed, a
// platform on descriptors.
func docker25() Generated {
	twice := file("opt/twice", "Docker 25.0.0, twice\n")
	p := draw(amd64, file("etc/base", "Docker 25.0.0, base\n"), twice, file("opt/top", "Docker 25.0.0, top\n"),
		twice)
	wrong := p
	wrong.layers = []layer{p.layers[2], p.layers[0], twice}
	b := blobs{}
	d := on(amd64, named(b.graph(wrong), "docker.io/library/disorder:1", "1"))
	raw := b.dockerTar(style{time: created, format: tar.FormatUSTAR}, []v1.Descriptor{d},
		[]item{p.graphItem("disorder:1")},
		map[string]map[string]string{"disorder": {"1": twice.diffID().Encoded()}})
	return generated("docker-25.0.0.tar", "docker 25.0.0, graph driver",
		"the OCI manifest has its layers in another order and equal ones once; manifest.json is right",
		raw, p.image("", "docker.io/library/disorder:1"))
}

// docker28 saves a tagged and an untagged image. index.json knows only the first.
func docker28() Generated {
	p, q := two("Docker 28, tagged", asIs), two("Docker 28, untagged", asIs)
	b := blobs{}
	d := b.graph(p)
	b.graph(q)
	index := []v1.Descriptor{named(d, "docker.io/library/graph:1", "1"),
		named(d, "registry.example/team/graph:stable", "stable")}
	repositories := map[string]map[string]string{
		"graph":                       {"1": p.layers[1].diffID().Encoded()},
		"registry.example/team/graph": {"stable": p.layers[1].diffID().Encoded()},
	}
	raw := b.dockerTar(ustar, index, []item{p.graphItem("graph:1", "registry.example/team/graph:stable"),
		q.graphItem()}, repositories)
	return generated("docker-28-graph.tar", "docker 28, graph driver",
		"uncompressed blobs and LayerSources for all of them, blobs that nothing refers to, an untagged image "+
			"that index.json lacks",
		raw, p.image("", "docker.io/library/graph:1", "registry.example/team/graph:stable"), q.image(""))
}

// docker29 is the containerd store's: the bytes that were pulled, two names for one image.
func docker29() Generated {
	p := two("Docker 29", layer.gzip)
	b := blobs{}
	d := b.image(p)
	index := []v1.Descriptor{named(d, "docker.io/library/contained:1", "1"),
		named(d, "docker.io/library/contained:latest", "latest")}
	raw := b.containerdTar(index, []item{p.blobItem("contained:1", "contained:latest")})
	return generated("docker-29.tar", "docker 29, containerd store",
		"layers compressed and the manifest as they were pulled",
		raw, p.image(d.Digest, "docker.io/library/contained:1", "docker.io/library/contained:latest"))
}

func (b blobs) containerdTar(index []v1.Descriptor, items []item) []byte {
	members := append(b.members(), member{name: "index.json", body: indexOf(index...)})
	if items != nil {
		members = append(members, member{name: "manifest.json", body: marshal(items)})
	}
	return ustar.pack(append(members, member{name: "oci-layout",
		body: []byte(`{"imageLayoutVersion":"1.0.0"}`)})...)
}

// docker29Dangling saves one pulled platform of an image, with its attestation.
func docker29Dangling() Generated {
	p, absent := two("Docker 29, here", layer.gzip),
		draw(arm64, file("etc/base", "Docker 29, elsewhere\n").gzip())
	b, elsewhere := blobs{}, blobs{}
	here, there := b.image(p), elsewhere.image(absent)
	root := b.index(on(amd64, here), on(arm64, there), b.attestation(here), elsewhere.attestation(there))
	raw := b.containerdTar([]v1.Descriptor{named(root, "docker.io/library/partial:1", "1")},
		[]item{p.blobItem("partial:1")})
	return generated("docker-29-dangling.tar", "docker 29, containerd store",
		"an index whose other platform is absent, attestations of both",
		raw, p.image(here.Digest, "docker.io/library/partial:1"))
}
