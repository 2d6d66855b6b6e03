package dockerarchive_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	tt "drayage/internal/transfertest"
)

// multi is an index of images for this machine and for two others.
func (s *store) multi(author string) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex}
	ix.SchemaVersion = 2
	for i, p := range []v1.Platform{{OS: "linux", Architecture: "mips"}, image.DefaultPlatform(),
		{OS: "windows", Architecture: "amd64"}} {
		d := s.build(v1.Image{Author: author, Platform: p}, nil, s.layer(tarball(1, 3000), zipped),
			s.layer(tarball(byte(20+i), 2000), zipped)).Root
		d.Platform = &p
		ix.Manifests = append(ix.Manifests, d)
	}
	return s.PutJSON(ix.MediaType, ix)
}

func ociShapes(t testing.TB) map[string][]*image.Image {
	s := newStore(t)
	const a, b = "docker.io/library/a:1", "docker.io/library/b:1"
	shared := s.layer(tarball(1, 3000), zipped)
	one, two := s.image("one", nil, shared, s.layer(tarball(2, 700_000), zstded)).Root,
		s.image("two", nil, shared).Root
	signature := s.open(s.artifact("application/vnd.example.signature"))
	signature.Subject = one.Digest
	return map[string][]*image.Image{
		"one":               {s.open(one, a)},
		"without a name":    {s.open(one)},
		"two names":         {s.open(one, b, a)},
		"no layers":         {s.open(s.image("none", nil).Root, a)},
		"an empty layer":    {s.open(s.image("empty", nil, s.layer(nil, plain), shared).Root, a)},
		"sharing a layer":   {s.open(two, b), s.open(one, a)},
		"twice":             {s.open(one, a), s.open(one, a, b)},
		"several platforms": {s.open(s.multi("x"), a), s.open(two, b)},
		"with a signature":  {s.open(one, a), signature},
		"an artifact":       {s.open(s.artifact("application/vnd.cncf.helm.config.v1+json"), a)},
	}
}

// artifact stores something that is no container image.
func (s *store) artifact(configType string) v1.Descriptor {
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: s.Put(configType, []byte("{}")),
		Layers: []v1.Descriptor{s.Put("text/plain", []byte("text"))}}
	m.SchemaVersion = 2
	return s.PutJSON(m.MediaType, m)
}

func TestWriteOCI(t *testing.T) {
	for name, given := range ociShapes(t) {
		want := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...)
		if got := written(t, dockerarchive.OCI, dockerarchive.Options{Jobs: 1}, given...); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes with one job", name)
		}
		var b bytes.Buffer
		if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.OCI, given,
			dockerarchive.Options{}); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: StreamOCI writes %d bytes, WriteOCI %d: %v", name, b.Len(), len(want), err)
		}
		checkOCIEntries(t, name, want)
		checkOCILayout(t, name, want, given)
	}
}

// checkOCIEntries checks the order of an archive, and that every blob is there once and what its name says.
func checkOCIEntries(t *testing.T, name string, archive []byte) {
	t.Helper()
	all, headers := entries(t, archive)
	var documents []string
	seen := map[string]bool{}
	for i, e := range all {
		if seen[e.Name] {
			t.Errorf("%s: %s is there twice", name, e.Name)
		}
		seen[e.Name] = true
		hex, isBlob := strings.CutPrefix(e.Name, "blobs/sha256/")
		if isBlob && digest.FromString(e.Body).Encoded() != hex {
			t.Errorf("%s: %s holds something else", name, e.Name)
		}
		if !isBlob {
			documents = append(documents, e.Name)
		}
		if h := headers[i]; e.Type != 0 || h.Mode != 0o644 || h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s: header %+v", name, h)
		}
	}
	full := []string{"oci-layout", "index.json", "manifest.json", "repositories"}
	if len(documents) > len(full) || !slices.Equal(documents, full[:len(documents)]) ||
		all[0].Name != "oci-layout" {
		t.Errorf("%s: documents %v", name, documents)
	}
	if tail := archive[len(archive)-1024:]; !bytes.Equal(tail, make([]byte, 1024)) {
		t.Errorf("%s: the end is not empty", name)
	}
}

