package image_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drayage/image"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Documents that other tests and the fuzz seeds are built of.
var (
	layer     = descriptor(v1.MediaTypeImageLayerGzip, digest.FromString("layer").String(), 5)
	config    = descriptor(v1.MediaTypeImageConfig, digest.FromString("config").String(), 6)
	child     = descriptor(v1.MediaTypeImageManifest, digest.FromString("child").String(), 7)
	imageJSON = document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":[`+layer+`]`)
	index     = document(v1.MediaTypeImageIndex, `"manifests":[`+child+`]`)
	schema1   = `{"schemaVersion":1,"name":"a","fsLayers":[{"blobSum":"sha256:` + strings.Repeat("0", 64) +
		`"}],"history":[]}`
)

func descriptor(mediaType, digest string, size int64) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
}

func document(mediaType, fields string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s}`, mediaType, fields)
}

func TestParse(t *testing.T) {
	untyped := `{"schemaVersion":2,"config":` + config + `,"layers":[]}`
	for _, c := range []struct {
		name, announced, raw string
		want                 string // media type; empty if it is refused
	}{
		{"image", v1.MediaTypeImageManifest, imageJSON, v1.MediaTypeImageManifest},
		{"image, not announced", "", imageJSON, v1.MediaTypeImageManifest},
		{"image, announced as something vague", "application/json", imageJSON, v1.MediaTypeImageManifest},
		{"image of docker", image.DockerManifest, document(image.DockerManifest, `"config":`+config+`,"layers":[]`),
			image.DockerManifest},
		{"image without a type", image.DockerManifest, untyped, image.DockerManifest},
		{"image without a type, not announced", "", untyped, v1.MediaTypeImageManifest},
		{"image without layers", "", document(v1.MediaTypeImageManifest, `"config":`+config),
			v1.MediaTypeImageManifest},
		{"image with layers null", "", document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":null`),
			v1.MediaTypeImageManifest},
		{"index", v1.MediaTypeImageIndex, index, v1.MediaTypeImageIndex},
		{"list of docker", "", document(image.DockerManifestList, `"manifests":[`+child+`]`),
			image.DockerManifestList},
		{"empty index", "", document(v1.MediaTypeImageIndex, `"manifests":[]`), v1.MediaTypeImageIndex},

		{"image announced as an index", v1.MediaTypeImageIndex, imageJSON, ""},
		{"image announced as one of docker", image.DockerManifest, imageJSON, ""},
		{"index announced as a docker list", image.DockerManifestList, index, ""},
		{"image without a type announced as an index", v1.MediaTypeImageIndex, untyped, ""},
		{"image that calls itself an index", "", document(v1.MediaTypeImageIndex,
			`"config":`+config+`,"layers":[]`), ""},
		{"index that calls itself an image", "", document(v1.MediaTypeImageManifest, `"manifests":[]`), ""},
		{"image that calls itself json", "", document("application/json", `"config":`+config), ""},
		{"both kinds", "", document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":[],"manifests":[]`),
			""},
		{"both kinds, by layers alone", "", document(v1.MediaTypeImageIndex, `"layers":[],"manifests":[]`), ""},
		{"image and schema 1", "", document(v1.MediaTypeImageManifest, `"config":`+config+`,"fsLayers":[]`), ""},
		{"index and schema 1", "", document(v1.MediaTypeImageIndex, `"manifests":[],"fsLayers":[]`), ""},
		{"schema 1", image.Schema1Signed, schema1, ""},
		{"layers without a config", "", document(v1.MediaTypeImageManifest, `"layers":[]`), ""},
		{"neither kind", "", `{"schemaVersion":2}`, ""},
		{"an error of a registry", "", `{"errors":[{"code":"DENIED"}]}`, ""},
		{"two configs", "", document(v1.MediaTypeImageManifest, `"config":`+config+`,"config":`+config), ""},
		{"two lists of layers", "", document(v1.MediaTypeImageManifest,
			`"config":`+config+`,"layers":[],"layers":[`+layer+`]`), ""},
		{"two lists of layers, by case", "", document(v1.MediaTypeImageManifest,
			`"config":`+config+`,"layers":[],"Layers":[`+layer+`]`), ""},
		{"a layer of two digests", "", strings.Replace(imageJSON, `"size":5`, `"size":5,"digest":"sha256:`+
			strings.Repeat("0", 64)+`"`, 1), ""},
		{"a child of two platforms", "", strings.Replace(index, `"size":7`,
			`"size":7,"platform":{"os":"linux"},"platform":{"os":"windows"}`, 1), ""},
		{"wild case 55: an annotation twice", "", strings.Replace(index, `"size":7`,
			`"size":7,"annotations":{"a":"b","a":"c"}`, 1), v1.MediaTypeImageIndex},
		{"wild case 55: an unknown key twice", "", strings.Replace(index, `"size":7`, `"size":7,"x":1,"x":2`, 1),
			v1.MediaTypeImageIndex},
		{"an annotation that is a number", "", strings.Replace(index, `"size":7`,
			`"size":7,"annotations":{"a":1}`, 1), v1.MediaTypeImageIndex},
		{"annotations that are a list", "", document(v1.MediaTypeImageIndex, `"manifests":[],"annotations":[1]`),
			v1.MediaTypeImageIndex},
		{"an odd platform", "", strings.Replace(index, `"size":7`,
			`"size":7,"platform":{"os":"linux","architecture":"arm","variant":7,"os.version":["1"]}`, 1),
			v1.MediaTypeImageIndex},
		{"odd fields that nobody needs", "", document(v1.MediaTypeImageManifest, `"config":`+config+
			`,"artifactType":1,"subject":"x","annotations":"y","schemaVersion2":{}`), v1.MediaTypeImageManifest},
		{"wild case 28: manifests null", "", document(v1.MediaTypeImageIndex, `"manifests":null`),
			v1.MediaTypeImageIndex},
		{"an image whose manifests are null", "", document(v1.MediaTypeImageManifest,
			`"config":`+config+`,"manifests":null,"fsLayers":null`), v1.MediaTypeImageManifest},
		{"an index whose config and layers are null", "", document(v1.MediaTypeImageIndex,
			`"manifests":[`+child+`],"config":null,"layers":null`), v1.MediaTypeImageIndex},
		{"annotations that differ in case", "", strings.Replace(index, `"size":7`,
			`"size":7,"annotations":{"a":"b","A":"c"}`, 1), v1.MediaTypeImageIndex},
		{"null", "", `null`, ""},
		{"list", "", `[]`, ""},
		{"nothing", "", ``, ""},
		{"web page", "", `<html></html>`, ""},
		{"byte order mark", "", "\ufeff" + imageJSON, ""},
		{"two documents", "", imageJSON + imageJSON, ""},
		{"cut off", "", imageJSON[:len(imageJSON)-1], ""},
		{"layers that are an object", "", document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":{}`), ""},
		{"manifests that are a text", "", document(v1.MediaTypeImageIndex, `"manifests":"x"`), ""},
		{"wrong types", "", `{"config":"x","layers":{}}`, ""},
		{"as large as allowed", "", index + strings.Repeat(" ", image.MaxManifestSize-len(index)),
			v1.MediaTypeImageIndex},
		{"a byte too large", "", index + strings.Repeat(" ", image.MaxManifestSize-len(index)+1), ""},
		{"many values", "", document(v1.MediaTypeImageIndex, `"manifests":[],"x":[`+strings.Repeat("0,", 200_000)+
			"0]"), v1.MediaTypeImageIndex},
		{"too many values", "", document(v1.MediaTypeImageIndex, `"manifests":[],"x":[`+
			strings.Repeat("0,", 300_000)+"0]"), ""},
		{"nested without end", "", strings.Repeat("[", 100_000), ""},
	} {
		d, err := image.ParseManifest(c.announced, []byte(c.raw))
		if (err == nil) != (c.want != "") || err == nil && d.MediaType != c.want {
			t.Errorf("%s: type %q, %v; want %q", c.name, d.MediaType, err, c.want)
		}
	}
	if _, err := image.ParseManifest("", []byte(schema1)); !errors.Is(err, image.ErrUnsupported) {
		t.Errorf("schema 1: %v, want ErrUnsupported", err)
	}
}

