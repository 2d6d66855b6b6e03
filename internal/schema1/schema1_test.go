package schema1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/schema1"
	"drayage/internal/schema1test"
)

type (
	layers = []schema1test.Layer
	fields = map[string]any
)

var one, two, three = digest.FromString("1"), digest.FromString("2"), digest.FromString("3")

// payload is the manifest of an image of these layers.
func payload(all ...schema1test.Layer) []byte {
	return schema1test.Image{Name: "team/app", Tag: "1", Architecture: "amd64", Layers: all}.Payload()
}

// blobs are the layers of an image as a list of what they are: a digest, or "-" where the layer is empty.
func blobs(im schema1.Image) []string {
	var all []string
	for _, l := range im.Layers {
		if l.Empty {
			all = append(all, "-")
		} else {
			all = append(all, l.Blob.String())
		}
	}
	return all
}

func TestParse(t *testing.T) {
	id := schema1test.ID
	for _, c := range []struct {
		name   string
		layers layers
		want   []string
	}{
		{"one layer", layers{{Blob: one}}, []string{one.String()}},
		{"base first", layers{{Blob: one}, {Blob: two}, {Blob: three}},
			[]string{one.String(), two.String(), three.String()}},
		{"thrown away", layers{{Blob: one}, {Blob: two, Fields: fields{"throwaway": true}}},
			[]string{one.String(), "-"}},
		{"all thrown away", layers{{Blob: one, Fields: fields{"throwaway": true}}}, []string{"-"}},
		{"not thrown away", layers{{Blob: one, Fields: fields{"throwaway": false}}}, []string{one.String()}},
		{"without files, by an old Docker", layers{{Blob: one, Fields: fields{"Size": 0}}}, []string{one.String()}},
		{"one blob twice", layers{{Blob: one}, {Blob: one}}, []string{one.String(), one.String()}},
		{"sha512", layers{{Blob: digest.SHA512.FromString("")}}, []string{digest.SHA512.FromString("").String()}},
		{"repeat at the top", layers{{Blob: one}, {Blob: two},
			{Blob: three, Fields: fields{"id": id(1), "parent": id(0)}}}, []string{one.String(), two.String()}},
		{"repeat at the base", layers{{Blob: one}, {Blob: two, Fields: fields{"id": id(0), "parent": nil}},
			{Blob: three, Fields: fields{"parent": id(0)}}},
			[]string{one.String(), three.String()}},
		{"two repeats", layers{{Blob: one}, {Blob: two, Fields: fields{"id": id(0)}},
			{Blob: two, Fields: fields{"id": id(0)}}, {Blob: three}}, []string{one.String(), three.String()}},
	} {
		raw := payload(c.layers...)
		for form, raw := range map[string][]byte{"bare": raw,
			"signed": schema1test.Sign(raw, schema1test.NewSigner())} {
			im, err := schema1.Parse(raw)
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, form, err)
			} else if diff := cmp.Diff(c.want, blobs(im)); diff != "" {
				t.Errorf("%s, %s:\n%s", c.name, form, diff)
			} else if im.Name != "team/app" || im.Tag != "1" || im.Architecture != "amd64" {
				t.Errorf("%s, %s: %q, %q, %q", c.name, form, im.Name, im.Tag, im.Architecture)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	id := schema1test.ID
	good := string(payload(schema1test.Layer{Blob: one}))
	replace := func(old, new string) []byte {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return []byte(strings.ReplaceAll(good, old, new))
	}
	many := make(layers, 4097)
	for i := range many {
		many[i].Blob = one
		many[i].Fields = fields{"id": digest.FromBytes([]byte{byte(i), byte(i >> 8)}).Encoded()}
	}
	if _, err := schema1.Parse(payload(many[:4096]...)); err != nil {
		t.Errorf("4096 layers: %v", err)
	}
	for name, raw := range map[string][]byte{
		"empty":                     nil,
		"not JSON":                  []byte("{"),
		"a list":                    []byte("[]"),
		"null":                      []byte("null"),
		"schema 2":                  replace(`"schemaVersion": 1`, `"schemaVersion": 2`),
		"no layers":                 payload(),
		"layers without a history":  replace(`"history"`, `"story"`),
		"history without layers":    replace(`"fsLayers"`, `"layers"`),
		"blob that is no digest":    replace(one.String(), "sha256:../../x"),
		"blob with a digest of md5": replace(one.String(), "md5:d41d8cd98f00b204e9800998ecf8427e"),
		"too many values":           replace(`"fsLayers"`, `"x": [`+strings.Repeat("0,", 300_000)+`0], "fsLayers"`),
		"two lists of layers":       replace(`"fsLayers"`, `"fsLayers": [], "fsLayers"`),
		"no description":            replace("v1Compatibility", "v2Compatibility"),
		"description is no JSON":    replace(`{\"id\"`, `\"id\"`),
		"short id":                  replace(id(0), id(0)[:63]),
		"id in upper case":          replace(id(0), strings.ToUpper(id(0))),
		"id that is a path":         replace(id(0), strings.Repeat("../", 21)+"x"),
		"no id":                     payload(schema1test.Layer{Blob: one, Fields: fields{"id": ""}}),
		"base with a parent":        payload(schema1test.Layer{Blob: one, Fields: fields{"parent": id(9)}}),
		"no parent":                 payload(layers{{Blob: one}, {Blob: two, Fields: fields{"parent": nil}}}...),
		"another parent":            payload(layers{{Blob: one}, {Blob: two, Fields: fields{"parent": id(9)}}}...),
		"its own parent":            payload(layers{{Blob: one}, {Blob: two, Fields: fields{"parent": id(1)}}}...),
		"a circle": payload(layers{{Blob: one}, {Blob: two},
			{Blob: three, Fields: fields{"id": id(0)}}}...),
		"too many layers":         payload(many...),
		"too large":               append([]byte(good), make([]byte, image.MaxManifestSize)...),
		"throwaway is no boolean": payload(schema1test.Layer{Blob: one, Fields: fields{"throwaway": "yes"}}),
	} {
		if im, err := schema1.Parse(raw); err == nil {
			t.Errorf("%s: accepted with %d layers", name, len(im.Layers))
		}
	}
	// Wild case 4: what nobody needs may be odd.
	odd := payload(schema1test.Layer{Blob: one, Fields: fields{"config": []int{1}, "created": "", "author": 7}})
	if im, err := schema1.Parse(odd); err != nil || len(im.Layers) != 1 {
		t.Errorf("strange configuration: %+v, %v", im, err)
	}
}

func TestPlatform(t *testing.T) {
	im, err := schema1.Parse(payload(layers{
		{Blob: one, Fields: fields{"os": "plan9"}},
		{Blob: two, Fields: fields{"os": "linux", "architecture": "arm", "variant": "v7"}},
	}...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		im.Platform()); diff != "" {
		t.Error(diff)
	}
}

func TestBlobs(t *testing.T) {
	im, err := schema1.Parse(payload(layers{{Blob: two}, {Blob: one},
		{Blob: three, Fields: fields{"throwaway": true}}, {Blob: two}}...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]digest.Digest{two, one}, im.Blobs()); diff != "" {
		t.Error(diff)
	}
}
