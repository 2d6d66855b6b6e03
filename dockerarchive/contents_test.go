package dockerarchive_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
)

// engine builds archives as container engines save them.
type engine struct{ *store }

// child is an image as an index refers to it, with its layer.
type child struct {
	desc  v1.Descriptor
	layer v1.Descriptor
}

func (e engine) child(arch string, p packing) child {
	pl := v1.Platform{OS: "linux", Architecture: arch}
	l := e.layer(tarball(arch[1], 2000), p)
	d := e.build(v1.Image{Author: arch, Platform: pl}, nil, l).Root
	d.Platform = &pl
	return child{d, l.blob}
}

// attestation is what buildkit knows of how an image was built.
func (e engine) attestation(of child) v1.Descriptor {
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest,
		Config: e.Put(v1.MediaTypeImageConfig, []byte(`{"architecture":"unknown"}`)),
		Layers: []v1.Descriptor{e.Put("application/vnd.in-toto+json", []byte("built "+of.desc.Digest.String()))}}
	m.SchemaVersion = 2
	d := e.PutJSON(m.MediaType, m)
	d.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": of.desc.Digest.String()}
	return d
}

func (e engine) index(children ...v1.Descriptor) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: children}
	ix.SchemaVersion = 2
	return e.PutJSON(ix.MediaType, ix)
}

// config is the configuration of an image, which names it.
func (e engine) config(d v1.Descriptor) digest.Digest {
	var m v1.Manifest
	if err := json.Unmarshal(e.Content[d.Digest], &m); err != nil {
		e.t.Fatal(err)
	}
	return m.Config.Digest
}

// item is an image in manifest.json.
func (e engine) item(d v1.Descriptor, tags ...string) map[string]any {
	var m v1.Manifest
	if err := json.Unmarshal(e.Content[d.Digest], &m); err != nil {
		e.t.Fatal(err)
	}
	layers := []string{}
	for _, l := range m.Layers {
		layers = append(layers, "blobs/sha256/"+l.Digest.Encoded())
	}
	return map[string]any{"Config": "blobs/sha256/" + m.Config.Digest.Encoded(), "RepoTags": tags,
		"Layers": layers}
}

// named is an entry of index.json with the annotations that Docker gives it.
func named(d v1.Descriptor, name string) v1.Descriptor {
	d.Platform = nil
	d.Annotations = map[string]string{layout.AnnotationName: name}
	return d
}

func bare(d v1.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// save makes an archive of everything that was stored, without what is absent. items may be nil: there is no
// manifest.json.
func (e engine) save(items []map[string]any, absent []v1.Descriptor,
	roots ...v1.Descriptor) *dockerarchive.Reader {
	e.t.Helper()
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: roots}
	ix.SchemaVersion = 2
	all := []entry{file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("index.json", e.json(ix))}
	if items != nil {
		all = append(all, file("manifest.json", e.json(items)))
	}
	for _, d := range slices.Sorted(maps.Keys(e.Content)) {
		if !slices.ContainsFunc(absent, func(a v1.Descriptor) bool { return a.Digest == d }) {
			all = append(all, file("blobs/sha256/"+d.Encoded(), string(e.Content[d])))
		}
	}
	r, err := open(archive(e.t, all...))
	if err != nil {
		e.t.Fatal(err)
	}
	return r
}

func (e engine) json(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(raw)
}

// found is what Contents tells, in the form in which a test says what it wants.
type found struct {
	Layout []string // NAME DIGEST, in order; all of what they lead to has been read
	Saved  []string // NAMES ID
	Faults int
}

func contents(t *testing.T, r *dockerarchive.Reader) (*dockerarchive.Contents, found) {
	t.Helper()
	c, err := r.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := found{Faults: len(c.Faults)}
	if c.Layout != nil {
		images, err := c.Layout.Images()
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range images {
			f.Layout = append(f.Layout, strings.TrimSpace(im.Name+" "+im.Descriptor.Digest.String()))
			if c.Faults[im.Descriptor.Digest] == nil {
				readAll(t, c.Layout, im.Descriptor)
			}
		}
	}
	for _, im := range c.Saved {
		f.Saved = append(f.Saved, strings.TrimSpace(strings.Join(im.Names, " ")+" "+im.ID.String()))
	}
	return c, f
}