// checkOCILayout opens the archive as a layout and as a saved tar, and compares with what it was made of.
func checkOCILayout(t *testing.T, name string, archive []byte, given []*image.Image) {
	t.Helper()
	r, err := open(archive)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Contents(t.Context())
	if err != nil || c.Layout == nil || len(c.Saved)+len(c.Remarks)+len(c.Faults) > 0 {
		t.Fatalf("%s: %+v, %v", name, c, err)
	}
	l := c.Layout
	for _, im := range given {
		found, err := l.Find(im.Root.Digest.String())
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %s is not in the index: %v", name, im.Root.Digest, err)
			continue
		}
		if found[0].Subject != im.Subject {
			t.Errorf("%s: %s belongs to %q", name, im.Root.Digest, found[0].Subject)
		}
		for _, n := range im.Names {
			if found, err := l.Find(n); err != nil || len(found) != 1 || found[0].Descriptor.Digest != im.Root.Digest {
				t.Errorf("%s: %s is %v, %v", name, n, found, err)
			}
		}
		g, err := image.Load(t.Context(), l, im.Root, image.Selection{All: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, b := range g.Blobs {
			if _, err := image.ReadAll(t.Context(), l, b, 1<<20); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if name == "an artifact" {
		return
	}
	saved, err := r.Images(t.Context())
	if err != nil {
		t.Errorf("%s: as a saved tar: %v", name, err)
	}
	for _, s := range saved {
		im, err := s.Image(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written(t, dockerarchive.Docker, dockerarchive.Options{}, im) // checks every layer against its diff ID
	}
}

// TestWriteOCIWithReferrers checks that referrers come along, by the tags that cosign looks for where they
// have one.
func TestWriteOCIWithReferrers(t *testing.T) {
	s := newStore(t)
	im := s.image("a", []string{"docker.io/library/a:1", "docker.io/library/a:2", "registry.example/b:1"},
		s.layer(tarball(1, 3000), zipped))
	sbom, signature := s.open(s.artifact("application/vnd.example.sbom")),
		s.open(s.artifact("application/vnd.example.signature"))
	sbom.Subject, signature.Subject, signature.Tag = im.Root.Digest, im.Root.Digest, "sha256-0.sig"
	im.Referrers = []*image.Image{sbom, signature}
	r, err := open(written(t, dockerarchive.OCI, dockerarchive.Options{}, im))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed, err := c.Layout.Images()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range listed {
		if l.Subject != "" {
			got = append(got, l.Name+" "+l.Descriptor.Digest.String())
		}
	}
	want := []string{
		" " + sbom.Root.Digest.String(),
		"docker.io/library/a:sha256-0.sig " + signature.Root.Digest.String(),
		"registry.example/b:sha256-0.sig " + signature.Root.Digest.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("referrers (-want +got):\n%s", diff)
	}
}

// TestWriteWithoutSomeBlobs checks that a tar may lack what was left out on purpose, and nothing else. An OCI
// tar may lack foreign layers too.
func TestWriteWithoutSomeBlobs(t *testing.T) {
	s := newStore(t)
	here, away := s.layer(tarball(1, 3000), zipped), s.layer(tarball(2, 3000), zipped)
	im := s.image("a", []string{"docker.io/library/a:1"}, here, away)
	delete(s.Content, away.blob.Digest)
	for reason, fine := range map[image.Reason]bool{image.LeftOut: true, image.ForeignLayer: true,
		image.Missing: false, image.Damaged: false} {
		im.Absent = []image.Absent{{Part: image.PartLayer, Descriptor: away.blob, Reason: reason}}
		f := &memory{}
		err := dockerarchive.Write(t.Context(), f, dockerarchive.OCI, []*image.Image{im}, dockerarchive.Options{})
		if (err == nil) != fine {
			t.Errorf("reason %d: %v", reason, err)
		}
		if err := dockerarchive.Write(t.Context(), &memory{}, dockerarchive.Docker, []*image.Image{im},
			dockerarchive.Options{}); (err == nil) != (reason == image.LeftOut) {
			t.Errorf("reason %d: a docker tar without a layer: %v", reason, err)
		}
		if !fine {
			continue
		}
		all, _ := entries(t, f.data)
		names := map[string]bool{}
		for _, e := range all {
			names[e.Name] = true
		}
		if !names["blobs/sha256/"+here.blob.Digest.Encoded()] || names["blobs/sha256/"+away.blob.Digest.Encoded()] {
			t.Errorf("reason %d: %v", reason, names)
		}
	}
}

func TestWriteOCINamesOnePlatform(t *testing.T) {
	s := newStore(t)
	images, err := images(written(t, dockerarchive.OCI, dockerarchive.Options{},
		s.open(s.multi("x"), "docker.io/library/a:1")))
	if err != nil || len(images) != 1 {
		t.Fatalf("%d images in manifest.json, %v", len(images), err)
	}
	if diff := cmp.Diff([]string{"docker.io/library/a:1"}, images[0].Names); diff != "" {
		t.Error(diff)
	}
	if config := string(images[0].Config); !strings.Contains(config, `"`+image.DefaultPlatform().Architecture+
		`"`) {
		t.Errorf("manifest.json names %s", config)
	}
}

func TestWriteOCIRefuses(t *testing.T) {
	s := newStore(t)
	good := s.layer(tarball(1, 3000), zipped)
	whole := func(names ...string) []*image.Image {
		return []*image.Image{s.open(s.image("a", nil, good).Root, names...)}
	}
	other := s.open(s.image("b", nil, good).Root, "docker.io/library/a:1")
	changed := s.layer(tarball(2, 3000), zipped)
	wrong := []*image.Image{s.image("c", nil, good, changed)}
	s.Content[changed.blob.Digest] = flipped(s.Content[changed.blob.Digest], 100)
	gone := s.layer(tarball(3, 3000), zipped)
	absent := []*image.Image{s.image("d", nil, good, gone)}
	delete(s.Content, gone.blob.Digest)
	for name, c := range map[string]struct {
		images []*image.Image
		want   error
	}{
		"no images":               {nil, nil},
		"name with both":          {whole("docker.io/library/a:1@" + good.diffID.String()), nil},
		"name without a tag":      {whole("docker.io/library/a"), nil},
		"one name for two images": {append(whole("docker.io/library/a:1"), other), nil},
		"changed blob":            {wrong, dockerarchive.ErrIntegrity},
		"absent blob":             {absent, nil},
	} {
		if err := dockerarchive.Write(t.Context(), &memory{}, dockerarchive.OCI, c.images,
			dockerarchive.Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: WriteOCI: %v, want %v", name, err, c.want)
		}
		if err := dockerarchive.Stream(t.Context(), &bytes.Buffer{}, dockerarchive.OCI, c.images,
			dockerarchive.Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: StreamOCI: %v, want %v", name, err, c.want)
		}
	}
}

// A name with a digest stands in index.json. Engines take none from manifest.json.
func TestPinnedName(t *testing.T) {
	s := newStore(t)
	im := s.image("a", nil, s.layer(tarball(1, 3000), zipped))
	pinned := "docker.io/library/a@" + im.Root.Digest.String()
	im.Names = []string{pinned, "docker.io/library/a:1"}
	for _, format := range []dockerarchive.Format{dockerarchive.Docker, dockerarchive.OCI} {
		raw := written(t, format, dockerarchive.Options{}, im)
		r, err := dockerarchive.NewReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		contents, err := r.Contents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, saved := range contents.Saved {
			names = append(names, saved.Names...)
		}
		if contents.Layout != nil {
			entries, _ := contents.Layout.Images()
			for _, e := range entries {
				names = append(names, e.Name)
			}
		}
		want := []string{"docker.io/library/a:1"}
		if format == dockerarchive.OCI {
			want = append(want, pinned)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %q, want %q", format, names, want)
		}
		if items := bytes.Count(raw, []byte(`"RepoTags":["docker.io/library/a:1"]`)); items != 1 {
			t.Errorf("%s: %d items with the tag alone", format, items)
		}
	}
}

func TestWriteOCISurvivesFaults(t *testing.T) {
	s := newStore(t)
	l := s.layer(tarball(1, 530_000), zipped)
	im := s.open(s.image("a", nil, l).Root, "docker.io/library/a:1")
	want := written(t, dockerarchive.OCI, dockerarchive.Options{}, im)
	for name, tries := range map[string][]tt.Try{
		"wrong once": {tt.Flip(100_000)}, "too long once": {tt.Long("x")}, "too short once": {tt.Short(1)},
	} {
		im.Source = im.Graph.Source(&faulty{s, l.blob.Digest,
			&tt.Source{Content: s.Content[l.blob.Digest], Tries: tries}})
		if got := written(t, dockerarchive.OCI, dockerarchive.Options{}, im); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	for _, room := range []int{1, 600, len(want) / 2, len(want) - 3000} {
		f := &memory{room: room}
		im.Source = im.Graph.Source(s)
		if err := dockerarchive.Write(t.Context(), f, dockerarchive.OCI, []*image.Image{im},
			dockerarchive.Options{}); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: %v", room, len(want), err)
		}
	}
}

// TestLayoutOrSavedTar checks by which of its two descriptions an archive is read.
func TestLayoutOrSavedTar(t *testing.T) {
	s := newStore(t)
	pulled := s.open(s.image("a", nil, s.layer(tarball(1, 2000), zipped)).Root, "docker.io/library/a:1")
	uncompressed := s.open(s.image("b", nil, s.layer(tarball(1, 2000), plain)).Root, "docker.io/library/a:1")
	made := s.open(uncompressed.Root, uncompressed.Names...)
	made.Uncompressed = true
	full, _ := entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, pulled))
	without := func(drop func(entry) bool) []byte {
		return archive(t, slices.DeleteFunc(slices.Clone(full), drop)...)
	}
	named := func(names ...string) func(entry) bool {
		return func(e entry) bool { return slices.Contains(names, e.Name) }
	}
	for name, c := range map[string]struct {
		archive       []byte
		layout        bool
		saved, faults int
	}{
		"both":                  {archive(t, full...), true, 0, 0},
		"without manifest.json": {without(named("manifest.json", "repositories")), true, 0, 0},
		"without index.json":    {without(named("index.json")), false, 1, 0},
		"without oci-layout":    {without(named("oci-layout")), true, 0, 0},
		"with another index.json": {archive(t, append(standard, file("index.json", `["no index"]`))...),
			false, 1, 0},
		"without its layer": {without(func(e entry) bool {
			return e.Name == "blobs/sha256/"+pulled.Blobs[1].Digest.Encoded()
		}), true, 0, 1},
		"without its manifest": {without(func(e entry) bool {
			return e.Name == "blobs/sha256/"+pulled.Root.Digest.Encoded()
		}), false, 1, 0},
		"with layers as Docker 25 does": {written(t, dockerarchive.OCI, dockerarchive.Options{}, made), false, 1,
			0},
		"with layers that were so": {written(t, dockerarchive.OCI, dockerarchive.Options{}, uncompressed), true, 0,
			0},
		"a saved tar": {archive(t, standard...), false, 1, 0},
	} {
		r, err := open(c.archive)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Contents(t.Context()); err != nil || (got.Layout != nil) != c.layout ||
			len(got.Saved) != c.saved || len(got.Faults) != c.faults {
			t.Errorf("%s: %+v, %v; want a layout: %v, saved: %d, faults: %d", name, got, err, c.layout, c.saved,
				c.faults)
		}
	}
	r, err := open(archive(t, file("oci-layout", `{"imageLayoutVersion":"9"}`), file("index.json", "{}")))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.Contents(t.Context()); err == nil {
		t.Errorf("version 9: %+v", c)
	}
}

// An OCI archive whose manifest is damaged is not read by its manifest.json, which knows of one platform
// only.
func TestLayoutDamaged(t *testing.T) {
	s := newStore(t)
	whole := s.open(s.multi("ann"), "docker.io/library/a:1")
	for i, n := range whole.Manifests {
		all, _ := entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, whole))
		for j := range all {
			if all[j].Name == "blobs/sha256/"+n.Descriptor.Digest.Encoded() {
				all[j].Body = strings.Replace(all[j].Body, ":", ";", 1)
			}
		}
		r, err := open(archive(t, all...))
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Contents(t.Context())
		if err != nil || len(c.Saved) > 0 || !errors.Is(c.Faults[whole.Root.Digest], dockerarchive.ErrIntegrity) {
			t.Errorf("manifest %d of %d: %+v, %v", i+1, len(whole.Manifests), c, err)
		}
	}
}

// A context that has ended makes no archive one of the other kind.
func TestLayoutCancelled(t *testing.T) {
	s := newStore(t)
	r, err := open(written(t, dockerarchive.OCI, dockerarchive.Options{},
		s.open(s.multi("ann"), "docker.io/library/a:1")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if c, err := r.Contents(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", c, err)
	}
}
