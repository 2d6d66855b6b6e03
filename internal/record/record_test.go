package record_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/internal/record"
	"drayage/internal/source"
	"drayage/registry"
)

// shop makes archives in OCI's format.
type shop struct {
	t     *testing.T
	files map[string]string
	index v1.Index
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, files: map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`}}
	s.index.SchemaVersion, s.index.MediaType = 2, v1.MediaTypeImageIndex
	return s
}

func (s *shop) put(mediaType string, raw []byte) v1.Descriptor {
	d := image.Describe(mediaType, raw)
	s.files["blobs/sha256/"+d.Digest.Encoded()] = string(raw)
	return d
}

// image adds an image with a name. Its layers hold the given texts.
func (s *shop) image(name string, labels map[string]string, layers ...string) v1.Descriptor {
	im := imagetest.Image{Labels: labels}
	created := time.Date(2025, 4, 16, 14, 50, 31, 0, time.UTC)
	im.Config.Created = &created
	for _, l := range layers {
		im.Layers = append(im.Layers, imagetest.GzipLayer(imagetest.Tar(map[string]string{"f": l})))
	}
	return s.name(im.Put(s.put), name)
}

func (s *shop) name(d v1.Descriptor, name string) v1.Descriptor {
	entry := d
	entry.Platform = nil
	entry.Annotations = map[string]string{"io.containerd.image.name": name}
	s.index.Manifests = append(s.index.Manifests, entry)
	return d
}

// refer adds an artifact that belongs to another manifest.
func (s *shop) refer(to v1.Descriptor, artifactType, content string) v1.Descriptor {
	to.Platform = nil
	m := imagetest.Manifest(s.put(v1.MediaTypeEmptyJSON, []byte("{}")), s.put("text/plain", []byte(content)))
	m.ArtifactType, m.Subject = artifactType, &to
	d := s.put(v1.MediaTypeImageManifest, imagetest.Encode(m))
	d.ArtifactType = artifactType
	s.index.Manifests = append(s.index.Manifests, d)
	return d
}

// save writes the archive and returns its path.
func (s *shop) save() string {
	s.files["index.json"] = string(imagetest.Encode(s.index))
	path := filepath.Join(s.t.TempDir(), "all.tar")
	if err := os.WriteFile(path, imagetest.Tar(s.files), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *source.Set {
	t.Helper()
	spec, err := source.Parse(path, registry.ParseTyped)
	if err != nil {
		t.Fatal(err)
	}
	set, err := spec.Open(t.Context(), source.Options{Look: true, Referrers: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

func build(t *testing.T, path string, files ...record.File) *record.Document {
	t.Helper()
	doc, err := record.Build(t.Context(), open(t, path), files)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func encode(t *testing.T, doc *record.Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := record.Write(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var archive = record.File{Name: "all.tar", Size: 1, SHA256: strings.Repeat("0", 64)}

func TestBuild(t *testing.T) {
	s := newShop(t)
	base := s.image("registry.corp/base:1", nil, "base")
	app := s.image("registry.corp/app:1", map[string]string{"team": "a"}, "base", "app")
	s.name(app, "registry.corp/app:latest")
	s.refer(app, "application/vnd.dev.cosign.artifact.sig.v1+json", "signature")
	s.refer(app, "application/spdx+json", "bill")
	doc := build(t, s.save(), archive)

	var names []string
	for _, im := range doc.Images {
		names = append(names, strings.Join(im.Names, " "))
		if im.LayerBytes != im.New+im.Shared+im.Absent || im.LayerBytes == 0 {
			t.Errorf("%+v", im)
		}
	}
	want := []string{"registry.corp/app:1 registry.corp/app:latest", "registry.corp/base:1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
	p := doc.Images[0].Platforms[0]
	on := &record.Base{From: "layers", Layers: 1, Image: "registry.corp/base:1"}
	if diff := cmp.Diff(on, p.Base); diff != "" {
		t.Error(diff)
	}
	if doc.Images[0].Digest != app.Digest || p.Labels["team"] != "a" || p.Platform != "linux/amd64" ||
		p.ID == "" || p.Created == nil || doc.Images[1].Digest != base.Digest {
		t.Errorf("%+v", doc.Images)
	}
	if b := doc.Images[1]; b.New != 0 || b.Shared == 0 || b.Platforms[0].Base != nil {
		t.Errorf("the base: %+v", b)
	}
	is := map[string]bool{}
	for _, r := range doc.Referrers {
		is[strings.Join(r.Is, " ")] = r.Subject == app.Digest && r.Size > 0
	}
	if diff := cmp.Diff(map[string]bool{"SBOM": true, "signature": true}, is); diff != "" {
		t.Error(diff)
	}
	if doc.Total.Images != 2 || doc.Total.Layers != 2 || doc.Total.AbsentBytes != 0 {
		t.Errorf("%+v", doc.Total)
	}
}

// The base is what the builder says, and else the shortest image that begins with the most layers.
func TestBase(t *testing.T) {
	s := newShop(t)
	s.image("c.io/a:1", nil, "1")
	s.image("c.io/b:1", nil, "1", "2")
	s.image("c.io/c:1", nil, "1", "2", "3")
	s.image("c.io/d:1", nil, "1", "2", "4")
	s.image("c.io/e:1", nil, "5", "6")
	s.image("c.io/g:1", nil, "5", "6", "7")
	s.image("c.io/h:1", nil, "1", "2", "3", "8")
	s.image("c.io/i:1", nil, "9", "8", "1")
	s.image("c.io/j:1", nil, "9", "8", "2")
	s.image("c.io/f:1", map[string]string{v1.AnnotationBaseImageName: "debian:12"}, "1", "2", "6")
	got := map[string]string{}
	for _, im := range build(t, s.save()).Images {
		if b := im.Platforms[0].Base; b != nil {
			got[im.Title()] = b.From + " " + b.Name + b.Image
		}
	}
	want := map[string]string{
		"c.io/b:1": "layers c.io/a:1", "c.io/c:1": "layers c.io/b:1", "c.io/d:1": "layers c.io/b:1",
		"c.io/f:1": "label debian:12", "c.io/g:1": "layers c.io/e:1", "c.io/h:1": "layers c.io/c:1",
		"c.io/i:1": "layers c.io/j:1", "c.io/j:1": "layers c.io/i:1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A layer that its manifest has an address of need not be inside. A record says whether it is.
func TestForeignLayers(t *testing.T) {
	s := newShop(t)
	content := imagetest.Tar(map[string]string{"f": "1"})
	im := imagetest.Image{Layers: []imagetest.Layer{imagetest.GzipLayer(content)}}
	im.Layers[0].MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	im.Layers[0].URLs = []string{"https://corp.test/layer"}
	s.name(im.Put(s.put), "c.io/a:1") // without the layer
	outside := build(t, s.save())
	layer := outside.Layers[0]
	s.put(layer.MediaType, im.Layers[0].Content)
	inside := build(t, s.save())
	if inside.Layers[0].Absent != "" || inside.Images[0].New != layer.Size {
		t.Errorf("inside: %+v", inside)
	}
	if layer.Absent != record.Foreign || outside.Images[0].Absent != layer.Size {
		t.Errorf("not inside: %+v", outside)
	}
}

// An archive that lacks a part of an image has no record.
func TestIncomplete(t *testing.T) {
	s := newShop(t)
	s.image("c.io/a:1", nil, "1", "2")
	layer := build(t, s.save()).Layers[0].Digest
	delete(s.files, "blobs/sha256/"+layer.Encoded())
	if doc, err := record.Build(t.Context(), open(t, s.save()), nil); err == nil {
		t.Errorf("%+v", doc)
	}
}

func TestReadWhatIsWritten(t *testing.T) {
	s := newShop(t)
	odd := "<script>\u202e\u0000\x7f\u200b&\u2028\U000e0041"
	app := s.image("registry.corp/app:1", map[string]string{odd: odd}, "base", "app")
	s.refer(app, "application/spdx+json", "bill")
	doc := build(t, s.save(), archive)
	raw := encode(t, doc)
	if bytes.ContainsAny(raw, "<>&\u202e\u200b\u2028\x7f") {
		t.Errorf("%s", raw)
	}
	got, err := record.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, got); diff != "" {
		t.Error(diff)
	}
	if lines := record.Compare(doc, got); len(lines) > 0 {
		t.Error(lines)
	}
}

func TestReadRefuses(t *testing.T) {
	s := newShop(t)
	s.image("registry.corp/app:1", nil, "base", "app")
	raw := string(encode(t, build(t, s.save(), archive)))
	for name, text := range map[string]string{
		"nothing": "", "another file": "hello", "another document": `{"mediaType":"x"}`,
		"a version to come": strings.Replace(raw, "record.v1", "record.v2", 1),
		"cut off":           raw[:len(raw)/2],
		"a page cut off":    `<script type="application/json" id="record">` + "\n" + raw,
		"sums":              strings.Replace(raw, `"newBytes":`, `"newBytes":1`, 1),
		"a total":           strings.Replace(raw, `"imageCount":1`, `"imageCount":2`, 1),
		"a key twice":       strings.Replace(raw, `"total":`, `"total":{},"total":`, 1),
		"a sum of a file":   strings.Replace(raw, archive.SHA256, "0", 1),
		"a layer":           strings.Replace(raw, `"layers":["sha256:`, `"layers":["sha256:0`, 1),
		"a digest":          strings.ReplaceAll(raw, `"digest":"sha256:`, `"digest":"sha257:`),
	} {
		if doc, err := record.Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, doc)
		}
	}
}

func TestCompare(t *testing.T) {
	s := newShop(t)
	s.image("c.io/a:1", nil, "1")
	s.image("c.io/b:1", nil, "1", "2")
	s.image("c.io/gone:1", nil, "1", "3")
	recorded := build(t, s.save(), archive, record.File{Name: "old", SHA256: strings.Repeat("1", 64)})

	o := newShop(t)
	o.image("c.io/a:2", nil, "1")
	o.image("c.io/b:1", nil, "1", "other")
	o.refer(o.image("c.io/new:1", nil, "2"), "application/spdx+json", "bill")
	renamed := archive
	renamed.Name = "other.tar"
	here := build(t, o.save(), renamed, record.File{Name: "more", SHA256: strings.Repeat("2", 64)})
	lines := record.Compare(recorded, here)
	for i, part := range []string{
		`image c.io/a:1: has the names "c.io/a:2" here, "c.io/a:1" in the record`,
		"image c.io/b:1: is sha256:", "image c.io/gone:1: is missing here",
		"image c.io/new:1: is not in the record",
		"referrer sha256:", "file old: no file here", "file more: the record has no file",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], part) || strings.Contains(lines[i], "\n") {
			t.Fatalf("%d: want %s:\n%s", i, part, strings.Join(lines, "\n"))
		}
	}
	if len(lines) != 7 {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	if same := record.Compare(recorded, recorded); len(same) > 0 {
		t.Error(same)
	}
}

// Everything that a record says of an image is compared, also where the digest is the same.
func TestCompareFields(t *testing.T) {
	s := newShop(t)
	a := s.image("c.io/a:1", map[string]string{"a": "b"}, "1", "2")
	s.refer(a, "application/spdx+json", "bill")
	path := s.save()
	for name, change := range map[string]func(*record.Document){
		"platform": func(d *record.Document) { d.Images[0].Platforms[0].Platform = "linux/arm64" },
		"image ID": func(d *record.Document) { d.Images[0].Platforms[0].ID = digest.FromString("x") },
		"labels":   func(d *record.Document) { d.Images[0].Platforms[0].Labels["a"] = "c" },
		"created":  func(d *record.Document) { d.Images[0].Platforms[0].Created = nil },
		"base":     func(d *record.Document) { d.Images[0].Platforms[0].Base = &record.Base{Name: "x"} },
		"missing":  func(d *record.Document) { d.Images[0].Platforms[0].Missing = true },
		"kind":     func(d *record.Document) { d.Images[0].Kind = "index" },
		"layers":   func(d *record.Document) { d.Images[0].Platforms[0].Layers = nil },
		"order": func(d *record.Document) {
			l := d.Images[0].Platforms[0].Layers
			l[0], l[1] = l[1], l[0]
		},
		"size of a layer": func(d *record.Document) { d.Layers[0].Size++ },
		"absent":          func(d *record.Document) { d.Layers[0].Absent = record.LeftOut },
		"diff ID":         func(d *record.Document) { d.Layers[0].DiffID = "" },
		"referrer":        func(d *record.Document) { d.Referrers[0].Size++ },
		"what it is":      func(d *record.Document) { d.Referrers[0].Is = []string{"signature"} },
	} {
		changed := build(t, path, archive)
		change(changed)
		if lines := record.Compare(changed, build(t, path, archive)); len(lines) != 1 {
			t.Errorf("%s: %q", name, lines)
		}
	}
}
