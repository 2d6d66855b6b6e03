package dockerarchive_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/imagetest"
	"drayage/layout"
)

// absentIn lists what contents say was left out, by image.
func absentIn(c *dockerarchive.Contents) map[digest.Digest][]digest.Digest {
	all := map[digest.Digest][]digest.Digest{}
	for d, absent := range c.Absent {
		for _, a := range absent {
			if a.Reason == image.LeftOut && a.Err == nil && a.Part != image.PartManifest {
				all[d] = append(all[d], a.Descriptor.Digest)
			}
		}
		slices.Sort(all[d])
	}
	return all
}

// leftOutOf is the same of images.
func leftOutOf(images []*image.Image) map[digest.Digest][]digest.Digest {
	all := map[digest.Digest][]digest.Digest{}
	for _, im := range images {
		var digests []digest.Digest
		for _, a := range im.Absent {
			digests = append(digests, a.Descriptor.Digest)
		}
		if slices.Sort(digests); len(digests) > 0 {
			all[im.Root.Digest] = slices.Compact(digests)
		}
		maps.Copy(all, leftOutOf(im.Referrers))
	}
	return all
}

// unpacked is the archive as a directory.
func unpacked(t testing.TB, archive []byte) fstest.MapFS {
	files := fstest.MapFS{}
	all, _ := entries(t, archive)
	for _, e := range all {
		files[e.Name] = &fstest.MapFile{Data: []byte(e.Body)}
	}
	return files
}

// What was left out is known again, in an archive, in a stream and in a directory.
func TestReadThin(t *testing.T) {
	for name, given := range ociShapes(t) {
		leaveOut(always, given...)
		archive := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...)
		want := leftOutOf(given)
		check := func(how string, c *dockerarchive.Contents, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				return
			}
			if diff := cmp.Diff(want, absentIn(c)); diff != "" || len(c.Faults)+len(c.Saved) > 0 {
				t.Errorf("%s, %s: %+v, absent (-want +got):\n%s", name, how, c, diff)
			}
		}
		r, err := open(archive)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Contents(t.Context())
		check("Contents", c, err)
		c, err = r.Survey(t.Context())
		check("Survey", c, err)
		l, err := layout.New(unpacked(t, archive))
		if err != nil {
			t.Fatal(err)
		}
		for _, entries := range []bool{false, true} {
			c, err = dockerarchive.OfLayout(t.Context(), l, entries)
			check("a directory", c, err)
		}
	}
}

// thinArchive is an archive that lacks one layer.
func thinArchive(t testing.TB) (archive []byte, one *image.Image, base packed) {
	_, one, _, base = thinPair(t)
	return written(t, dockerarchive.OCI, dockerarchive.Options{}, one), one, base
}

