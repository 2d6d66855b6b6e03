package hostile

import (
	"fmt"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// Crowd is an input with a list as long as one likes: reading it may cost in proportion to its length only.
type Crowd struct {
	Name string
	OCI  bool // it is an archive in OCI's format
	// Listed says that a registry without the API of referrers gets a longer list with each manifest.
	Listed bool
	Make   func(n int) []byte
}

// Crowds lists inputs for every list that a foreign document may have.
func Crowds() []Crowd {
	return slices.Concat(savedCrowds(), entryCrowds(), manifestCrowds(), indexCrowds(), referrerCrowds(),
		nameCrowds())
}

func savedCrowd(name string, change func(im *image, n int)) Crowd {
	return Crowd{Name: name, Make: func(n int) []byte {
		return changed(func(im *image) { change(im, n) })
	}}
}

// repeated gives the image a layer n times.
func (im *image) repeated(n int) {
	im.layers, im.Layers = slices.Repeat(im.layers[:1], n), slices.Repeat(im.Layers[:1], n)
	im.reconfigure(configOf(im.layers...))
}

func savedCrowds() []Crowd {
	return []Crowd{
		savedCrowd("one layer n times", (*image).repeated),
		savedCrowd("n layers", func(im *image, n int) {
			im.layers, im.Layers = nil, nil
			for i := range n {
				im.layers = append(im.layers, layerTar(fmt.Sprint("f", i), 8))
				im.Layers = append(im.Layers, fmt.Sprintf("l%d/layer.tar", i))
				im.add(im.Layers[i], im.layers[i])
			}
			im.reconfigure(configOf(im.layers...))
		}),
		savedCrowd("n layers that are missing", func(im *image, n int) {
			im.repeated(n)
			for i := range im.Layers {
				im.Layers[i] = fmt.Sprintf("l%d/layer.tar", i)
			}
		}),
		savedCrowd("n names of an image", func(im *image, n int) { im.RepoTags = namesOf(n) }),
		savedCrowd("one name n times", func(im *image, n int) { im.RepoTags = slices.Repeat(im.RepoTags, n) }),
		savedCrowd("n images of one configuration", func(im *image, n int) {
			im.manifest = imagetest.Encode(im.items(n))
		}),
		savedCrowd("an image n times", func(im *image, n int) {
			im.manifest = imagetest.Encode(slices.Repeat([]item{im.item}, n))
		}),
		savedCrowd("n images", func(im *image, n int) {
			var all []item
			for i := range n {
				im.config = imagetest.Encode(v1.Image{Author: fmt.Sprint(i), Platform: linux(),
					RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(im.layers...)}})
				name := hexOf(im.config) + ".json"
				im.add(name, im.config)
				all = append(all, item{name, []string{fmt.Sprintf("n%d:1", i)}, im.Layers})
			}
			im.manifest = imagetest.Encode(all)
		}),
		savedCrowd("n steps of a build", func(im *image, n int) {
			im.reconfigure(imagetest.Encode(v1.Image{Platform: linux(), History: make([]v1.History, n),
				RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(im.layers...)}}))
		}),
		{Name: "n layers of an image before Docker 1.10", Make: func(n int) []byte { return old(n, 1) }},
		{Name: "n names of an image before Docker 1.10", Make: func(n int) []byte { return old(1, n) }},
	}
}

// items are images of one configuration, with a name each.
func (im *image) items(n int) (all []item) {
	for _, name := range namesOf(n) {
		all = append(all, item{im.Config, []string{name}, im.Layers})
	}
	return all
}

func namesOf(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("docker.io/library/n%d:1", i))
	}
	return all
}

// old is an archive without manifest.json.
func old(layers, names int) []byte {
	var all []imagetest.Entry
	id := func(i int) string { return fmt.Sprintf("%064x", i) }
	for i := range layers {
		doc := map[string]any{"id": id(i), "os": "linux", "architecture": "amd64"}
		if i > 0 {
			doc["parent"] = id(i - 1)
		}
		all = append(all, imagetest.Entry{Name: id(i) + "/json", Body: string(imagetest.Encode(doc))},
			imagetest.Entry{Name: id(i) + "/VERSION", Body: "1.0"},
			imagetest.Entry{Name: id(i) + "/layer.tar", Body: string(layerTar(fmt.Sprint("f", i), 8))})
	}
	tags := map[string]map[string]string{}
	for i := range names {
		tags[fmt.Sprint("n", i)] = map[string]string{"1": id(layers - 1)}
	}
	all = append(all, imagetest.Entry{Name: "repositories", Body: string(imagetest.Encode(tags))})
	return imagetest.Pack(all...)
}