func TestParseRefusesBadReferences(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for _, bad := range []string{
		descriptor("", "sha256:../../x", 1),
		descriptor("", "sha256:"+strings.ToUpper(hex), 1),
		descriptor("", "sha256:"+hex[2:], 1),
		descriptor("", "md5:"+hex[:32], 1),
		descriptor("", hex, 1),
		descriptor("", "sha256:"+hex, -1),
		descriptor("", "sha256:"+hex, 1<<62),
		`{"digest":"sha256:` + hex + `","size":9223372036854775808}`,
		`{"digest":"sha256:` + hex + `","size":1.5}`,
		`{"digest":"sha256:` + hex + `","size":"1"}`,
		`{"size":1}`, `{}`, `null`,
	} {
		for place, raw := range map[string]string{
			"config": document(v1.MediaTypeImageManifest, `"config":`+bad+`,"layers":[]`),
			"layer":  document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":[`+layer+`,`+bad+`]`),
			"child":  document(v1.MediaTypeImageIndex, `"manifests":[`+child+`,`+bad+`]`),
		} {
			if d, err := image.ParseManifest("", []byte(raw)); (err == nil) != (bad == "null" && place == "child") {
				t.Errorf("%s %s gives %+v, %v", place, bad, d.Manifests, err)
			}
		}
	}
	sha512 := descriptor(v1.MediaTypeImageLayer, "sha512:"+hex+hex, 0)
	if _, err := image.ParseManifest("", []byte(document(v1.MediaTypeImageManifest,
		`"config":`+config+`,"layers":[`+sha512+`]`))); err != nil {
		t.Errorf("an empty layer with a sha512 digest: %v", err)
	}
}

