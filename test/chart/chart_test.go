package chart

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func example() Chart {
	return Chart{Title: "Crates & <ships>", Description: `By "harbour".`, Panels: []Panel{
		{"Crates", []Bar{
			{Label: "own", Value: 50, Text: "50", Own: true}, {Label: "other", Value: 200, Text: "200"}}},
		{"Ships", []Bar{{Label: "sunk < afloat", Value: 3, Of: 4, Text: "3 of 4"}, {Label: "none", Text: "0"}}}}}
}

// widths are those of the bars, without the background.
func widths(t *testing.T, svg []byte) (all []string) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return all[1:]
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			for _, a := range e.Attr {
				if a.Name.Local == "width" {
					all = append(all, a.Value)
				}
			}
		}
	}
}

// Within a panel a bar is as long as its figure says; the longest fills the width, and a part stands before
// the whole.
func TestBarsAreAsLongAsTheirFigures(t *testing.T) {
	files := example().Files("x")
	for _, name := range []string{"x-light.svg", "x-dark.svg"} {
		want := []string{"61.0", "244.0", "244.0", "183.0", "1.0"}
		if got := widths(t, files[name]); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if bytes.Equal(files["x-light.svg"], files["x-dark.svg"]) || len(files) != 2 {
		t.Errorf("light and dark are the same, or there are more: %d", len(files))
	}
}

func TestPicture(t *testing.T) {
	got := example().Picture("pictures", "x")
	for _, want := range []string{`srcset="pictures/x-dark.svg"`, `src="pictures/x-light.svg"`,
		`alt="Crates &amp; &lt;ships&gt;. The tables on this page have the figures."`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestSaveAndDiffer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	files := example().Files("x")
	if got := Differ(dir, files); len(got) != 2 {
		t.Errorf("nothing is there, but %q differ", got)
	}
	if err := Save(dir, files); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x-dark.svg"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Differ(dir, files); !slices.Equal(got, []string{"x-dark.svg"}) {
		t.Errorf("%q differ", got)
	}
}