func entryCrowds() []Crowd {
	entries := func(name string, entry func(i int) imagetest.Entry) Crowd {
		return savedCrowd(name, func(im *image, n int) {
			for i := range n {
				im.members = append(im.members, entry(i))
			}
		})
	}
	return []Crowd{
		entries("n files", func(i int) imagetest.Entry {
			return imagetest.Entry{Name: fmt.Sprint("f", i), Body: "x"}
		}),
		entries("one file n times", func(int) imagetest.Entry { return imagetest.Entry{Name: "f", Body: "x"} }),
		entries("a layer n times as an entry", func(int) imagetest.Entry {
			return imagetest.Entry{Name: layer0, Body: string(layerTar("one", 9000))}
		}),
		entries("n directories one in the other", func(i int) imagetest.Entry {
			return imagetest.Entry{Name: fmt.Sprintf("d/%d/manifest.json", i), Body: "[]"}
		}),
		savedCrowd("n links one after another", func(im *image, n int) {
			for i := range n {
				im.members = append(im.members, imagetest.Entry{Name: fmt.Sprint("l", i), Type: '2',
					Link: fmt.Sprint("l", i+1)})
			}
		}),
	}
}

func ociCrowd(name string, root func(l *layout, n int) []any) Crowd {
	return Crowd{Name: "OCI: " + name, OCI: true, Make: func(n int) []byte {
		l := newLayout()
		roots := root(l, n)
		return l.packWith(imagetest.Encode(map[string]any{"schemaVersion": 2, "manifests": roots}))
	}}
}

// named gives a descriptor a name in index.json.
func named(d map[string]any, name string) map[string]any {
	of := map[string]any{"annotations": map[string]string{"io.containerd.image.name": name,
		v1.AnnotationRefName: "1"}}
	for k, v := range d {
		of[k] = v
	}
	return of
}

func called(n int, d func(i int) map[string]any) (all []any) {
	for i, name := range namesOf(n) {
		all = append(all, named(d(i), name))
	}
	return all
}

// one is an index.json of one image.
func one(d map[string]any) []any { return []any{named(d, Name)} }

func manifestCrowds() []Crowd {
	return []Crowd{
		ociCrowd("a manifest of one layer n times", func(l *layout, n int) []any {
			l.layers = slices.Repeat(l.layers, n)
			l.config = l.put(v1.MediaTypeImageConfig, configOf(slices.Repeat([][]byte{layerTar("one", 9000)}, n)...))
			return one(l.manifest())
		}),
		ociCrowd("a manifest of n layers that are absent", func(l *layout, n int) []any {
			l.layers = nil
			for i := range n {
				l.layers = append(l.layers, describe(v1.MediaTypeImageLayerGzip, fmt.Append(nil, i)))
			}
			return one(l.manifest())
		}),
		ociCrowd("an artifact of n blobs", func(l *layout, n int) []any {
			l.layers, l.config = nil, l.put(v1.MediaTypeEmptyJSON, []byte("{}"))
			for i := range n {
				l.layers = append(l.layers, l.put("text/plain", fmt.Append(nil, "blob", i)))
			}
			return one(l.manifest())
		}),
		ociCrowd("a manifest of n annotations", func(l *layout, n int) []any {
			all := map[string]string{}
			for i := range n {
				all[fmt.Sprint("a", i)] = "x"
			}
			l.fields["annotations"] = all
			d := named(l.manifest(), Name)
			for k, v := range all {
				d["annotations"].(map[string]string)[k] = v
			}
			return []any{d}
		}),
	}
}

