package dockerarchive_test

import (
	"bytes"
	stdcmp "cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/delta"
)

// leaveOut enters into Absent, of all images and their referrers, the layers that is true of.
func leaveOut(is func(v1.Descriptor) bool, images ...*image.Image) {
	for _, im := range images {
		configs := map[digest.Digest]bool{}
		for _, n := range im.Manifests {
			if n.Document.Config != nil {
				configs[n.Document.Config.Digest] = true
			}
		}
		for _, d := range im.Blobs {
			if is(d) && !configs[d.Digest] {
				im.Absent = append(im.Absent, image.Absent{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut})
			}
		}
		leaveOut(is, im.Referrers...)
	}
}

func always(v1.Descriptor) bool { return true }

// thinned is an archive without its delta document and the annotation, the document, and what it is called.
func thinned(t testing.TB, archive []byte) (rest []entry, document []byte, d digest.Digest) {
	t.Helper()
	all, _ := entries(t, archive)
	var index v1.Index
	if err := json.Unmarshal([]byte(all[1].Body), &index); err != nil {
		t.Fatal(err)
	}
	d = digest.Digest(index.Annotations[delta.Annotation])
	for i, e := range all {
		switch {
		case e.Name == "index.json":
			e.Body = strings.Replace(e.Body, `,"annotations":{"io.drayage.delta":"`+d.String()+`"}}`, "}", 1)
		case d != "" && e.Name == "blobs/sha256/"+d.Encoded():
			if i > 0 && strings.HasPrefix(all[i-1].Name, "blobs/") || document != nil {
				t.Errorf("the delta document stands behind %s", all[i-1].Name)
			}
			document = []byte(e.Body)
			continue
		}
		rest = append(rest, e)
	}
	return rest, document, d
}

// A thin archive is the whole one without some blobs, with a document that lists them.
func TestWriteThin(t *testing.T) {
	shapes := ociShapes(t)
	for name, given := range shapes {
		whole, _ := entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, given...))
		leaveOut(always, given...)
		archive := written(t, dockerarchive.OCI, dockerarchive.Options{}, given...)
		var b bytes.Buffer
		if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.OCI, given,
			dockerarchive.Options{}); err != nil || !bytes.Equal(b.Bytes(), archive) {
			t.Errorf("%s: Stream writes %d bytes, Write %d: %v", name, b.Len(), len(archive), err)
		}
		got, raw, d := thinned(t, archive)
		if name == "no layers" {
			if diff := cmp.Diff(whole, got); diff != "" || d != "" {
				t.Errorf("%s: delta document %q\n%s", name, d, diff)
			}
			continue
		}
		doc, err := delta.Parse(raw)
		if err != nil || digest.FromBytes(raw) != d {
			t.Errorf("%s: %s %q: %v", name, d, raw, err)
			continue
		}
		want := slices.DeleteFunc(slices.Clone(whole), func(e entry) bool {
			return slices.ContainsFunc(doc.Absent, func(b delta.Blob) bool {
				return e.Name == "blobs/sha256/"+b.Digest.Encoded()
			})
		})
		if diff := cmp.Diff(want, got); diff != "" || len(want) == len(whole) {
			t.Errorf("%s: the whole archive without what is absent (-want +got):\n%s", name, diff)
		}
		for _, e := range got {
			if strings.HasPrefix(e.Name, "blobs/") && !strings.HasPrefix(e.Body, "{") {
				t.Errorf("%s: a layer is inside: %s", name, e.Name)
			}
		}
	}
}

// thinPair are two images. The base is left out of the first, and the second needs it inside or not.
func thinPair(t testing.TB) (s *store, one, two *image.Image, base packed) {
	s = newStore(t)
	base = s.layer(tarball(1, 3000), zipped)
	one = s.image("one", []string{"docker.io/library/one:1", "docker.io/library/alias:2"}, base,
		s.layer(tarball(2, 3000), zipped))
	two = s.image("two", nil, base)
	one.Absent = []image.Absent{{Part: image.PartLayer, Descriptor: base.blob, Reason: image.LeftOut}}
	return s, one, two, base
}

func TestDeltaDocument(t *testing.T) {
	s, one, two, base := thinPair(t)
	if _, _, d := thinned(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, one, two)); d != "" {
		t.Errorf("the second image needs the layer inside, and it is absent by %s", d)
	}
	two.Absent = one.Absent
	signature := s.open(s.artifact("application/vnd.example.signature"))
	signature.Subject = one.Root.Digest
	text := signature.Manifests[0].Document.Layers[0]
	signature.Absent = []image.Absent{{Part: image.PartLayer, Descriptor: text, Reason: image.LeftOut}}
	one.Referrers = []*image.Image{signature}
	one.Absent = append(one.Absent, // configurations travel, whoever has them
		image.Absent{Part: image.PartConfig, Descriptor: one.Blobs[0], Reason: image.LeftOut})
	_, raw, _ := thinned(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, one, two))
	got, err := delta.Parse(raw)
	want := &delta.Document{
		Images: []string{"docker.io/library/alias:2", "docker.io/library/one:1", two.Root.Digest.String()},
		Absent: []delta.Blob{
			{Digest: base.blob.Digest, Size: base.blob.Size, DiffID: base.diffID,
				MediaType: base.blob.MediaType, Images: []int32{0, 1, 2}},
			{Digest: text.Digest, Size: text.Size, MediaType: text.MediaType, Images: []int32{0, 1}},
		},
	}
	slices.SortFunc(want.Absent, func(a, b delta.Blob) int { return stdcmp.Compare(a.Digest, b.Digest) })
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	again := written(t, dockerarchive.OCI, dockerarchive.Options{}, two, one)
	if _, other, _ := thinned(t, again); !bytes.Equal(raw, other) {
		t.Error("another order of images makes another delta document")
	}
}

// Where two configurations tell different diff IDs of a layer, none is told.
func TestDeltaDocumentWithoutADisputedDiffID(t *testing.T) {
	s := newStore(t)
	base := s.layer(tarball(1, 3000), zipped)
	one := s.image("one", []string{"docker.io/library/one:1"}, base)
	base.diffID = digest.FromString("something else")
	two := s.image("two", []string{"docker.io/library/two:1"}, base)
	leaveOut(always, one, two)
	_, raw, _ := thinned(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, one, two))
	if doc, err := delta.Parse(raw); err != nil || doc.Absent[0].DiffID != "" || len(doc.Absent[0].Images) != 2 {
		t.Errorf("%+v, %v", doc, err)
	}
}
