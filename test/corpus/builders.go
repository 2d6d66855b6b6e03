package corpus

import (
	"archive/tar"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// builders are the archives of programs that build images without Docker.
func builders() []Generated {
	return []Generated{kaniko(), buildkitDocker(), buildkitOCI(), jibDocker(), jibOCI(), rulesZstd(), rulesOld(),
		rulesLayout(), nixStream(), nixBuild()}
}

func kaniko() Generated {
	p := two("kaniko", layer.gzip)
	config := p.id().String()
	it := item{Config: config, RepoTags: []string{"registry.example/team/kaniko:latest"}}
	members := []member{{name: config, body: p.config}}
	for _, l := range p.layers {
		name := hexOf(l.stored) + ".tar.gz"
		it.Layers = append(it.Layers, name)
		members = append(members, member{name: name, body: l.stored})
	}
	members = append(members, member{name: "manifest.json", body: marshal([]item{it})})
	return generated("kaniko.tar", "kaniko",
		"a configuration that is named sha256:HEX, compressed layers, no directories",
		ustar.pack(members...), p.image("", it.RepoTags...))
}

func buildkitDocker() Generated {
	p := two("buildkit, docker", layer.gzip)
	b := blobs{}
	d := b.image(p)
	root := d
	root.Annotations = map[string]string{"org.opencontainers.image.created": "2024-05-04T12:00:00Z"}
	raw := b.containerdTar([]v1.Descriptor{on(amd64, root)}, []item{p.blobItem()})
	return generated("buildkit-docker.tar", "buildkit type=docker",
		"no name anywhere, a platform on the descriptor", raw, p.image(d.Digest))
}

func buildkitOCI() Generated {
	p, q := two("buildkit, oci", layer.gzip), draw(arm64, file("etc/base", "buildkit, oci, arm64\n").gzip())
	b := blobs{}
	here, there := b.image(p), b.image(q)
	root := b.index(on(amd64, here), on(arm64, there), b.attestation(here), b.attestation(there))
	raw := b.containerdTar([]v1.Descriptor{named(root, "registry.example/team/built:1", "1")}, nil)
	return generated("buildkit-oci.tar", "buildkit type=oci",
		"all platforms with their attestations, no manifest.json", raw,
		Image{Names: []string{"registry.example/team/built:1"}, Digest: root.Digest,
			Platforms: []Platform{p.facts(), q.facts()}})
}

func jibDocker() Generated {
	p := two("jib, docker", layer.gzip)
	it := item{Config: "config.json", RepoTags: []string{"registry.example/team/jib:1",
		"registry.example/team/jib:2"}}
	var members []member
	for _, l := range p.layers {
		name := hexOf(l.stored) + ".tar.gz"
		it.Layers = append(it.Layers, name)
		members = append(members, member{name: name, body: l.stored})
	}
	members = append(members, member{name: "config.json", body: p.config},
		member{name: "manifest.json", body: marshal([]item{it})})
	return generated("jib-docker.tar", "jib", "a configuration that is named config.json",
		ustar.pack(members...), p.image("", it.RepoTags...))
}

func jibOCI() Generated {
	p := two("jib, oci", layer.gzip)
	b := blobs{}
	d := b.image(p)
	members := b.members()[2:] // no directories
	members = append(members, dockerLayout, member{name: "index.json",
		body: indexOf(named(d, "", "registry.example/team/jib:3"))})
	return generated("jib-oci.tar", "jib", "a layout without directories, the full name in ref.name",
		ustar.pack(members...), p.image(d.Digest, "registry.example/team/jib:3"))
}

// rules packs what rules_oci calls blobs, whose names always end in .tar.gz.
func rules(p picture) (blob []member, it item) {
	it = item{Config: blobPath(p.id()), RepoTags: []string{}}
	blob = []member{{name: it.Config, body: p.config}}
	for _, l := range p.layers {
		name := blobPath(digest.FromBytes(l.stored)) + ".tar.gz"
		it.Layers = append(it.Layers, name)
		blob = append(blob, member{name: name, body: l.stored})
	}
	return blob, it
}

func rulesZstd() Generated {
	p := draw(amd64, file("etc/base", "rules_oci, base\n").zstd(), file("opt/top", "rules_oci, top\n"))
	members, it := rules(p)
	it.RepoTags = []string{"registry.example/team/rules:1"}
	s := style{time: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), format: tar.FormatUSTAR, mode: 0o755}
	raw := padded(s.pack(append(members, member{name: "manifest.json", body: marshal([]item{it})})...))
	return generated("rules-oci.tar", "rules_oci 2",
		"layers called .tar.gz that are zstd and plain, manifest.json last", raw, p.image("", it.RepoTags...))
}

