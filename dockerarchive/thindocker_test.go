package dockerarchive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/delta"
)

const deltaFile = "drayage.delta.json"

// thinDockerTar is a docker tar of one image, without its base, and the whole tar.
func thinDockerTar(t testing.TB) (thin, whole []byte, im *image.Image, base packed) {
	_, im, _, base = thinPair(t)
	left := im.Absent
	im.Absent = nil
	whole = written(t, dockerarchive.Docker, dockerarchive.Options{}, im)
	im.Absent = left
	return written(t, dockerarchive.Docker, dockerarchive.Options{}, im), whole, im, base
}

// A docker tar without the base of its image is the whole one without the directory of that layer, and with a
// file that lists it. manifest.json and the layers that are inside are the same.
func TestThinDockerTar(t *testing.T) {
	thin, whole, im, base := thinDockerTar(t)
	all, _ := entries(t, thin)
	var listed string
	got := slices.DeleteFunc(all, func(e entry) bool {
		if e.Name == deltaFile {
			listed = e.Body
		}
		return e.Name == deltaFile
	})
	var items []struct{ Layers []string }
	if err := json.Unmarshal([]byte(got[0].Body), &items); err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(items[0].Layers[0], "/")
	want, _ := entries(t, whole)
	want = slices.DeleteFunc(want, func(e entry) bool { return strings.HasPrefix(e.Name, dir) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the whole tar without the base (-want +got):\n%s", diff)
	}
	doc, err := delta.Parse([]byte(listed))
	if err != nil || len(doc.Absent) != 1 || doc.Absent[0].DiffID != base.diffID ||
		doc.Absent[0].Digest != base.blob.Digest || doc.Absent[0].Size != base.blob.Size {
		t.Errorf("%s: %v", listed, err)
	}
	var b bytes.Buffer
	err = dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, []*image.Image{im},
		dockerarchive.Options{})
	if err != nil || !bytes.Equal(b.Bytes(), thin) {
		t.Errorf("Stream writes something else than Write: %v", err)
	}
}

// Who needs all layers is told which are not there. Survey tells why.
func TestReadThinDockerTar(t *testing.T) {
	thin, _, im, base := thinDockerTar(t)
	r, err := open(thin)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Contents(t.Context())
	if !errors.Is(err, dockerarchive.ErrLeftOut) || !strings.Contains(err.Error(), base.diffID.String()) {
		t.Errorf("Contents: %v", err)
	}
	c, err := r.Survey(t.Context())
	if err != nil || len(c.Saved) != 1 {
		t.Fatal(err)
	}
	saved := c.Saved[0]
	want := image.Absent{Part: image.PartLayer, Descriptor: base.blob, Reason: image.LeftOut,
		DiffID: base.diffID}
	want.Descriptor.Digest = base.diffID
	if len(saved.Absent) == 1 {
		want.Path = saved.Absent[0].Path
	}
	if diff := cmp.Diff([]image.Absent{want}, saved.Absent); diff != "" {
		t.Error(diff)
	}
	if ids := saved.DiffIDs(); len(ids) != 2 || ids[0] != base.diffID || len(saved.Layers) != 1 {
		t.Errorf("%q, %d layers", ids, len(saved.Layers))
	}
	if _, err := saved.Image(t.Context()); !errors.Is(err, dockerarchive.ErrLeftOut) {
		t.Errorf("Image: %v", err)
	}
	p, err := dockerarchive.NewPass(t.Context(), bytes.NewReader(thin))
	if err == nil && p.Whole() == nil {
		_, err = p.Plan(t.Context())
		if !errors.Is(err, dockerarchive.ErrLeftOut) || errors.Is(err, dockerarchive.ErrOrder) {
			t.Errorf("Plan: %v", err)
		}
	}
	if n, _, err := r.Unreferenced(nil); n != 0 || err != nil {
		t.Errorf("%d files that no image leads to, %v", n, err)
	}
	_ = im
}

// A layer that one image needs inside is inside for all, also if they have it in two compressions.
func TestThinDockerTarShares(t *testing.T) {
	s := newStore(t)
	text := tarball(1, 3000)
	base, bare := s.layer(text, zipped), s.layer(text, plain)
	one := s.image("one", []string{"docker.io/library/one:1"}, base, s.layer(tarball(2, 3000), zipped))
	two := s.image("two", []string{"docker.io/library/two:1"}, s.layer(tarball(3, 3000), zipped), bare)
	one.Absent = []image.Absent{{Part: image.PartLayer, Descriptor: base.blob, Reason: image.LeftOut}}
	delete(s.Content, base.blob.Digest) // nobody reads it
	for _, given := range [][]*image.Image{{one, two}, {two, one}} {
		archive := written(t, dockerarchive.Docker, dockerarchive.Options{}, given...)
		saved, err := images(archive)
		if err != nil || len(saved[0].Layers) != 2 || len(saved[1].Layers) != 2 {
			t.Errorf("%v", err)
		}
		all, _ := entries(t, archive)
		if slices.ContainsFunc(all, func(e entry) bool { return e.Name == deltaFile }) {
			t.Error("nothing was left out, and there is a delta document")
		}
	}
}

// What the delta document says has to be so: all that is missing is listed, and all that is listed is
// missing.
func TestThinDockerTarContradicts(t *testing.T) {
	thin, whole, _, base := thinDockerTar(t)
	change := func(archived []byte, f func(e *entry) bool) []byte {
		all, _ := entries(t, archived)
		return archive(t, slices.DeleteFunc(all, func(e entry) bool { return e.Name == deltaFile && !f(&e) })...)
	}
	document := func(text string) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			all, _ := entries(t, thin)
			for i := range all {
				if all[i].Name == deltaFile {
					all[i].Body = text
				}
			}
			return archive(t, all...)
		}
	}
	listing := func(id digest.Digest) string {
		d := delta.Document{Images: []string{"a"}, Absent: []delta.Blob{{Digest: id, Size: 1, DiffID: id,
			MediaType: "x", Images: []int32{0}}}}
		raw, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	withDocument := func(t testing.TB) []byte {
		all, _ := entries(t, whole)
		return archive(t, append(all, entry{Name: deltaFile, Body: listing(base.diffID)})...)
	}
	for name, c := range map[string]struct {
		make func(testing.TB) []byte
		want string
	}{
		"no document": {func(testing.TB) []byte {
			return change(thin, func(*entry) bool { return false })
		}, "layer"},
		"another layer":     {document(listing(digest.FromString("x"))), "layer"},
		"it is inside":      {withDocument, "which is inside or which no image needs"},
		"no document's":     {document("{}"), "cannot be used"},
		"a later version's": {document(`{"mediaType":"application/vnd.drayage.delta.v2+json"}`), "newer drayage"},
		"no diff ID": {document(strings.Replace(listing(base.diffID),
			`"diffID":"`+base.diffID.String()+`",`, "", 1)), "does not say what"},
	} {
		r, err := open(c.make(t))
		if err == nil {
			_, err = r.Contents(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, dockerarchive.ErrLeftOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
