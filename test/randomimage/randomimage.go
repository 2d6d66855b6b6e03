// Package randomimage makes images of any shape that a registry takes, the same one for each seed: indexes in
// indexes, several platforms, layers that are shared, repeated, empty or missing, packed in all ways, in
// Docker's and OCI's media types, artifacts with a subject, odd annotations and fields that nobody knows. The
// layers are tars, but nothing in them runs.
package randomimage

import (
	"fmt"
	"math/rand/v2"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
	"drayage/test/wire"
)

type generator struct {
	rand    *rand.Rand
	image   *sample.Image
	layers  []layer // to choose from
	known   map[digest.Digest]bool
	foreign bool // some layers are foreign
}

// Build makes the image of a seed. Platforms lists the container images in it, each for another platform.
func Build(seed uint64) (*sample.Image, error) {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 0))}
	return g.build()
}

// Family makes images of a seed that share layers with each other. Some have foreign layers too.
func Family(seed uint64, n int) (all []*sample.Image, err error) {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 1)), foreign: true}
	for range n {
		img, err := g.build()
		if err != nil {
			return nil, err
		}
		all = append(all, img)
	}
	return all, nil
}

// build makes an image of the layers that are there, and of some more.
func (g *generator) build() (*sample.Image, error) {
	g.known = map[digest.Digest]bool{}
	g.image = &sample.Image{Blobs: map[digest.Digest][]byte{}}
	for range 1 + g.rand.IntN(6) {
		l, err := g.newLayer()
		if err != nil {
			return nil, err
		}
		g.layers = append(g.layers, l)
	}
	platforms := g.platforms()
	if g.oneIn(5) { // without an index
		d, err := g.container(platforms[0])
		g.image.Root = d
		g.image.Root.Platform = nil
		return g.image, err
	}
	var children []v1.Descriptor
	for _, p := range platforms {
		d, err := g.container(p)
		if err != nil {
			return nil, err
		}
		if children = append(children, d); g.oneIn(3) {
			if d, err = g.artifact(d); err != nil {
				return nil, err
			}
			children = append(children, d)
		}
	}
	root, err := g.index(children, 3)
	g.image.Root = root
	return g.image, err
}

// platforms are some of those that differ for everyone.
func (g *generator) platforms() []v1.Platform {
	all := []v1.Platform{
		{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"},
		{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "riscv64"},
		{OS: "linux", Architecture: "s390x"}, {OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.2114"},
	}
	g.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+g.rand.IntN(4)]
}

// container adds an image for a platform and returns what an index says of it.
func (g *generator) container(p v1.Platform) (v1.Descriptor, error) {
	docker := g.oneIn(2)
	var chosen []layer
	for range g.rand.IntN(6) {
		chosen = append(chosen, g.layers[g.rand.IntN(len(g.layers))])
	}
	if g.foreign && g.oneIn(4) {
		l, err := g.newLayer()
		if err != nil {
			return v1.Descriptor{}, err
		}
		l.foreign = true
		chosen = append(chosen, l)
	}
	diffIDs := []digest.Digest{}
	for _, l := range chosen {
		diffIDs = append(diffIDs, l.diffID)
	}
	config, err := g.encode(g.config(p, diffIDs))
	if err != nil {
		return v1.Descriptor{}, err
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": v1.MediaTypeImageManifest,
		"config": g.blob(v1.MediaTypeImageConfig, config)}
	if docker {
		m["mediaType"], m["config"] = wire.DockerManifest, g.blob(wire.DockerConfig, config)
	}
	blobs := []v1.Descriptor{}
	for _, l := range chosen {
		blobs = append(blobs, g.layerBlob(l, docker))
	}
	m["layers"] = blobs
	g.decorate(m, docker)
	d, err := g.manifest(m)
	if err != nil {
		return d, err
	}
	g.image.Platforms = append(g.image.Platforms,
		sample.Platform{Platform: p, Manifest: d, Config: digest.FromBytes(config), DiffIDs: diffIDs})
	if !g.oneIn(4) { // some indexes leave it to the configuration
		d.Platform = &p
	}
	return d, nil
}

func (g *generator) config(p v1.Platform, diffIDs []digest.Digest) map[string]any {
	c := map[string]any{"os": p.OS, "architecture": p.Architecture,
		"rootfs": v1.RootFS{Type: "layers", DiffIDs: diffIDs}, "author": g.word()}
	if p.Variant != "" {
		c["variant"] = p.Variant
	}
	if p.OSVersion != "" {
		c["os.version"] = p.OSVersion
	}
	settings := map[string]any{"Cmd": []string{"/" + g.word()}, "Labels": g.words()}
	if g.oneIn(5) {
		settings["Cmd"] = g.word() // as old images have it
	}
	c["config"] = settings
	if g.oneIn(2) {
		history := []v1.History{{CreatedBy: g.word(), EmptyLayer: true}}
		for range diffIDs {
			history = append(history, v1.History{CreatedBy: g.word(), Comment: g.word()})
		}
		c["history"] = history
	}
	if g.oneIn(3) {
		c["x-"+g.word()] = map[string]any{g.word(): []any{1, nil, g.word()}}
	}
	return c
}

// artifact adds something that is no container image and belongs to one.
func (g *generator) artifact(subject v1.Descriptor) (v1.Descriptor, error) {
	empty := g.blob(v1.MediaTypeEmptyJSON, []byte("{}"))
	empty.Data = []byte("{}")
	subject.Platform, subject.Annotations = nil, nil
	d, err := g.manifest(map[string]any{
		"schemaVersion": 2, "mediaType": v1.MediaTypeImageManifest,
		"artifactType": "application/vnd.example.sbom.v1+json", "config": empty, "subject": subject,
		"layers": []v1.Descriptor{g.blob("text/plain", []byte(g.word()))}, "annotations": g.words(),
	})
	d.ArtifactType = "application/vnd.example.sbom.v1+json"
	d.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	return d, err
}

// index adds an index of the children. Some of them go into indexes of their own.
func (g *generator) index(children []v1.Descriptor, depth int) (v1.Descriptor, error) {
	if depth > 1 && len(children) > 1 && g.oneIn(2) {
		cut := 1 + g.rand.IntN(len(children)-1)
		inner, err := g.index(children[cut:], depth-1)
		if err != nil {
			return inner, err
		}
		children = append(children[:cut:cut], inner)
	}
	docker := g.oneIn(3)
	m := map[string]any{"schemaVersion": 2, "mediaType": v1.MediaTypeImageIndex, "manifests": children}
	if docker {
		m["mediaType"] = wire.DockerList
	}
	g.decorate(m, docker)
	return g.manifest(m)
}

// decorate adds what manifests may have and need not.
func (g *generator) decorate(m map[string]any, docker bool) {
	if !docker && g.oneIn(2) {
		m["annotations"] = g.words()
	}
	if g.oneIn(4) {
		m[fmt.Sprintf("x-%s", g.word())] = []any{g.word(), 1.5, nil}
	}
}