// readAll checks that everything a root leads to is there.
func readAll(t *testing.T, l *layout.Layout, root v1.Descriptor) {
	t.Helper()
	g, err := image.Load(t.Context(), l, root, image.Selection{All: true})
	if err != nil {
		t.Errorf("%s: %v", root.Digest, err)
		return
	}
	for _, b := range g.Blobs {
		if _, err := image.ReadAll(t.Context(), l, b, 1<<20); err != nil {
			t.Errorf("%s: %v", root.Digest, err)
		}
	}
}

const nameA, nameB = "docker.io/library/a:1", "docker.io/library/b:2"

func TestContentsOfPartialIndexes(t *testing.T) {
	e := engine{newStore(t)}
	amd, arm, mips := e.child("amd64", zipped), e.child("arm64", zipped), e.child("mips", zipped)
	ofAMD, ofARM := e.attestation(amd), e.attestation(arm)
	flat := e.index(amd.desc, arm.desc, mips.desc)
	attested := e.index(amd.desc, arm.desc, ofAMD, ofARM)
	nested := e.index(e.index(amd.desc, arm.desc), mips.desc)
	for name, c := range map[string]struct {
		root   v1.Descriptor
		absent []v1.Descriptor
		want   v1.Descriptor // what goes; nothing: a fault
		says   string
	}{
		"all": {flat, nil, flat, ""},
		"one manifest": {flat, []v1.Descriptor{arm.desc, mips.desc}, amd.desc,
			"only linux/amd64 of its index, and lacks linux/arm64, linux/mips: it goes by its own manifest"},
		"one with its layer": {flat, []v1.Descriptor{amd.desc, mips.layer}, arm.desc,
			"lacks linux/amd64, linux/mips"},
		"one with its configuration": {flat, []v1.Descriptor{{Digest: e.config(amd.desc)}, mips.desc}, arm.desc,
			"lacks linux/amd64, linux/mips"},
		"two of three": {flat, []v1.Descriptor{arm.desc}, e.index(amd.desc, mips.desc),
			"only linux/amd64, linux/mips of its index, and lacks linux/arm64: they go with a new index"},
		"two of three, nested": {nested, []v1.Descriptor{amd.layer}, e.index(arm.desc, mips.desc),
			"lacks linux/amd64"},
		"a nested index": {nested, []v1.Descriptor{e.index(amd.desc, arm.desc)}, mips.desc,
			"lacks sha256:"},
		"attestations of one left out": {attested, []v1.Descriptor{arm.desc, ofARM}, amd.desc,
			"without the index and its attestations"},
		"attestations only": {attested, []v1.Descriptor{ofAMD, ofARM}, e.index(amd.desc, arm.desc),
			"lacks attestations (2)"},
		"the attestation of one": {attested, []v1.Descriptor{ofAMD}, e.index(amd.desc, arm.desc, ofARM),
			"lacks attestations (1)"},
		"one and no attestation": {attested, []v1.Descriptor{arm.layer, ofAMD, ofARM}, amd.desc,
			"without the index"},
		"nothing": {flat, []v1.Descriptor{amd.desc, arm.desc, mips.layer}, v1.Descriptor{},
			"linux/amd64 lacks manifest " + amd.desc.Digest.String()},
		"nothing but attestations": {attested, []v1.Descriptor{amd.desc, arm.desc}, v1.Descriptor{},
			"none of the 2 images"},
		"a layer of a manifest": {bare(amd.desc), []v1.Descriptor{amd.layer}, v1.Descriptor{},
			"lacks layer " + amd.layer.Digest.String()},
		"the root": {flat, []v1.Descriptor{flat}, v1.Descriptor{},
			"lacks manifest " + flat.Digest.String()},
		"a manifest that is the root": {bare(amd.desc), []v1.Descriptor{amd.desc}, v1.Descriptor{},
			"lacks manifest " + amd.desc.Digest.String()},
		"an index of attestations alone": {e.index(ofAMD, ofARM), []v1.Descriptor{ofARM}, ofAMD,
			"only attestations (1)"},
	} {
		for _, items := range [][]map[string]any{nil, {}} {
			got, f := contents(t, e.save(items, c.absent, named(c.root, nameA)))
			if c.want.Digest == "" {
				err := got.Faults[c.root.Digest]
				if !errors.Is(err, dockerarchive.ErrIncomplete) || errors.Is(err, dockerarchive.ErrIntegrity) ||
					!strings.Contains(err.Error(), c.says) ||
					f.Faults != 1 || len(got.Remarks) > 0 {
					t.Errorf("%s: %+v, %v", name, f, err)
				}
				continue
			}
			if diff := cmp.Diff(found{Layout: []string{nameA + " " + c.want.Digest.String()}}, f); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			checkRemark(t, name, got, c.want.Digest, c.says)
		}
	}
}

