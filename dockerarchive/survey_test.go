package dockerarchive_test

import (
	"testing"

	"drayage/image"

	"github.com/opencontainers/go-digest"
)

// TestSurvey: what is whole is as Images has it, what is not is told, and the images after it are listed all
// the same.
func TestSurvey(t *testing.T) {
	one, two := configOf(digest.FromString("base"), digest.FromString("top")),
		configOf(digest.FromString("base"))
	name := func(config string) string { return digest.FromString(config).Encoded() + ".json" }
	files := []entry{
		index(item(name(one), []string{"a:1"}, "base.tar", "top.tar"),
			item("broken.json", nil, "base.tar", "none.tar"), item(name(two), []string{"b:1"}, "link.tar")),
		file(name(one), one), file(name(two), two), file("broken.json", "{}"), file("base.tar", "base"),
		link("link.tar", "base.tar"),
		file("stray.tar", "stray"), dir("dir"), link("dangling.tar", "nothing.tar"),
	}
	r, err := open(archive(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Survey(t.Context())
	if err != nil || len(c.Saved) != 3 || c.Layout != nil {
		t.Fatalf("%v: %+v", err, c)
	}
	if f := c.Saved[0].Absent; len(f) != 1 || f[0].Part != image.PartLayer || f[0].Path != "top.tar" ||
		f[0].Descriptor.Digest != digest.FromString("top") || f[0].Reason != image.Missing {
		t.Errorf("the image without a layer: %+v", f)
	}
	if im := c.Saved[0]; im.ID != digest.FromString(one) || len(im.Layers) != 1 ||
		im.Layers[0].DiffID != digest.FromString("base") {
		t.Errorf("the image without a layer: %+v", im)
	}
	if im := c.Saved[1]; im.ID != digest.FromString("{}") || len(im.Absent) != 2 ||
		im.Absent[0].Part == image.PartLayer || im.Absent[1].Path != "none.tar" ||
		im.Absent[1].Descriptor.Digest != "" ||
		len(im.Layers) != 1 || im.Layers[0].DiffID != "" {
		t.Errorf("the image with a configuration of nothing: %+v", im)
	}
	if im := c.Saved[2]; im.ID != digest.FromString(two) || len(im.Absent) > 0 || len(im.Layers) != 1 {
		t.Errorf("the whole image: %+v", im)
	}
	if _, err := r.Images(t.Context()); err == nil {
		t.Error("Images has no objection")
	}
	if n, bytes, err := r.Unreferenced(nil); n != 1 || bytes != 5 || err != nil {
		t.Errorf("%d unreferenced files with %d bytes, %v, want one with 5", n, bytes, err)
	}
}

// TestSurveyOfWhatIsNone: what says nothing of any image is an error here too.
func TestSurveyOfWhatIsNone(t *testing.T) {
	for name, files := range map[string][]entry{
		"no manifest.json":       {file("x", "x")},
		"manifest.json no JSON":  {file("manifest.json", "[")},
		"manifest.json is empty": {file("manifest.json", "[]")},
	} {
		r, err := open(archive(t, files...))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := r.Survey(t.Context()); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// FuzzSurvey: what Images takes is without fault, and of all else there is a fault or an error.
func FuzzSurvey(f *testing.F) {
	addCorpus(f)
	for _, raw := range thinShapes(f) {
		f.Add(raw)
	}
	docker, _, _, _ := thinDockerTar(f)
	f.Add(docker)
	f.Add(archive(f, standard...))
	f.Add(archive(f, standard[:3]...))
	f.Add(archive(f, standard[0], standard[2]))
	f.Add(archive(f, with(standard, file("a/layer.tar", "other"))...))
	f.Add(archive(f, index(item("c", []string{"a:1", "A"}, "l", "l")),
		file("c", configOf(digest.FromString("x"))), link("l", "l")))
	f.Add(archive(f, index(`{"Config":"c","Layers":["l"],"LayerSources":{"sha256:0":{}}}`),
		file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("index.json", "{}")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := open(raw)
		if err != nil {
			return
		}
		want, strict := r.Contents(t.Context())
		got, err := r.Survey(t.Context())
		if err != nil {
			if strict == nil {
				t.Fatalf("Contents has no objection, Outline says %v", err)
			}
			return
		}
		faults := 0
		for _, im := range got.Saved {
			faults += len(im.Absent)
		}
		if strict == nil && (faults > 0 || len(got.Saved) != len(want.Saved)) {
			t.Fatalf("%d images and %d faults, Contents has %d images", len(got.Saved), faults, len(want.Saved))
		}
		if _, _, err := r.Unreferenced(nil); err != nil {
			t.Fatal(err)
		}
	})
}
