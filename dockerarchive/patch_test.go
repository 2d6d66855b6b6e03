package dockerarchive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/delta"
	"drayage/layout"
)

// patchedPair is an image without its layers: the lower one is at the destination, and the upper one travels
// as a patch of another. The patch is none that could be applied: nobody does that here.
func patchedPair(t testing.TB) (s *store, im *image.Image, upper packed, how *image.Rebuilt) {
	s = newStore(t)
	lower, old := s.layer(tarball(1, 3000), zipped), s.layer(tarball(2, 3000), zipped)
	upper = s.layer(tarball(3, 3000), zipped)
	im = s.image("new", []string{"docker.io/library/new:2"}, lower, upper)
	how = &image.Rebuilt{Unpacked: int64(len(tarball(3, 3000))), Model: "zlib -6",
		Patch: s.Put("", []byte("a patch")), Recipe: s.Put("", []byte("a recipe")),
		Bases: []image.Base{{Descriptor: old.blob, DiffID: old.diffID}}}
	im.Absent = []image.Absent{
		{Part: image.PartLayer, Descriptor: lower.blob, Reason: image.LeftOut, DiffID: lower.diffID},
		{Part: image.PartLayer, Descriptor: upper.blob, Reason: image.LeftOut, DiffID: upper.diffID, Rebuilt: how},
	}
	return s, im, upper, how
}

func TestPatchesTravel(t *testing.T) {
	_, im, upper, how := patchedPair(t)
	archive := written(t, dockerarchive.OCI, dockerarchive.Options{}, im)
	all, _ := entries(t, archive)
	inside := map[string]string{}
	for _, e := range all {
		inside[e.Name] = e.Body
	}
	if inside[path(how.Patch)] != "a patch" || inside[path(how.Recipe)] != "a recipe" {
		t.Errorf("the patch and the recipe are not inside: %d entries", len(all))
	}
	if _, whole := inside[path(upper.blob)]; whole {
		t.Error("the layer is inside in spite of its patch")
	}
	r, err := open(archive)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(im.Absent, c.Absent[im.Root.Digest]); diff != "" {
		t.Errorf("absent (-want +got):\n%s", diff)
	}
	l, err := layout.New(unpacked(t, archive))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := l.DeltaBlobs(t.Context())
	if err != nil || len(blobs) != 3 || !blobs[how.Patch.Digest] || !blobs[how.Recipe.Digest] {
		t.Errorf("the document, a patch and a recipe: %v, %v", blobs, err)
	}
	again, err := image.Open(t.Context(), c.Layout, im.Root, image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	again.LeaveOut(c.Absent[im.Root.Digest])
	again.Names = im.Names
	if !bytes.Equal(archive, written(t, dockerarchive.OCI, dockerarchive.Options{}, again)) {
		t.Error("written again, it is another archive")
	}
	p, err := dockerarchive.NewPass(t.Context(), bytes.NewReader(archive))
	if err != nil || p.Whole() == nil {
		t.Errorf("a stream with patches is read in one pass, but patches need what comes later: %v", err)
	}
}

// A layer that one image needs inside is inside for all of them. Its patch is not.
func TestNoPatchOfWhatIsInside(t *testing.T) {
	s, im, upper, how := patchedPair(t)
	other := s.image("other", []string{"docker.io/library/other:1"}, upper)
	all, _ := entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, im, other))
	for _, e := range all {
		if e.Name == path(how.Patch) || e.Name == path(how.Recipe) {
			t.Errorf("%s is inside beside the layer", e.Name)
		}
	}
}

// Of two patches of one layer the smaller one travels, in any order of the images.
func TestOnePatchOfALayer(t *testing.T) {
	s, im, upper, how := patchedPair(t)
	other := s.image("other", []string{"docker.io/library/other:1"}, upper)
	larger := *how
	larger.Patch = s.Put("", []byte("another patch, which is larger"))
	other.Absent = []image.Absent{im.Absent[1]}
	other.Absent[0].Rebuilt = &larger
	one := written(t, dockerarchive.OCI, dockerarchive.Options{}, im, other)
	if !bytes.Equal(one, written(t, dockerarchive.OCI, dockerarchive.Options{}, other, im)) {
		t.Error("another order makes another archive")
	}
	if bytes.Contains(one, []byte("another patch")) || !bytes.Contains(one, []byte("a patch")) {
		t.Error("the larger patch travels")
	}
}

func TestPatchesThatCannotBe(t *testing.T) {
	_, im, _, how := patchedPair(t)
	if err := dockerarchive.Stream(t.Context(), &bytes.Buffer{}, dockerarchive.Docker,
		[]*image.Image{im}, dockerarchive.Options{}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a docker tar with a patch: %v", err)
	}
	how.Bases = nil
	if err := dockerarchive.Stream(t.Context(), &bytes.Buffer{}, dockerarchive.OCI, []*image.Image{im},
		dockerarchive.Options{}); err == nil || !strings.Contains(err.Error(), "rebuilt from nothing") {
		t.Errorf("what no reader takes is written: %v", err)
	}
}

func TestHostilePatches(t *testing.T) {
	_, im, upper, how := patchedPair(t)
	archive := written(t, dockerarchive.OCI, dockerarchive.Options{}, im)
	for name, c := range map[string]struct {
		edit edit
		err  string
	}{
		"as it was": {func(*delta.Document, map[string]string) {}, ""},
		"no patch": {func(_ *delta.Document, files map[string]string) { delete(files, path(how.Patch)) },
			"is incomplete: it lacks"},
		"no recipe": {func(_ *delta.Document, files map[string]string) { delete(files, path(how.Recipe)) },
			"is incomplete: it lacks"},
		"another size": {func(d *delta.Document, _ map[string]string) { d.Rebuilt[0].Size++ }, "it would have"},
		"another type": {func(d *delta.Document, _ map[string]string) { d.Rebuilt[0].MediaType = "text/plain" },
			"its manifest says something else"},
		"inside too": {func(d *delta.Document, files map[string]string) {
			d.Rebuilt[0].Digest = digest.FromString("a patch")
		}, "it is inside"},
		"not listed": {func(d *delta.Document, _ map[string]string) { d.Rebuilt = nil },
			upper.blob.Digest.String()},
		"nobody's": {func(d *delta.Document, _ map[string]string) {
			d.Rebuilt = append(d.Rebuilt, d.Rebuilt[0])
			d.Rebuilt[1].Digest = "sha256:" + digest.Digest(strings.Repeat("f", 64))
		}, "no manifest leads to it"},
		"a configuration": {func(d *delta.Document, _ map[string]string) {
			d.Rebuilt[0].Digest = im.Manifests[0].Document.Config.Digest
		}, "which lists sha256:"},
	} {
		r, err := open(edited(t, archive, c.edit))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Contents(t.Context())
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; want %q", name, err, c.err)
		}
		if err != nil && !errors.Is(err, dockerarchive.ErrIncomplete) &&
			!errors.Is(err, dockerarchive.ErrIntegrity) {
			t.Errorf("%s: the error is of no kind: %v", name, err)
		}
	}
}
