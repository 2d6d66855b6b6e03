package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/image"
	"drayage/internal/record"
)

func page(t *testing.T, doc *record.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := record.WritePage(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page carries the bytes of the JSON.
func TestPageCarriesTheRecord(t *testing.T) {
	s := newShop(t)
	app := s.image("registry.corp/app:1", map[string]string{"team": "a"}, "base", "app")
	s.image("registry.corp/base:1", nil, "base")
	s.refer(app, "application/spdx+json", "bill")
	doc := build(t, s.save(), archive)
	text := page(t, doc)
	if !strings.Contains(text, string(encode(t, doc))) {
		t.Error("the JSON is not in the page")
	}
	for _, want := range []string{
		"Record of <bdi>all.tar</bdi>", archive.SHA256 + "  all.tar\n", app.Digest.String(), "SBOM",
		"the first 1 layer is also in <bdi>registry.corp/base:1</bdi>", "shared by 2 images",
		"2025-04-16 14:50:31 UTC",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, foreign := range []string{"http://", "https://", "<script>", "src=", "@import", "javascript"} {
		if strings.Contains(text, foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	got, err := record.Read(strings.NewReader(text))
	if err != nil || len(record.Compare(doc, got)) > 0 {
		t.Error(err)
	}
	if again := page(t, build(t, s.save(), archive)); again != text {
		t.Error("another page of the same images")
	}
}

// A page that shows something else than its JSON is told from one that was left as it was.
func TestRedrawn(t *testing.T) {
	s := newShop(t)
	s.image("registry.corp/app:1", map[string]string{"team": "a <b>"}, "base", "app")
	doc := build(t, s.save(), archive)
	text := page(t, doc)
	name := filepath.Join(t.TempDir(), "r.html")
	for is, want := range map[string]bool{
		text: false, string(encode(t, doc)): false, text + "<p>and</p>": true, text[:len(text)-1]: true,
		strings.Replace(text, "<bdi>registry.corp/app:1", "<bdi>registry.corp/good:1", 1): true,
	} {
		if err := os.WriteFile(name, []byte(is), 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := record.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := record.Redrawn(name, read); err != nil || got != want {
			t.Errorf("redrawn is %v, %v, want %v: %.40q", got, err, want, is)
		}
	}
}

// odd texts as images could have them: each must come out as text.
var odd = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`,
	`javascript:alert(1)`, `</title></style><svg onload=alert(1)>`, `{{.}}`, `' onclick='alert(1)`,
	"<!--", "]]>", "\u202e3202.rat", "a\u200bb", "\x1b[31mred", "a\nb", "\u2066x", "\ufeff",
}

func TestPageEscapes(t *testing.T) {
	for _, text := range odd {
		s := newShop(t)
		labels := map[string]string{text: text, "org.opencontainers.image.base.name": text}
		s.refer(s.image("registry.corp/app:1", labels, "base", "app"), text, "bill")
		doc := build(t, s.save(), record.File{Name: text, SHA256: archive.SHA256})
		doc.Images[0].Names = append(doc.Images[0].Names, text)
		doc.Images[0].Platforms[0].Platform = text
		got := page(t, doc)
		if n := strings.Count(got, "<script"); n != 1 {
			t.Errorf("%q: %d scripts", text, n)
		}
		if strings.Count(got, "</script>") != 1 || strings.Contains(got, "<img") ||
			strings.Contains(got, "<svg on") {
			t.Errorf("%q is markup", text)
		}
		before, rest, _ := strings.Cut(got, `id="record">`)
		_, after, _ := strings.Cut(rest, "</script>")
		if strings.Contains(before+after, " onclick='") {
			t.Errorf("%q gets out of an attribute", text)
		}
		for _, hidden := range []string{"\u202e", "\u200b", "\x1b", "\u2066", "\ufeff"} {
			if strings.Contains(got, hidden) {
				t.Errorf("%q: the page has %q", text, hidden)
			}
		}
		if back, err := record.Read(strings.NewReader(got)); err != nil || len(record.Compare(doc, back)) > 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A record that could not be read again is not written.
func TestTooLarge(t *testing.T) {
	labels := map[string]string{"a": strings.Repeat("x", record.MaxSize)}
	doc := &record.Document{MediaType: record.MediaType, Images: []record.Image{
		{Platforms: []record.Platform{{Labels: labels}}},
	}}
	if err := record.Write(io.Discard, doc); !errors.Is(err, image.ErrTooMany) {
		t.Error(err)
	}
	if err := record.WritePage(io.Discard, doc); !errors.Is(err, image.ErrTooMany) {
		t.Error(err)
	}
	if _, err := record.Read(strings.NewReader("{" + labels["a"])); !errors.Is(err, image.ErrTooMany) {
		t.Error(err)
	}
}

// Of very many images the page shows a part, and says so.
func TestPageOfManyImages(t *testing.T) {
	doc := &record.Document{MediaType: record.MediaType}
	for i := range 2000 {
		doc.Images = append(doc.Images, record.Image{Names: []string{fmt.Sprintf("c.io/a:%d", i)}})
	}
	text := page(t, doc)
	n := strings.Count(text, `<section class="image"`)
	if n != 1000 || !strings.Contains(text, "The other 1,000 are") {
		t.Errorf("%d in detail", n)
	}
}
