package delta_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
)

func filled(letter string) digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat(letter, 64))
}

// patch is how the layer c is made of a.
func patch() *image.Rebuilt {
	return &image.Rebuilt{Unpacked: 2048, Model: "zlib -6",
		Patch:  v1.Descriptor{Digest: filled("d"), Size: 40},
		Recipe: v1.Descriptor{Digest: filled("e"), Size: 50},
		Bases: []image.Base{{DiffID: filled("1"),
			Descriptor: v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: a, Size: 900}}}}
}

// patched is a document with one patch, with what edit does to it.
func patched(edit func(*delta.Rebuilt)) string {
	d := &delta.Document{Images: []string{"x", "y"}, Absent: []delta.Blob{
		{Digest: a, Size: 900, DiffID: filled("1"), MediaType: v1.MediaTypeImageLayerGzip, Images: []int32{0}}}}
	r := delta.NewRebuilt(delta.Blob{Digest: filled("c"), Size: 1000, DiffID: filled("2"),
		MediaType: v1.MediaTypeImageLayerGzip, Images: []int32{0, 1}}, patch())
	if edit != nil {
		edit(&r)
	}
	d.Rebuilt = []delta.Rebuilt{r}
	raw, err := d.Marshal()
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func TestMarshalPatches(t *testing.T) {
	layer := `"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"`
	want := `{"mediaType":"application/vnd.drayage.delta.v1+json",
"images":[
"x",
"y"
],
"absent":[
{"digest":"` + a.String() + `","size":900,"diffID":"` + filled("1").String() + `",` + layer + `,"images":[0]}
],
"rebuilt":[
{"digest":"` + filled("c").String() + `","size":1000,"diffID":"` + filled("2").String() + `",` + layer +
		`,"images":[0,1],"unpacked":2048,"patch":"` + filled("d").String() + `","patchSize":40,"recipe":"` +
		filled("e").String() + `","recipeSize":50,"model":"zlib -6","bases":[{"digest":"` + a.String() +
		`","size":900,"diffID":"` + filled("1").String() + `",` + layer + `}]}
]}
`
	raw := patched(nil)
	if diff := cmp.Diff(want, raw); diff != "" {
		t.Error(diff)
	}
	d, err := delta.Parse([]byte(raw))
	if err != nil || len(d.Rebuilt) != 1 {
		t.Fatal(err)
	}
	if diff := cmp.Diff(patch(), d.Rebuilt[0].How()); diff != "" {
		t.Errorf("read as another patch:\n%s", diff)
	}
	if n := len(d.Rebuilt[0].How().Parts()); n != 2 {
		t.Errorf("a patch with a recipe has %d parts", n)
	}
}

func TestParsePatches(t *testing.T) {
	plain := func(r *delta.Rebuilt) {
		r.Recipe, r.RecipeSize, r.Model, r.DiffID, r.Unpacked = "", 0, "", r.Digest, r.Size
	}
	content := func(r *delta.Rebuilt) { r.Recipe, r.RecipeSize, r.Model, r.Content = "", 0, "", true }
	for name, c := range map[string]struct {
		edit func(*delta.Rebuilt)
		err  string
	}{
		"good":                   {func(*delta.Rebuilt) {}, ""},
		"plain":                  {plain, ""},
		"content":                {content, ""},
		"content and a recipe":   {func(r *delta.Rebuilt) { r.Content = true }, "contradicts itself"},
		"no recipe":              {func(r *delta.Rebuilt) { r.Recipe, r.RecipeSize = "", 0 }, "has no recipe"},
		"a size without recipe":  {func(r *delta.Rebuilt) { plain(r); r.RecipeSize = 1 }, "contradicts itself"},
		"plain of another size":  {func(r *delta.Rebuilt) { plain(r); r.Unpacked++ }, "has no recipe"},
		"no diff ID":             {func(r *delta.Rebuilt) { r.DiffID = "" }, "no diff ID"},
		"a bad diff ID":          {func(r *delta.Rebuilt) { r.DiffID = "x" }, "diff ID"},
		"no patch":               {func(r *delta.Rebuilt) { r.Patch = "" }, "patch or recipe"},
		"a path":                 {func(r *delta.Rebuilt) { r.Patch = "sha256:../x" }, "patch or recipe"},
		"a negative patch":       {func(r *delta.Rebuilt) { r.PatchSize = -1 }, "patch or recipe"},
		"a bad recipe":           {func(r *delta.Rebuilt) { r.Recipe = "x" }, "patch or recipe"},
		"a bomb":                 {func(r *delta.Rebuilt) { r.Unpacked = 1 << 40 }, "cannot unpack to"},
		"a negative content":     {func(r *delta.Rebuilt) { r.Unpacked = -1 }, "cannot unpack to"},
		"a long model":           {func(r *delta.Rebuilt) { r.Model = strings.Repeat("x", 65) }, "model"},
		"no base":                {func(r *delta.Rebuilt) { r.Bases = nil }, "rebuilt from nothing"},
		"a base twice":           {func(r *delta.Rebuilt) { r.Bases = append(r.Bases, r.Bases[0]) }, "twice"},
		"a base without diff ID": {func(r *delta.Rebuilt) { r.Bases[0].DiffID = "" }, "diff ID"},
		"a base without digest":  {func(r *delta.Rebuilt) { r.Bases[0].Digest = "" }, "base"},
		"a base without type":    {func(r *delta.Rebuilt) { r.Bases[0].MediaType = "" }, "no media type"},
		"its own base":           {func(r *delta.Rebuilt) { r.Bases[0].Digest = r.Digest }, "rebuilt itself"},
		"absent too":             {func(r *delta.Rebuilt) { r.Digest = a }, "is absent and rebuilt"},
		"17 bases": {func(r *delta.Rebuilt) {
			for len(r.Bases) < 17 {
				r.Bases = append(r.Bases, r.Bases[0])
			}
		}, "17 bases of a layer, more than the 16"},
	} {
		_, err := delta.Parse([]byte(patched(c.edit)))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; want %q", name, err, c.err)
		}
	}
	twice := strings.Replace(patched(nil), `"bases":[{`, `"bases":[{"DIGEST":"`+a.String()+`",`, 1)
	if _, err := delta.Parse([]byte(twice)); err == nil || !strings.Contains(err.Error(), "stands twice") {
		t.Errorf("a base with a digest in two spellings: %v", err)
	}
}
