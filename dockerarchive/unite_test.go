package dockerarchive_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/layout"
)

func TestContentsUnitesNames(t *testing.T) {
	e := engine{newStore(t)}
	one, two, arm := e.child("amd64", zipped), e.child("mips", zipped), e.child("arm64", zipped)
	multi := e.index(one.desc, arm.desc)
	ref := func(d v1.Descriptor, ref string) v1.Descriptor {
		d = bare(d)
		d.Annotations = map[string]string{v1.AnnotationRefName: ref}
		return d
	}
	items := func(all ...map[string]any) []map[string]any { return all }
	is := func(name string, d v1.Descriptor) string { return strings.TrimSpace(name + " " + d.Digest.String()) }
	for name, c := range map[string]struct {
		items []map[string]any
		roots []v1.Descriptor
		want  found
	}{
		"buildkit: no names in index.json": {items(e.item(one.desc, "a:1", nameB)), []v1.Descriptor{bare(one.desc)},
			found{Layout: []string{is(nameA, one.desc), is(nameB, one.desc)}}},
		"no names in either": {items(e.item(one.desc)), []v1.Descriptor{bare(one.desc)},
			found{Layout: []string{is("", one.desc)}}},
		"the same names": {items(e.item(one.desc, "a:1")), []v1.Descriptor{named(one.desc, nameA)},
			found{Layout: []string{is(nameA, one.desc)}}},
		"one more in manifest.json": {items(e.item(one.desc, "a:1", "b:2")),
			[]v1.Descriptor{named(one.desc, nameA)},
			found{Layout: []string{is(nameA, one.desc), is(nameB, one.desc)}}},
		"one more in index.json": {items(e.item(one.desc, "a:1")),
			[]v1.Descriptor{named(one.desc, nameA), named(one.desc, nameB)},
			found{Layout: []string{is(nameA, one.desc), is(nameB, one.desc)}}},
		"a bare tag": {items(e.item(one.desc, "a:1")), []v1.Descriptor{ref(one.desc, "1")},
			found{Layout: []string{is(nameA, one.desc)}}},
		"regctl's address of a directory": {items(e.item(one.desc, "ocidir://a:1", "a:1")),
			[]v1.Descriptor{ref(one.desc, "ocidir://a:1")},
			found{Layout: []string{is(nameA, one.desc)}}},
		"podman's name": {items(), []v1.Descriptor{ref(one.desc, nameA)},
			found{Layout: []string{is(nameA, one.desc)}}},
		"hauler: a name for each platform": {items(e.item(one.desc, "a:1"), e.item(arm.desc, "a:1")),
			[]v1.Descriptor{named(multi, nameA)},
			found{Layout: []string{is(nameA, multi)}}},
		"a name for each platform of a nameless index": {items(e.item(one.desc, "a:1"), e.item(arm.desc, "a:1")),
			[]v1.Descriptor{bare(multi)},
			found{Layout: []string{is(nameA, multi)}}},
		"two images": {items(e.item(one.desc, "a:1"), e.item(two.desc, "b:2")),
			[]v1.Descriptor{bare(two.desc), bare(one.desc)},
			found{Layout: []string{is(nameB, two.desc), is(nameA, one.desc)}}},
		"Docker 25: index.json lacks one": {items(e.item(one.desc, "a:1"), e.item(two.desc)),
			[]v1.Descriptor{named(one.desc, nameA)},
			found{Layout: []string{is(nameA, one.desc)}, Saved: []string{e.config(two.desc).String()}}},
		"manifest.json lacks one": {items(e.item(one.desc, "a:1")),
			[]v1.Descriptor{named(one.desc, nameA), named(two.desc, nameB)},
			found{Layout: []string{is(nameA, one.desc), is(nameB, two.desc)}}},
		"an entry that repeats another without its name": {items(),
			[]v1.Descriptor{bare(one.desc), named(one.desc, nameA), bare(two.desc), bare(one.desc)},
			found{Layout: []string{is(nameA, one.desc), is("", two.desc)}}},
		"an empty index.json": {items(e.item(one.desc, "a:1")), nil,
			found{Saved: []string{nameA + " " + e.config(one.desc).String()}}},
		"nothing at all": {items(), nil, found{}},
	} {
		_, got := contents(t, e.save(c.items, nil, c.roots...))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The reference that a writer has chosen goes on finding an image that gets a name.
func TestContentsKeepsReferences(t *testing.T) {
	e := engine{newStore(t)}
	one := e.child("amd64", zipped)
	entry := bare(one.desc)
	entry.Annotations = map[string]string{v1.AnnotationRefName: "what I had in mind", "other": "x"}
	c, _ := contents(t, e.save([]map[string]any{e.item(one.desc, "a:1")}, nil, entry))
	for _, name := range []string{"what I had in mind", nameA} {
		if found, err := c.Layout.Find(name); err != nil || len(found) != 1 ||
			found[0].Descriptor.Digest != one.desc.Digest {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// graphItem is an image in manifest.json of Docker since 25, which names the source of every layer.
func (e engine) graphItem(d v1.Descriptor, tags ...string) map[string]any {
	var m v1.Manifest
	if err := json.Unmarshal(e.Content[d.Digest], &m); err != nil {
		e.t.Fatal(err)
	}
	item, sources := e.item(d, tags...), map[digest.Digest]v1.Descriptor{}
	for _, l := range m.Layers {
		sources[l.Digest] = l
	}
	item["LayerSources"] = sources
	return item
}

// What Docker saves since version 25 from a graph driver is read by its manifest.json, whatever else is in
// the archive.
func TestContentsOfRebuiltManifests(t *testing.T) {
	e := engine{newStore(t)}
	pulled, plain1, plain2 := e.child("amd64", zipped), e.child("arm64", plain), e.child("mips", plain)
	id := func(c child) string { return e.config(c.desc).String() }
	all := []map[string]any{e.graphItem(plain1.desc, "a:1"), e.item(pulled.desc, "b:2"),
		e.graphItem(plain2.desc)}
	c, got := contents(t, e.save(all, nil, named(plain1.desc, nameA),
		named(plain1.desc, "docker.io/library/c:3"), named(pulled.desc, nameB)))
	want := found{Layout: []string{nameB + " " + pulled.desc.Digest.String()},
		Saved: []string{nameA + " docker.io/library/c:3 " + id(plain1), id(plain2)}}
	if diff := cmp.Diff(want, got); diff != "" || len(c.Remarks) > 0 {
		t.Errorf("mixed (-want +got):\n%s%+v", diff, c.Remarks)
	}
}

// Manifests of uncompressed layers are a registry's unless the archive says otherwise.
func TestContentsOfUncompressedLayers(t *testing.T) {
	e := engine{newStore(t)}
	plain1, plain2 := e.child("arm64", plain), e.child("mips", plain)
	mixed := e.image("mixed", nil, e.layer(tarball('m', 2000), plain), e.layer(tarball('n', 2000), zipped)).Root
	odd := e.item(plain1.desc, "a:1")
	odd["LayerSources"] = "none"
	for name, c := range map[string]struct {
		root  v1.Descriptor
		items []map[string]any
	}{
		"one image": {plain1.desc, []map[string]any{e.item(plain1.desc, "a:1")}},
		"an index": {e.index(plain1.desc, plain2.desc),
			[]map[string]any{e.graphItem(plain1.desc, "a:1"), e.graphItem(plain2.desc, "a:1")}},
		"layers of both kinds":     {mixed, []map[string]any{e.graphItem(mixed, "a:1")}},
		"sources of another shape": {plain1.desc, []map[string]any{odd}},
		"no manifest.json":         {plain1.desc, nil},
		"an empty manifest.json":   {plain1.desc, []map[string]any{}},
	} {
		_, got := contents(t, e.save(c.items, nil, named(c.root, nameA)))
		if diff := cmp.Diff(found{Layout: []string{nameA + " " + c.root.Digest.String()}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Docker 25.0.0 wrote the layers of its manifests in any order, and equal ones once.
func TestContentsTrustsTheOrderOfManifestJSON(t *testing.T) {
	e := engine{newStore(t)}
	a, b := e.layer(tarball('a', 2000), plain), e.layer(tarball('b', 2000), plain)
	right := e.image("x", nil, a, b, a).Root
	wrong := e.edit(right, func(m *v1.Manifest) { m.Layers = []v1.Descriptor{b.blob, a.blob} })
	c, _ := contents(t, e.save([]map[string]any{e.graphItem(right, "a:1")}, nil, named(wrong, nameA)))
	if c.Layout != nil || len(c.Saved) != 1 || len(c.Saved[0].Layers) != 3 {
		t.Fatalf("%+v", c)
	}
	for i, want := range []packed{a, b, a} {
		if got := digest.FromString(content(t, c.Saved[0].Layers[i])); got != want.diffID {
			t.Errorf("layer %d is %s, not %s", i+1, got, want.diffID)
		}
	}
}

// What index.json cannot give is read by manifest.json if that can, and said.
func TestContentsFallsBack(t *testing.T) {
	e := engine{newStore(t)}
	one, two := e.child("amd64", zipped), e.child("mips", zipped)
	absent := e.index(one.desc)
	unknown := e.Put("application/vnd.docker.distribution.manifest.v1+json",
		[]byte(`{"schemaVersion":1,"fsLayers":[],"history":[]}`))
	items := []map[string]any{e.item(one.desc, "a:1")}
	for name, root := range map[string]v1.Descriptor{"an absent manifest": absent,
		"a manifest of an unknown kind": unknown} {
		c, got := contents(t, e.save(items, []v1.Descriptor{absent}, named(root, nameA), named(two.desc, nameB)))
		want := found{Layout: []string{nameB + " " + two.desc.Digest.String()},
			Saved: []string{nameA + " " + e.config(one.desc).String()}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(c.Remarks) != 1 || c.Remarks[0].Image != e.config(one.desc) {
			t.Errorf("%s: remarks %+v", name, c.Remarks)
		}
	}
	// Neither way leads to the layer.
	c, got := contents(t, e.save(items, []v1.Descriptor{one.layer}, named(one.desc, nameA),
		named(two.desc, nameB)))
	if err := c.Faults[one.desc.Digest]; got.Faults != 1 || got.Saved != nil || err == nil ||
		!strings.Contains(err.Error(), "lacks layer "+one.layer.Digest.String()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestContentsRefusesContradictions(t *testing.T) {
	e := engine{newStore(t)}
	one, two, three := e.child("amd64", zipped), e.child("mips", zipped), e.child("arm64", zipped)
	multi := e.index(one.desc, three.desc)
	for name, c := range map[string]struct {
		root v1.Descriptor
		item v1.Descriptor
		bad  bool
	}{
		"another manifest":      {one.desc, two.desc, true},
		"none of the platforms": {multi, two.desc, true},
		"one of the platforms":  {multi, three.desc, false},
		"the platform that is absent": {e.index(one.desc,
			bare(v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1})),
			two.desc, true},
	} {
		r := e.save([]map[string]any{e.item(c.item, "a:1")}, nil, named(c.root, nameA), named(two.desc, nameB))
		got, err := r.Contents(t.Context())
		if (err != nil) != c.bad || c.bad && !errors.Is(err, dockerarchive.ErrIntegrity) ||
			c.bad && !strings.Contains(err.Error(), "ambiguous") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A signature is none of the images. If it is absent, a note says so.
func TestContentsWithReferrers(t *testing.T) {
	e := engine{newStore(t)}
	one := e.child("amd64", zipped)
	signature := e.artifact("application/vnd.example.signature")
	entry := bare(signature)
	entry.Annotations = map[string]string{layout.AnnotationSubject: one.desc.Digest.String()}
	items := []map[string]any{e.item(one.desc, "a:1")}
	for want, absent := range map[int][]v1.Descriptor{2: nil, 1: {signature}} {
		c, err := e.save(items, absent, bare(one.desc), entry).Contents(t.Context())
		if err != nil || len(c.Faults)+len(c.Saved) > 0 || len(c.Remarks) != len(absent) ||
			len(absent) > 0 && !strings.Contains(c.Remarks[0].Text, signature.Digest.String()) {
			t.Fatalf("%+v, %v", c, err)
		}
		images, err := c.Layout.Images()
		if err != nil || len(images) != want || images[0].Name != nameA || images[0].Subject != "" ||
			want > 1 && (images[1].Name != "" || images[1].Subject != one.desc.Digest) {
			t.Errorf("%+v, %v", images, err)
		}
	}
}
