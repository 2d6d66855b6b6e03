package dockerarchive_test

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/layout"
)

// within puts entries below a directory, as tar does when it packs one: the targets of hard links get it too.
func within(dir string, all []entry) (inside []entry) {
	for _, e := range all {
		e.Name = dir + e.Name
		if e.Type == tar.TypeLink {
			e.Link = dir + e.Link
		}
		inside = append(inside, e)
	}
	return inside
}

// TestWrapped has archives of directories that somebody unpacked a saved tar into.
func TestWrapped(t *testing.T) {
	config, a, b := file(configName, configAB), file("a/layer.tar", layerA), file("b/layer.tar", layerB)
	usual := index(item(configName, nil, "a/layer.tar", "b/layer.tar"))
	wrapped := within("dir/", standard)
	linked := func(e ...entry) []entry { return with(e, usual, config, b) }
	junk := []entry{file("._dir", "mac"), file(".DS_Store", ""), file("dir/._manifest.json", "mac"),
		file("dir/a/._layer.tar", "mac"), file("._repositories", "mac")}
	for name, all := range map[string][]entry{
		"a directory":        wrapped,
		"with its own entry": with([]entry{dir("dir/")}, wrapped...),
		"with ./": with([]entry{dir("./"), dir("./dir/")},
			within("./dir/", standard)...),
		"by its absolute name": within("/home/ann/dir/", standard),
		"several directories": with([]entry{dir("home/"), dir("home/ann")},
			within("home/ann/dir/", standard)...),
		"of the name of a layer":     within("a/", standard),
		"of the name of a file":      within("manifest.json/", standard),
		"with what macOS adds":       slices.Concat(junk, wrapped),
		"with what macOS adds, last": slices.Concat(wrapped, junk),
		"a link": within("dir/",
			linked(link("a/layer.tar", "../x"), file("x", layerA))),
		"an absolute link": within("dir/", linked(link("a/layer.tar", "/x"), file("x", layerA))),
		"an absolute link from the top": within("dir/",
			linked(link("a/layer.tar", "/dir/x"), file("x", layerA))),
		"a link by the name of the top": within("dir/",
			linked(link("a/layer.tar", "../../dir/x"), file("x", layerA))),
		"a link that goes too far up": within("dir/",
			linked(link("a/layer.tar", "../../../../x"), file("x", layerA))),
		"a hard link": within("dir/", linked(hard("a/layer.tar", "x"), file("x", layerA))),
		"a hard link, wrapped later": with(within("dir/", linked(file("x", layerA))),
			entry{Name: "dir/a/layer.tar", Type: tar.TypeLink, Link: "x"}),
		"a hard link below its own name": within("x/", linked(hard("a/layer.tar", "x"), file("x", layerA))),
		"a global header": with([]entry{{Name: "pax_global_header",
			Type: tar.TypeXGlobalHeader}}, wrapped...),
		"equal entries twice":           slices.Concat(wrapped, wrapped),
		"in no directory, with macOS's": slices.Concat(junk[:2], standard),
		"layers that look like macOS's": {index(item(configName, nil, "._a", ".DS_Store")), config,
			file("._a", layerA), file(".DS_Store", layerB)},
		"the same in a directory": within("dir/",
			[]entry{index(item(configName, nil, "._a", ".DS_Store")), config, file("._a", layerA),
				file(".DS_Store", layerB)}),
		"in a directory called like macOS's": within("._d/", standard),
		"names of more than 100 bytes":       within(strings.Repeat("long", 60)+"/", standard),
		"names of more than 255 bytes": within(strings.Repeat(strings.Repeat("long", 60)+"/", 3),
			with(standard[:2:2], a, b)),
	} {
		t.Run(name, func(t *testing.T) {
			raw := archive(t, all...)
			got, err := images(raw)
			if err != nil || len(got) != 1 || got[0].ID != digest.FromString(configAB) || len(got[0].Layers) != 2 {
				t.Fatalf("%+v, %v", got, err)
			}
			for i, want := range []string{layerA, layerB} {
				if content := content(t, got[0].Layers[i]); content != want {
					t.Errorf("layer %d is another one", i+1)
				}
			}
		})
	}
	for name, all := range map[string][]entry{
		"something beside it":      with(wrapped, file("readme", "")),
		"two directories":          slices.Concat(wrapped, within("other/", standard)),
		"seventeen directories":    within(strings.Repeat("d/", 17), standard),
		"an absolute link outside": within("dir/", linked(link("a/layer.tar", "/etc/passwd"))),
		"a hard link outside":      within("dir/", linked(hard("a/layer.tar", "../etc/passwd"))),
		"different entries":        with(wrapped, file("dir/a/layer.tar", layerB)),
	} {
		if got, err := images(archive(t, all...)); err == nil {
			t.Errorf("%s: accepted: %+v", name, got)
		}
	}
}

func TestWrappedV1Archive(t *testing.T) {
	want, err := images(archive(t, old...))
	if err != nil {
		t.Fatal(err)
	}
	for name, all := range map[string][]entry{
		"all":                  within("dir/", old),
		"one layer":            within("dir/", oldLayer("alone", "", layerB)),
		"one layer, not in it": oldLayer("alone", "", layerB),
	} {
		got, err := images(archive(t, all...))
		if err != nil || !slices.ContainsFunc(got, func(im saved) bool { return im.ID == want[2].ID }) {
			t.Errorf("%s: %d images, %v", name, len(got), err)
		}
	}
}

func TestWrappedLayout(t *testing.T) {
	r, err := open(archive(t, within("dir/", []entry{file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
		file("index.json", `{"schemaVersion":2,"manifests":[]}`)})...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layout.New(r.FS()); err != nil {
		t.Error(err)
	}
}