func indexCrowds() []Crowd {
	platform := map[string]string{"os": "linux", "architecture": "amd64"}
	return []Crowd{
		ociCrowd("an index of one manifest n times", func(l *layout, n int) []any {
			d := l.manifest()
			d["platform"] = platform
			return one(l.index(slices.Repeat([]any{d}, n)...))
		}),
		ociCrowd("an index of one manifest for n platforms", func(l *layout, n int) []any {
			d := l.manifest()
			return one(l.index(times(n, func(i int) any {
				return with(d, "platform", map[string]string{"os": "linux", "architecture": fmt.Sprint("a", i)})
			})...))
		}),
		ociCrowd("an index of n manifests that are absent", func(l *layout, n int) []any {
			return one(l.index(times(n, func(i int) any {
				return with(describe(v1.MediaTypeImageManifest, fmt.Append(nil, i)), "platform", platform)
			})...))
		}),
		ociCrowd("an index of n manifests", func(l *layout, n int) []any {
			return one(l.index(times(n, func(i int) any { return l.numbered(i) })...))
		}),
		ociCrowd("an index of n attestations", func(l *layout, n int) []any {
			d := with(l.manifest(), "platform", platform)
			return one(l.index(append(times(n, func(i int) any {
				return with(with(l.numbered(i), "annotations", map[string]any{
					"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": d["digest"]}),
					"platform", map[string]string{"os": "unknown", "architecture": "unknown"})
			}), d)...))
		}),
		ociCrowd("an index of n empty indexes", func(l *layout, n int) []any {
			return one(l.index(times(n, func(i int) any {
				return l.put(v1.MediaTypeImageIndex, fmt.Appendf(nil,
					`{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"n":"%d"}}`, v1.MediaTypeImageIndex, i))
			})...))
		}),
	}
}

func times(n int, make func(i int) any) (all []any) {
	for i := range n {
		all = append(all, make(i))
	}
	return all
}

// with is a descriptor with one more field.
func with(d map[string]any, key string, value any) map[string]any {
	of := map[string]any{key: value}
	for k, v := range d {
		if k != key {
			of[k] = v
		}
	}
	return of
}

// numbered is a manifest that differs from others by its number.
func (l *layout) numbered(i int) map[string]any {
	l.fields = map[string]any{"annotations": map[string]string{"number": fmt.Sprint(i)}}
	return l.manifest()
}

func (l *layout) referrer(i int, of map[string]any) map[string]any {
	l.fields = map[string]any{"annotations": map[string]string{"number": fmt.Sprint(i)},
		"subject": map[string]any{"mediaType": of["mediaType"], "digest": of["digest"], "size": of["size"]}}
	return l.manifest()
}

func nameCrowds() []Crowd {
	return []Crowd{
		ociCrowd("n names of an image", func(l *layout, n int) []any {
			d := l.manifest()
			return called(n, func(int) map[string]any { return d })
		}),
		ociCrowd("n images", func(l *layout, n int) []any { return called(n, l.numbered) }),
		ociCrowd("n images without names", func(l *layout, n int) []any {
			return times(n, func(i int) any { return l.numbered(i) })
		}),
		ociCrowd("one entry of index.json n times", func(l *layout, n int) []any {
			return slices.Repeat(one(l.manifest()), n)
		}),
		ociCrowd("n images of one name", func(l *layout, n int) []any {
			return times(n, func(i int) any { return named(l.numbered(i), Name) })
		}),
		ociCrowd("n names of an image that lacks a layer", func(l *layout, n int) []any {
			l.layers = []any{describe(v1.MediaTypeImageLayerGzip, []byte("absent"))}
			d := l.manifest()
			return called(n, func(int) map[string]any { return d })
		}),
		ociCrowd("n names of an index that lists one manifest 14 times", func(l *layout, n int) []any {
			d := l.index(slices.Repeat([]any{l.manifest()}, 14)...)
			return called(n, func(int) map[string]any { return d })
		}),
		ociCrowd("n images of one configuration that are in manifest.json too", func(l *layout, n int) []any {
			all := called(n, l.numbered)
			l.saved(n, false)
			return all
		}),
		ociCrowd("n names in manifest.json of an image without one", func(l *layout, n int) []any {
			d := l.manifest()
			l.saved(n, true)
			return []any{d}
		}),
		ociCrowd("n names of an image that is in manifest.json too", func(l *layout, n int) []any {
			d := l.manifest()
			l.saved(n, true)
			return called(n, func(int) map[string]any { return d })
		}),
	}
}

// saved adds a manifest.json of n images, or of one with n names.
func (l *layout) saved(n int, same bool) {
	path := func(d map[string]any) string { return "blobs/sha256/" + d["digest"].(string)[len("sha256:"):] }
	it := item{path(l.config), namesOf(n), []string{path(l.layer())}}
	items := []item{it}
	if !same {
		items = nil
		for _, name := range namesOf(n) {
			items = append(items, item{it.Config, []string{name}, it.Layers})
		}
	}
	l.members = append(l.members, imagetest.Entry{Name: "manifest.json", Body: string(imagetest.Encode(items))})
}
