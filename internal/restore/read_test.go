package restore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/restore"
	"drayage/internal/source"
	"drayage/registry"
)

const (
	one   = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	two   = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
	three = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
)

// read reads a clue from a file with some content.
func read(t testing.TB, content string) (restore.Clue, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "clue")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := source.Parse(name, registry.ParseTyped)
	if err != nil {
		t.Fatal(err)
	}
	var c restore.Clue
	err = c.Read(t.Context(), spec, source.Options{TempDir: t.TempDir()})
	return c, err
}

func TestDigestsAreRead(t *testing.T) {
	for text, want := range map[string]bool{
		one: true, "app@" + one: true, "reg.test:5000/team/app:1@" + one: true,
		"": false, "app:1": false, "sha256:11": false, "app@sha256:11": false, "an app@" + one: false,
	} {
		if got := new(restore.Clue).ParseDigest(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNamesOfDigests(t *testing.T) {
	c, err := read(t, "\xef\xbb\xbf# digests of March\n\n  # and of April\n"+
		"reg.test/team/app@"+one+"\r\n# a comment\n"+two+"\n\n"+
		"reg.test/db:2@"+three+" # more\n")
	if err != nil {
		t.Fatal(err)
	}
	all := restore.Clues{&c}
	for _, of := range []struct {
		names []string
		want  string
	}{
		{[]string{"docker.io/library/app:9"}, one + ", " + two}, {[]string{"reg.test/db:2"}, two + ", " + three},
		{nil, one + ", " + two + ", " + three},
	} {
		if w := all.Wanted("", of.names); w.String() != of.want || w.Certain || !w.Any() {
			t.Errorf("%v: %s", of.names, w)
		}
	}
	if !all.Has(two) || !c.Used || all.Has(digest.FromString("another")) {
		t.Error("what is wanted is not known")
	}
}

func TestDocumentsAreRead(t *testing.T) {
	index := `{"schemaVersion":2,"manifests":[{"mediaType":"` + v1.MediaTypeImageManifest +
		`","digest":"` + one + `","size":2}]}`
	c, err := read(t, index)
	all := restore.Clues{&c}
	if err != nil || !all.Has(one) || all.Index(one) != digest.FromString(index) || all.Index(two) != "" {
		t.Error("index", err)
	}
	manifest := `{"schemaVersion":2,"config":{"mediaType":"` + v1.MediaTypeImageConfig + `","digest":"` + two +
		`","size":2},"layers":[]}`
	c, err = read(t, manifest)
	all = restore.Clues{&c}
	m, ok := all.Known(two)
	if err != nil || !ok || m.Digest() != digest.FromString(manifest) || !all.Has(m.Digest()) {
		t.Error("manifest", ok, err)
	}
	if _, ok := all.Known(one); ok {
		t.Error("another image has this manifest too")
	}
}

func TestInventoryIsRead(t *testing.T) {
	c, err := read(t, `{"mediaType":"application/vnd.drayage.inventory.v1+json","blobs":[{"digest":"`+one+
		`","size":1},{"digest":"`+two+`","size":2},{"digest":"`+three+`","size":3,"diffID":"`+one+
		`"}],"chains":[],"images":[]}`)
	all := restore.Clues{&c}
	if w := all.Wanted(one, nil); err != nil || !w.Certain || w.String() != one+", "+two {
		t.Errorf("%s, %v", w, err)
	}
	if w := all.Wanted(three, nil); w.Any() {
		t.Errorf("the image is not in the inventory: %s", w)
	}
}

func TestWhatIsNoClue(t *testing.T) {
	for content, want := range map[string]string{
		one + "\nnothing\n":               `line 2: "nothing" is no digest`,
		`{"schemaVersion":2}`:             "it has neither config nor manifests",
		"{":                               "unexpected end of JSON",
		"<html>":                          "not a record",
		"a text":                          "it is no tar file but text",
		"":                                "the file is empty",
		" \n":                             "the file is empty",
		`{"config":{"Cmd":["sh"]}}`:       "it is no manifest as drayage manifest prints it",
		"\xff\xfe{\x00}\x00":              "its digest is lost",
		one + strings.Repeat("\n", 5<<20): "more than 4 MiB",
		`{"mediaType":"application/vnd.drayage.record.v1+json"}`: "no digest of a manifest",
	} {
		_, err := read(t, content)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", content[:min(len(content), 90)], err)
		}
	}
}

func FuzzClue(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("app@" + one + "\n" + two))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"` + one + `"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.HasPrefix(raw, []byte("<")) {
			return // a record, which has a target of its own
		}
		c, err := read(t, string(raw))
		if err != nil {
			return
		}
		all := restore.Clues{&c}
		all.Has(one)
		all.Known(one)
		if w := all.Wanted(one, nil); w.Any() != (w.String() != "") {
			t.Errorf("%q", w.String())
		}
	})
}
