package corpus

import (
	"archive/tar"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// packers are the archives of programs that carry images, and what people make of archives.
func packers() []Generated {
	return []Generated{dockerDrag("1"), dockerDrag(""), hauler(false), hauler(true), mac()}
}

// dockerDrag saves an image that was pulled by its tag or, without one, by its digest, which it writes where
// a tag belongs.
func dockerDrag(tag string) Generated {
	p := two("docker-drag "+tag, asIs)
	it := item{Config: p.id().Encoded() + ".json"}
	members := []member{{name: "/"}}
	parent := ""
	for _, l := range p.layers {
		parent = hexOf([]byte(parent + "\n" + l.diffID().String() + "\n"))
		it.Layers = append(it.Layers, parent+"/layer.tar")
		members = append(members, member{name: parent + "/"},
			member{name: parent + "/VERSION", body: []byte("1.0")},
			member{name: parent + "/json", body: []byte(`{"id":"` + parent + `"}`)},
			member{name: parent + "/layer.tar", body: l.plain})
	}
	file, quirk, names := "docker-drag.tar",
		"begins with a directory /, PAX headers with times and owners of the machine",
		[]string{"docker.io/library/dragged:1"}
	if tag == "" {
		file, quirk, names = "docker-drag-digest.tar", "a RepoTag NAME:sha256:HEX, which is no name", nil
		tag = "sha256:" + hexOf([]byte("a manifest"))
	}
	it.RepoTags = []string{"dragged:" + tag}
	members = append(members, member{name: it.Config, body: p.config},
		member{name: "manifest.json", body: marshal([]item{it})},
		member{name: "repositories", body: marshal(map[string]map[string]string{"dragged": {tag: parent}})})
	s := style{time: created.Add(123456789 * time.Nanosecond), format: tar.FormatPAX, owner: "user", id: 1000}
	return generated(file, "docker-drag", quirk, padded(s.pack(members...)), p.image("", names...))
}

// hauler lists all platforms of an image in manifest.json under the same names. For containerd it leaves out
// oci-layout, without which that reads manifest.json.
func hauler(forContainerd bool) Generated {
	p, q := two("hauler", layer.gzip), draw(arm64, file("etc/base", "hauler, arm64\n").gzip())
	b := blobs{}
	root := b.index(on(amd64, b.image(p)), on(arm64, b.image(q)))
	d := named(root, "docker.io/library/hauled:1", "library/hauled:1")
	d.Annotations["kind"] = "dev.cosignproject.cosign/imageIndex"
	members := append(b.members(), member{name: "index.json", body: indexOf(d)})
	file, writer, quirk := "hauler-containerd.tar.zst", "hauler store save --containerd",
		"the same without oci-layout"
	if !forContainerd {
		file, writer, quirk = "hauler.tar.zst", "hauler store save",
			"two platforms with the same RepoTags, compressed as a whole"
		members = append(members, dockerLayout)
	}
	members = append(members, member{name: "manifest.json",
		body: marshal([]item{p.blobItem("docker.io/library/hauled:1"), q.blobItem("docker.io/library/hauled:1")})})
	return generated(file, writer, quirk, zstandard(ustar.pack(members...)),
		Image{Names: []string{"docker.io/library/hauled:1"}, Digest: root.Digest,
			Platforms: []Platform{p.facts(), q.facts()}})
}

// mac is an archive that was unpacked and packed again on a Mac, whose tar keeps what its file system knows
// in files of its own.
func mac() Generated {
	p := two("mac", asIs)
	it := item{Config: p.id().Encoded() + ".json", RepoTags: []string{"packed:mac"},
		Layers: []string{"a/layer.tar", "b/layer.tar"}}
	double := []byte("\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
	members := []member{{name: "./._."}, {name: "./"}}
	for _, m := range []member{{name: "a/"}, {name: "a/layer.tar", body: p.layers[0].plain}, {name: "b/"},
		{name: "b/layer.tar", body: p.layers[1].plain},
		{name: it.Config, body: p.config}, {name: "manifest.json", body: marshal([]item{it})}} {
		dir, base := "./", strings.TrimSuffix(m.name, "/")
		if i := strings.LastIndex(base, "/"); i >= 0 {
			dir, base = "./"+base[:i+1], base[i+1:]
		}
		members = append(members, member{name: dir + "._" + base, body: double},
			member{name: "./" + m.name, body: m.body})
	}
	members[0].body = double
	s := style{time: created.Add(5 * time.Millisecond), format: tar.FormatPAX, owner: "user", id: 501,
		record: map[string]string{"LIBARCHIVE.xattr.com.apple.provenance": "AQIA"}}
	return generated("retar-mac.tar", "tar of macOS",
		"a file ._NAME beside each file, PAX records, ./ before names", padded(s.pack(members...)),
		p.image("", "docker.io/library/packed:mac"))
}

// plainLayouts are layouts with layers that are more than they seem, and one without any name.
func plainLayouts() []Generated {
	var all []Generated
	layout := func(file, writer, quirk, name string, p picture) {
		b := blobs{}
		d := b.image(p)
		ref, names := "", []string(nil)
		if name != "" {
			ref, names = "1", []string{name}
		}
		all = append(all, generated(file, writer, quirk, b.containerdTar([]v1.Descriptor{named(d, name, ref)}, nil),
			p.image(d.Digest, names...)))
	}
	layout("oci-nameless.tar", "any", "an OCI layout without a name", "", two("nameless", layer.gzip))
	layout("oci-plain.tar", "any", "an OCI layout with uncompressed layers", "docker.io/library/uncompressed:1",
		two("uncompressed", asIs))
	layout("oci-estargz.tar", "stargz-snapshotter", "gzip in several members, the last an index of files",
		"docker.io/library/seekable:1", draw(amd64, estargz("eStargz\n")))
	layout("oci-zstd-chunked.tar", "containers/storage zstd:chunked",
		"zstd with skippable frames that hold an index of files", "docker.io/library/chunked:1",
		draw(amd64, chunked("zstd:chunked\n")))
	return all
}