func TestChildren(t *testing.T) {
	digests := func(raw string) (all []digest.Digest) {
		d, err := image.ParseManifest("", []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Children() {
			all = append(all, c.Digest)
		}
		return all
	}
	if diff := cmp.Diff([]digest.Digest{digest.FromString("config"), digest.FromString("layer")},
		digests(imageJSON)); diff != "" {
		t.Errorf("image (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]digest.Digest{digest.FromString("child")}, digests(index)); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	// What is null in the list is nothing: the bytes travel as they are.
	if diff := cmp.Diff([]digest.Digest{digest.FromString("child")},
		digests(document(v1.MediaTypeImageIndex, `"manifests":[null,`+child+`,null]`))); diff != "" {
		t.Errorf("index with null (-want +got):\n%s", diff)
	}
	if got := digests(document(v1.MediaTypeImageIndex, `"manifests":[null]`)); len(got) > 0 {
		t.Errorf("index of null: %v", got)
	}
	if got := digests(document(v1.MediaTypeImageIndex, `"manifests":[]`)); len(got) > 0 {
		t.Errorf("empty index: %v", got)
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		mediaType                         string
		index, image, isManifest, foreign bool
	}{
		{v1.MediaTypeImageIndex, true, false, true, false},
		{image.DockerManifestList, true, false, true, false},
		{v1.MediaTypeImageManifest, false, true, true, false},
		{image.DockerManifest, false, true, true, false},
		{image.Schema1, false, false, true, false},
		{image.Schema1Signed, false, false, true, false},
		{v1.MediaTypeImageLayerGzip, false, false, false, false},
		{image.DockerLayer, false, false, false, false},
		{image.DockerForeign + ".gzip", false, false, false, true},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", false, false, false, true},
		{"", false, false, false, false},
	} {
		m := c.mediaType
		if image.IsIndex(m) != c.index || image.IsImageManifest(m) != c.image ||
			image.IsManifest(m) != c.isManifest || image.IsForeign(m) != c.foreign {
			t.Errorf("%q: index %v, image %v, manifest %v, foreign %v", m, !c.index, !c.image, !c.isManifest,
				!c.foreign)
		}
	}
}

func TestDescribe(t *testing.T) {
	want := v1.Descriptor{MediaType: "a/b",
		Digest: "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Size: 3}
	if diff := cmp.Diff(want, image.Describe("a/b", []byte("abc"))); diff != "" {
		t.Error(diff)
	}
}

// Errors name the field of the document and not the types of this program.
func TestFaultOfTypeIsPlain(t *testing.T) {
	_, array := image.ParseConfig([]byte("[]"))
	_, number := image.ParseManifest("", []byte(`{"config":{},"mediaType":1}`))
	for err, want := range map[error]string{
		array:  "image configuration is a JSON array and not an object",
		number: `manifest has a JSON number as "mediaType`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