func TestReadThinKeepsWhatTheDocumentSays(t *testing.T) {
	archive, one, base := thinArchive(t)
	r, err := open(archive)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := c.Absent[one.Root.Digest]
	if len(a) != 1 || a[0].Part != image.PartLayer || a[0].DiffID != base.diffID ||
		!cmp.Equal(a[0].Descriptor, base.blob) || a[0].IsFault() {
		t.Errorf("absent: %+v", a)
	}
	im, err := image.Open(t.Context(), c.Layout, one.Root, image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	im.LeaveOut(a)
	im.Names = one.Names
	if again := written(t, dockerarchive.OCI, dockerarchive.Options{}, im); !bytes.Equal(again, archive) {
		t.Error("the thin archive, written again, is another one")
	}
}

// edit is what a hostile archive does to its document and its files.
type edit func(doc *delta.Document, files map[string]string)

func TestHostileThin(t *testing.T) {
	archive, one, _ := thinArchive(t)
	top := one.Manifests[0].Document.Layers[1]
	config := *one.Manifests[0].Document.Config
	with := func(d v1.Descriptor) edit {
		return func(doc *delta.Document, _ map[string]string) {
			doc.Absent = append(doc.Absent, delta.Blob{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType,
				Images: []int32{0}})
			slices.SortFunc(doc.Absent, func(a, b delta.Blob) int {
				return strings.Compare(string(a.Digest), string(b.Digest))
			})
		}
	}
	without := func(d v1.Descriptor) edit {
		return func(_ *delta.Document, files map[string]string) { delete(files, path(d)) }
	}
	both := func(d v1.Descriptor) edit {
		return func(doc *delta.Document, files map[string]string) {
			with(d)(doc, files)
			without(d)(doc, files)
		}
	}
	change := func(f func(*delta.Blob)) edit {
		return func(doc *delta.Document, _ map[string]string) { f(&doc.Absent[0]) }
	}
	none := func(*delta.Document, map[string]string) {}
	const lacks = "lacks what its delta document does not list: "
	for name, c := range map[string]struct {
		edit edit
		err  string
	}{
		"as it was":               {none, ""},
		"another layer absent":    {both(top), ""},
		"a layer missing":         {without(top), lacks + top.Digest.String()},
		"a manifest missing":      {without(one.Root), lacks + one.Root.Digest.String()},
		"a manifest absent":       {both(one.Root), ": it is a manifest, which has to be inside"},
		"a configuration absent":  {both(config), ": it is a configuration, which has to be"},
		"a configuration missing": {without(config), lacks},
		"a layer that is inside":  {with(top), top.Digest.String() + ": it is inside"},
		"a manifest that is inside": {with(one.Root),
			one.Root.Digest.String() + ": it is inside"},
		"something else": {with(image.Describe("text/plain", []byte("x"))), "no manifest leads to it"},
		"another size":   {change(func(b *delta.Blob) { b.Size++ }), "and its manifest says"},
		"another type":   {change(func(b *delta.Blob) { b.MediaType = "text/plain" }), `it would be "text/plain"`},
		"another blob": {change(func(b *delta.Blob) { b.Digest = digest.FromString("x") }),
			"no manifest leads to it"},
		"no document": {func(_ *delta.Document, files map[string]string) { files["drop"] = "" },
			"it lacks its delta document sha256:"},
		"another document": {func(_ *delta.Document, files map[string]string) { files["spoil"] = "" },
			"delta document: sha256:"},
		"a document of nothing": {func(doc *delta.Document, _ map[string]string) { doc.Absent = nil },
			"cannot be used: it lists no blob"},
		"a document of the future": {func(_ *delta.Document, files map[string]string) { files["future"] = "" },
			"a newer drayage is needed"},
		"a broken annotation": {func(_ *delta.Document, files map[string]string) { files["broken"] = "" },
			"the annotation io.drayage.delta of index.json"},
	} {
		edited := edited(t, archive, c.edit)
		r, err := open(edited)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Contents(t.Context())
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; want %q", name, err, c.err)
		}
		if err != nil && name != "a document of the future" && !errors.Is(err, dockerarchive.ErrIncomplete) &&
			!errors.Is(err, dockerarchive.ErrIntegrity) {
			t.Errorf("%s: the error is of no kind: %v", name, err)
		}
		p, err := dockerarchive.NewPass(t.Context(), bytes.NewReader(edited))
		if err != nil {
			t.Fatal(err)
		}
		whole := p.Whole()
		if whole == nil {
			t.Fatal("the archive is too large for this test")
		}
		if _, err := whole.Contents(t.Context()); (err == nil) != (c.err == "") {
			t.Errorf("%s, as a stream: %v", name, err)
		}
	}

}

func path(d v1.Descriptor) string {
	return "blobs/" + d.Digest.Algorithm().String() + "/" + d.Digest.Encoded()
}

// edited is a thin archive with another delta document and without some files.
func edited(t testing.TB, archive []byte, edit edit) []byte {
	t.Helper()
	all, _ := entries(t, archive)
	_, raw, old := thinned(t, archive)
	doc, err := delta.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range all {
		files[e.Name] = e.Body
	}
	edit(doc, files)
	if raw, err = doc.Marshal(); err != nil {
		t.Fatal(err)
	}
	if _, future := files["future"]; future {
		raw = []byte(strings.Replace(string(raw), "delta.v1", "delta.v2", 1))
	}
	is := digest.FromBytes(raw)
	if _, broken := files["broken"]; broken {
		is = "sha256:../../etc/passwd"
	}
	var out []entry
	for _, e := range all {
		_, dropped := files["drop"]
		_, spoilt := files["spoil"]
		_, there := files[e.Name]
		switch {
		case e.Name == "index.json":
			e.Body = strings.Replace(e.Body, old.String(), is.String(), 1)
		case e.Name == "blobs/sha256/"+old.Encoded() && dropped, !there:
			continue
		case e.Name == "blobs/sha256/"+old.Encoded():
			if e.Name, e.Body = "blobs/sha256/"+digest.FromBytes(raw).Encoded(), string(raw); spoilt {
				e.Body += " "
			}
		}
		out = append(out, e)
	}
	return imagetest.Pack(out...)
}

// A directory may have more than its delta document says: blobs have come, and images were removed.
func TestThinDirectory(t *testing.T) {
	archive, _, base := thinArchive(t)
	read := func(files fstest.MapFS) (*dockerarchive.Contents, error) {
		l, err := layout.New(files)
		if err != nil {
			t.Fatal(err)
		}
		return dockerarchive.OfLayout(t.Context(), l, false)
	}
	_, _, document := thinned(t, archive)
	files := unpacked(t, archive)
	files[path(base.blob)] = &fstest.MapFile{Data: []byte("it has come")}
	if c, err := read(files); err != nil || len(c.Absent) > 0 {
		t.Errorf("with the layer: %+v, %v", c, err)
	}
	files = unpacked(t, archive)
	delete(files, "blobs/sha256/"+document.Encoded())
	if c, err := read(files); err != nil || len(c.Absent) > 0 {
		t.Errorf("without the document: %+v, %v", c, err)
	}
	files = unpacked(t, archive)
	files["blobs/sha256/"+document.Encoded()].Data = []byte("{}")
	if _, err := read(files); !errors.Is(err, dockerarchive.ErrIntegrity) {
		t.Errorf("with a damaged document: %v", err)
	}
	files = unpacked(t, archive)
	files["index.json"] = &fstest.MapFile{Data: []byte(`{"manifests":[],"annotations":{"io.drayage.delta":"` +
		document.String() + `"}}`)}
	if c, err := read(files); err != nil || len(c.Absent) > 0 {
		t.Errorf("without images: %+v, %v", c, err)
	}
	files["index.json"].Data = []byte(`{"manifests":[],"annotations":{"io.drayage.delta":"a",` +
		`"io.drayage.delta":"` + document.String() + `"}}`)
	if _, err := read(files); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("with two annotations: %v", err)
	}

}

