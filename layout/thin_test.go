package layout_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// thinShop is the directory that a thin archive was unpacked into: a layer is not there, and a document that
// no image leads to tells of it.
func thinShop(t *testing.T) (s *shop, document v1.Descriptor) {
	s = newShop(t)
	a := s.image("{}", nil, "of the far side", "own")
	s.enter(name(a, "a:1"))
	document = s.blob("application/vnd.drayage.delta.v1+json", `{"absent":[]}`)
	s.annotate(document.Digest.String())
	layer := image.Describe(v1.MediaTypeImageLayer, []byte("of the far side"))
	if err := os.Remove(filepath.Join(s.Path(), "blobs/sha256", layer.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	return &shop{t, s.settled()}, document
}

func (s *shop) annotate(document string) {
	s.Helper()
	path := filepath.Join(s.Path(), "index.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	var index map[string]any
	if err := json.Unmarshal(raw, &index); err != nil {
		s.Fatal(err)
	}
	index["annotations"] = map[string]string{"io.drayage.delta": document}
	if raw, err = json.Marshal(index); err == nil {
		err = os.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shop) wantDocument(when string, want digest.Digest) {
	s.Helper()
	if got, err := s.again().DeltaDocument(); got != want || err != nil {
		s.Errorf("%s: the delta document is %q, %v; want %s", when, got, err, want)
	}
	if _, err := s.Stat(want); want != "" && err != nil {
		s.Errorf("%s: %v", when, err)
	}
}

// An unpacked thin archive stays one, whatever else is done to the layout.
func TestThinLayout(t *testing.T) {
	s, document := thinShop(t)
	if u := s.usage(); u.Unreferenced != 0 || u.Damaged != nil {
		t.Errorf("usage: %+v", u)
	}
	same(t, "collected", layout.Collected{}, *s.collect(layout.CollectOptions{}))
	s.wantDocument("after gc", document.Digest)
	s.enter(name(s.image(`{"b":1}`, nil, "another"), "b:1"))
	s.wantDocument("with another image", document.Digest)
	if _, _, err := s.AddName(t.Context(), places("a:1"), "corp.test/c:1", "1"); err != nil {
		t.Errorf("another name for an image that lacks a layer: %v", err)
	}
	s.wantDocument("with another name", document.Digest)
	if _, err := s.Remove(t.Context(), places("b:1"), false); err != nil {
		t.Error(err)
	}
	s.settled()
	s.collect(layout.CollectOptions{})
	s.wantDocument("without the other image", document.Digest)
	same(t, "stored", []string{"own"}, s.stored())
	same(t, "names", []string{"corp.test/a:1", "corp.test/c:1"}, s.names())
}

// What the document lists as patches stays, and so does everything that a document mentions which nobody
// understands.
func TestPatchesStay(t *testing.T) {
	s, _ := thinShop(t)
	patch, recipe := s.blob("", "patch"), s.blob("", "recipe")
	sum := func(x string) string { return digest.FromString(x).String() }
	for _, document := range []string{`{"mediaType":"application/vnd.drayage.delta.v1+json","images":["x"],
		"absent":[],"rebuilt":[{"digest":"` + sum("of the far side") + `","size":15,"diffID":"` + sum("plain") + `",
		"mediaType":"t","images":[0],"unpacked":30,"patch":"` + patch.Digest.String() + `","patchSize":5,
		"recipe":"` + recipe.Digest.String() + `","recipeSize":6,"bases":[{"digest":"` + sum("old") + `","size":3,
		"diffID":"` + sum("older") + `","mediaType":"t"}]}]}`,
		`{"mediaType":"application/vnd.drayage.delta.v9+json","x":"` + patch.Digest.String() + `","y":"` +
			recipe.Digest.String() + `"}`,
	} {
		s.annotate(s.blob("application/vnd.drayage.delta.v1+json", document).Digest.String())
		s = &shop{t, s.settled()}
		s.collect(layout.CollectOptions{})
		for _, d := range []v1.Descriptor{patch, recipe} {
			if _, err := s.Stat(d.Digest); err != nil {
				t.Errorf("%s\n%v", document, err)
			}
		}
	}
	s.annotate("")
	s = &shop{t, s.settled()}
	if s.collect(layout.CollectOptions{}); len(s.stored()) != 1 {
		t.Errorf("without a document nobody needs patches: %v", s.stored())
	}
}

func TestDeltaDocumentOfALayout(t *testing.T) {
	s := newShop(t)
	s.wantDocument("of an ordinary layout", "")
	for raw, want := range map[string]string{
		`{"manifests":[]}`:                                                  "",
		`{"manifests":[],"annotations":null}`:                               "",
		`{"manifests":[],"annotations":["x"]}`:                              "",
		`{"manifests":[],"annotations":{"io.drayage.delta":7}}`:             "",
		`{"manifests":[],"annotations":{"io.drayage.delta":"x"}}`:           "x",
		`{"manifests":[],"annotations":{"IO.drayage.delta":"x"}}`:           "",
		`{"manifests":[{"annotations":{"io.drayage.delta":"x"}}]}`:          "",
		`{"annotations":{},"annotations":{"io.drayage.delta":"x"}}`:         "error",
		`{"annotations":{"io.drayage.delta":"y","io.drayage.delta":"x"}}`:   "error",
		`{"Annotations":{"io.drayage.delta":"y"},"annotations":{"x":"y"}}`:  "error",
		`{"manifests":[],"annotations":{"io.drayage.delta":"x"}} behind it`: "error",
	} {
		if err := os.WriteFile(filepath.Join(s.Path(), "index.json"), []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := s.DeltaDocument()
		if err != nil {
			got = "error"
		}
		if got.String() != want || err != nil && !strings.Contains(err.Error(), "index.json") {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
	}
}
