package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPicturesAreUpToDate(t *testing.T) {
	for name, want := range pictures() {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "pictures", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/pictures/%s is not what this program draws: cd test && go run ./cmd/road", name)
		}
	}
}

// Each picture is XML, has a title for screen readers, and text that a page can search.
func TestPicturesAreReadable(t *testing.T) {
	for name, picture := range pictures() {
		words := texts(t, name, picture)
		wanted := []string{title, description, "drayage fetch", "drayage push", "OCI tar", "docker tar"}
		for _, want := range wanted {
			if !strings.Contains(words, want+"\n") {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if bytes.Contains(picture, []byte("%!")) {
			t.Errorf("%s has a mistake of fmt", name)
		}
	}
}

// Pictures of one width differ in colours alone.
func TestLightAndDarkSayTheSame(t *testing.T) {
	all := pictures()
	for _, shape := range []string{"road-", "road-narrow-"} {
		_, bright, _ := bytes.Cut(all[shape+"light.svg"], []byte("</style>"))
		_, night, _ := bytes.Cut(all[shape+"dark.svg"], []byte("</style>"))
		if !bytes.Equal(bright, night) || len(bright) == 0 {
			t.Errorf("%s: light and dark differ", shape)
		}
	}
}

// texts returns all text of an XML document, each followed by a line break.
func texts(t *testing.T, name string, raw []byte) string {
	t.Helper()
	var all strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if text, ok := token.(xml.CharData); ok {
			all.WriteString(string(text) + "\n")
		}
	}
}