// Who looks for faults sees all platforms of an index of a thin archive: what its document does not list is
// missing, and no platform that an engine did not have.
func TestSurveyOfThinIndex(t *testing.T) {
	given := ociShapes(t)["several platforms"]
	leaveOut(always, given...)
	index := given[0]
	top := index.Manifests[1].Document.Layers[1]
	archive := edited(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, given...),
		func(doc *delta.Document, _ map[string]string) {
			doc.Absent = slices.DeleteFunc(doc.Absent, func(b delta.Blob) bool { return b.Digest == top.Digest })
		})
	r, err := open(archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Contents(t.Context()); !errors.Is(err, dockerarchive.ErrIncomplete) {
		t.Errorf("Contents: %v", err)
	}
	c, err := r.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Layout.Find(index.Root.Digest.String())
	if err != nil || len(found) != 1 || len(c.Remarks) > 0 {
		t.Errorf("Survey finds %v, %v with remarks %v; want the whole index", found, err, c.Remarks)
	}
	if absent := absentIn(c)[index.Root.Digest]; slices.Contains(absent, top.Digest) || len(absent) == 0 {
		t.Errorf("%s counts as left out: %v", top.Digest, absent)
	}
	for _, a := range c.Absent[index.Root.Digest] {
		if a.Reason != image.LeftOut {
			t.Errorf("absent is intended: %+v", a)
		}
	}
}

// thinShapes are small thin archives.
func thinShapes(t testing.TB) (all [][]byte) {
	for _, given := range ociShapes(t) {
		leaveOut(always, given...)
		all = append(all, written(t, dockerarchive.OCI, dockerarchive.Options{}, given...))
	}
	return all
}

// In whatever order images and their names are given, the archive is the same: who reads it may have another
// order.
func TestOrderOfImages(t *testing.T) {
	shapes := ociShapes(t)
	s := newStore(t)
	one, two := s.image("one", nil, s.layer(tarball(1, 3000), zipped)).Root,
		s.image("two", nil, s.layer(tarball(2, 3000), zipped)).Root
	shapes["several of all"] = []*image.Image{s.open(one, "docker.io/library/c:1", "docker.io/library/a:1"),
		s.open(two, "docker.io/library/x:1"), s.open(one, "docker.io/library/b:1"), s.open(two)}
	for name, given := range shapes {
		want := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...)
		slices.Reverse(given)
		for _, im := range given {
			slices.Reverse(im.Names)
		}
		if got := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...); !bytes.Equal(got, want) {
			t.Errorf("%s: the reverse order makes other bytes", name)
		}
	}
}

// FuzzThin checks that nobody is told of an image that a blob was left out unless that is so, and that all
// else that is not inside is a fault.
func FuzzThin(f *testing.F) {
	archive, one, _ := thinArchive(f)
	all, _ := entries(f, archive)
	rest, raw, is := thinned(f, archive)
	f.Add(raw, uint8(0))
	f.Add(raw, uint8(1))
	for i := range rest {
		f.Add(raw, uint8(1<<i))
	}
	f.Add([]byte("{}"), uint8(0))
	f.Add([]byte(strings.Replace(string(raw), `"absent":[`, `"absent":[{"digest":"`+is.String()+`","size":1},`, 1)),
		uint8(0))
	f.Fuzz(func(t *testing.T, document []byte, without uint8) {
		d := digest.FromBytes(document)
		var files []entry
		for i, e := range all {
			switch {
			case e.Name == "index.json":
				e.Body = strings.Replace(e.Body, is.String(), d.String(), 1)
			case e.Name == "blobs/sha256/"+is.Encoded():
				e = entry{Name: "blobs/sha256/" + d.Encoded(), Body: string(document)}
			case i > 4 && without&(1<<(i-5)) != 0:
				continue
			}
			files = append(files, e)
		}
		r, err := open(imagetest.Pack(files...))
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Contents(t.Context())
		if err != nil || len(c.Faults) > 0 {
			return
		}
		absent := map[digest.Digest]bool{}
		for _, a := range c.Absent[one.Root.Digest] {
			absent[a.Descriptor.Digest] = true
		}
		for _, p := range one.Parts() {
			if _, err := c.Layout.Stat(p.Digest); (err != nil) != absent[p.Digest] {
				t.Fatalf("%s: %v, and it was left out: %v", p.Digest, err, absent[p.Digest])
			}
		}
	})
}