func rulesOld() Generated {
	p := two("rules_oci, old", layer.gzip)
	members, it := rules(p)
	it.RepoTags = []string{"registry.example/team/rules:old", ""}
	s := style{time: created, format: tar.FormatGNU, owner: "root"}
	raw := padded(s.pack(slices.Concat([]member{{name: "manifest.json", body: marshal([]item{it})},
		{name: "blobs/"}, {name: "blobs/sha256/"}}, members)...))
	return generated("rules-oci-1.tar", "rules_oci 1",
		"an empty RepoTag, of the newline at the end of a file; manifest.json first, GNU headers",
		raw, p.image("", "registry.example/team/rules:old"))
}

func rulesLayout() Generated {
	p := two("rules_oci, layout", layer.gzip)
	b := blobs{}
	d := b.image(p)
	names := []string{"registry.example/team/rules:a", "registry.example/team/rules:b"}
	members := append(b.members(), member{name: "index.json",
		body: indexOf(named(d, "", names[0]), named(d, "", names[1]))}, dockerLayout)
	s := style{time: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), format: tar.FormatUSTAR, mode: 0o755}
	return generated("rules-oci-layout.tar", "rules_oci 2, format oci",
		"one image under two full names in ref.name", padded(s.pack(members...)), p.image(d.Digest, names...))
}

// indented is a configuration as nix writes it.
func indented(p picture) picture {
	p.config = append([]byte("{\n  \"author\": \"nix\",\n  "), append(p.config[1:len(p.config)-1], "\n}"...)...)
	return p
}

func nixStream() Generated {
	absolute := func(name, text string) layer {
		plain := padded(style{time: time.Unix(1, 0), format: tar.FormatPAX}.pack(member{name: "/nix/store/" + name,
			body: []byte(text)}))
		return layer{plain: plain, stored: plain}
	}
	p := indented(draw(amd64, absolute("a-base", "nix stream, base\n"), absolute("b-top", "nix stream, top\n")))
	it := item{Config: p.id().Encoded() + ".json", RepoTags: []string{"nixed:stream"}}
	var members []member
	for _, l := range p.layers {
		name := l.diffID().Encoded() + "/layer.tar"
		it.Layers = append(it.Layers, name)
		members = append(members, member{name: name, body: l.plain})
	}
	members = append(members, member{name: it.Config, body: p.config},
		member{name: "manifest.json", body: marshal([]item{it})})
	raw := padded(style{time: time.Unix(1, 0), format: tar.FormatPAX}.pack(members...))
	return generated("nix-stream.tar", "nix streamLayeredImage",
		"absolute names inside the layers, an indented configuration", raw,
		p.image("", "docker.io/library/nixed:stream"))
}

func nixBuild() Generated {
	p := indented(two("nix build", asIs))
	it := item{Config: p.id().Encoded() + ".json", RepoTags: []string{"nixed:build"}}
	var members []member
	top := ""
	for _, l := range p.layers {
		description := []byte(`{"id":"` + l.diffID().Encoded() + `","os":"linux"}`)
		top = hexOf(description)
		it.Layers = append(it.Layers, top+"/layer.tar")
		members = append(members, member{name: top + "/"}, member{name: top + "/VERSION", body: []byte("1.0")},
			member{name: top + "/json", body: description}, member{name: top + "/layer.tar", body: l.plain})
	}
	members = append(members, member{name: it.Config, body: p.config},
		member{name: "manifest.json", body: marshal([]item{it})},
		member{name: "repositories", body: line(map[string]map[string]string{"nixed": {"build": top}})})
	raw := gzipped(padded(style{time: time.Unix(1, 0), format: tar.FormatGNU}.pack(members...)))
	return generated("nix-build.tar.gz", "nix buildImage", "compressed as a whole", raw,
		p.image("", "docker.io/library/nixed:build"))
}