func checkRemark(t *testing.T, name string, c *dockerarchive.Contents, of digest.Digest, says string) {
	t.Helper()
	remarks := c.Remarks
	if says == "" {
		if len(remarks) > 0 {
			t.Errorf("%s: remarks %+v", name, remarks)
		}
		return
	}
	if len(remarks) != 1 || remarks[0].Image != of || !strings.Contains(remarks[0].Text, says) ||
		len(c.Absent[of]) == 0 {
		t.Errorf("%s: remarks %+v, want one of %s: %s", name, remarks, of, says)
	}
}

// What is said of an image is said once, however many names it has.
func TestContentsOfPartialIndexWithNames(t *testing.T) {
	e := engine{newStore(t)}
	amd, arm, mips := e.child("amd64", zipped), e.child("arm64", zipped), e.child("mips", zipped)
	root := e.index(amd.desc, arm.desc, mips.desc)
	items := []map[string]any{e.item(amd.desc, "a:1", "c:3")}
	c, got := contents(t, e.save(items, []v1.Descriptor{arm.desc}, named(root, nameA), named(root, nameB)))
	want := e.index(amd.desc, mips.desc).Digest
	names := []string{nameA, "docker.io/library/c:3", nameB}
	for i, n := range names {
		names[i] = n + " " + want.String()
	}
	if diff := cmp.Diff(found{Layout: names}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checkRemark(t, "two names", c, want, "lacks linux/arm64")
}

// A foreign layer need not be there.
func TestContentsWithoutForeignLayers(t *testing.T) {
	e := engine{newStore(t)}
	im := e.child("amd64", packing{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", zipped.pack})
	r := e.save(nil, []v1.Descriptor{im.layer}, named(im.desc, nameA))
	c, err := r.Contents(t.Context())
	if err != nil || c.Layout == nil || len(c.Faults)+len(c.Remarks) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// FuzzContents checks that of what is accepted and has no fault nothing is absent.
func FuzzContents(f *testing.F) {
	e := engine{newStore(f)}
	amd, arm := e.child("amd64", zipped), e.child("mips", plain)
	gone := bare(amd.desc)
	gone.Digest = digest.FromString("gone")
	for _, root := range []v1.Descriptor{amd.desc, arm.desc, gone, named(e.index(amd.desc, arm.desc), nameA),
		e.index(amd.desc, gone), e.index(amd.desc, arm.desc, gone)} {
		for _, item := range []v1.Descriptor{amd.desc, arm.desc} {
			raw := e.json([]map[string]any{e.item(item, "a:1", "")})
			f.Add([]byte(e.json(v1.Index{Manifests: []v1.Descriptor{root}})), []byte(raw),
				[]byte(`{"manifests":[{"digest":"`+gone.Digest.String()+`","size":4}]}`))
		}
	}
	f.Fuzz(func(t *testing.T, index, items, blob []byte) {
		all := []entry{file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("index.json", string(index)),
			file("manifest.json", string(items)),
			file("blobs/sha256/"+digest.FromBytes(blob).Encoded(), string(blob))}
		for d, content := range e.Content {
			all = append(all, file("blobs/sha256/"+d.Encoded(), string(content)))
		}
		r, err := open(archive(t, all...))
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Contents(t.Context())
		if err != nil {
			return
		}
		if c.Layout == nil && len(c.Saved) == 0 {
			t.Fatal("nothing, and no error")
		}
		if c.Layout == nil {
			return
		}
		images, err := c.Layout.Images()
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range images {
			if c.Faults[im.Descriptor.Digest] != nil || im.Subject != "" {
				continue
			}
			g, err := image.Load(t.Context(), c.Layout, im.Descriptor, image.Selection{All: true})
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if err != nil {
				continue // a bad configuration
			}
			for _, b := range g.Blobs {
				if _, err := c.Layout.Stat(b.Digest); err != nil && !image.IsForeign(b.MediaType) {
					t.Fatal(err)
				}
			}
		}
	})
}
