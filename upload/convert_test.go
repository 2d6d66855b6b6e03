package upload

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// inDocker is what a document in OCI's types is called in Docker's.
var inDocker = strings.NewReplacer(
	v1.MediaTypeImageManifest, image.DockerManifest,
	v1.MediaTypeImageIndex, image.DockerManifestList, v1.MediaTypeImageConfig, image.DockerConfig,
	v1.MediaTypeImageLayerGzip, image.DockerLayer, v1.MediaTypeImageLayer, image.DockerPlainLayer)

func TestOtherFamily(t *testing.T) {
	for _, oci := range []string{v1.MediaTypeImageManifest, v1.MediaTypeImageIndex} {
		docker := inDocker.Replace(oci)
		if otherFamily(oci) != docker || otherFamily(docker) != oci {
			t.Errorf("%q and %q are not each other's counterpart", oci, docker)
		}
	}
	for _, none := range []string{"", "application/json", v1.MediaTypeImageLayerZstd, image.Schema1Signed} {
		if got := otherFamily(none); got != "" {
			t.Errorf("%q has the counterpart %q", none, got)
		}
	}
}

func TestConvert(t *testing.T) {
	rich := strings.Replace(strings.Replace(imageJSON, `"size":5`,
		`"size":5,"annotations":{"a":"<b>"},"x":1.50`, 1),
		`{"schema`, `{"annotations":{"c":"d"},"y":[null],"schema`, 1)
	untyped := strings.Replace(imageJSON, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1)
	mixed := strings.Replace(inDocker.Replace(imageJSON), image.DockerConfig, v1.MediaTypeImageConfig, 1)
	for _, c := range []struct{ name, raw, to, want string }{
		{"image to docker", rich, image.DockerManifest, inDocker.Replace(rich)},
		{"image from docker", inDocker.Replace(rich), v1.MediaTypeImageManifest, rich},
		{"index to docker", indexJSON, image.DockerManifestList, inDocker.Replace(indexJSON)},
		{"index from docker", inDocker.Replace(indexJSON), v1.MediaTypeImageIndex, indexJSON},
		{"image that is docker's already", inDocker.Replace(rich), image.DockerManifest, inDocker.Replace(rich)},
		{"image that is OCI's already", rich, v1.MediaTypeImageManifest, rich},
		{"image without a type to docker", untyped, image.DockerManifest, inDocker.Replace(imageJSON)},
		{"mixed image to docker", mixed, image.DockerManifest, inDocker.Replace(imageJSON)},
		{"mixed image to OCI", mixed, v1.MediaTypeImageManifest, imageJSON},
	} {
		got, mediaType, err := convert([]byte(c.raw), c.to, nil)
		if err != nil || mediaType != c.to {
			t.Errorf("%s: %q, %v", c.name, mediaType, err)
			continue
		}
		var g, w any
		if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal([]byte(c.want), &w)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if strings.Contains(c.raw, "1.50") && !strings.Contains(string(got), "1.50") {
			t.Errorf("%s: a number was written anew", c.name)
		}
		if _, err := image.ParseManifest(mediaType, got); err != nil {
			t.Errorf("%s: made what is refused: %v", c.name, err)
		}
	}
}

func TestConvertReplacesChildren(t *testing.T) {
	made := v1.Descriptor{MediaType: image.DockerManifest, Digest: digest.FromString("made"), Size: 99}
	other := strings.Replace(childJSON, digest.FromString("child").String(),
		digest.FromString("other").String(), 1)
	raw := document(v1.MediaTypeImageIndex, `"manifests":[`+strings.Replace(childJSON, "{",
		`{"platform":{"os":"linux","architecture":"amd64"},`, 1)+`,`+other+`]`)
	got, mediaType, err := convert([]byte(raw), image.DockerManifestList,
		map[string]v1.Descriptor{digest.FromString("child").String(): made})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := image.ParseManifest(mediaType, got)
	if err != nil {
		t.Fatal(err)
	}
	first, second := made, v1.Descriptor{MediaType: image.DockerManifest, Digest: digest.FromString("other"),
		Size: 7}
	first.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	if diff := cmp.Diff([]v1.Descriptor{first, second}, doc.Manifests); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
}

func TestConvertRefuses(t *testing.T) {
	zstd := strings.Replace(imageJSON, v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd, 1)
	chart := strings.Replace(imageJSON, v1.MediaTypeImageConfig, "application/vnd.cncf.helm.config.v1+json", 1)
	for name, c := range map[string]struct{ raw, to string }{
		"zstd in docker": {zstd, image.DockerManifest}, "a chart in docker": {chart,
			image.DockerManifest}, "a chart of docker": {inDocker.Replace(chart), v1.MediaTypeImageManifest},
	} {
		if got, _, err := convert([]byte(c.raw), c.to, nil); !errors.Is(err, image.ErrUnsupported) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for name, raw := range map[string]string{
		"no JSON": "x", "both kinds": `{"config":` + configJSON +
			`,"manifests":[]}`, "a child of no type": `{"manifests":[{"digest":"` + digest.FromString("x").String() +
			`","size":1}]}`,
		"a bad digest": strings.Replace(indexJSON, "sha256:", "sha256:..", 1),
	} {
		if got, _, err := convert([]byte(raw), image.DockerManifestList, nil); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Documents that the tests above are built of.
var (
	childJSON  = descriptorJSON(v1.MediaTypeImageManifest, "child", 7)
	configJSON = descriptorJSON(v1.MediaTypeImageConfig, "config", 6)
	imageJSON  = document(v1.MediaTypeImageManifest, `"config":`+configJSON+
		`,"layers":[`+descriptorJSON(v1.MediaTypeImageLayerGzip, "layer", 5)+`]`)
	indexJSON = document(v1.MediaTypeImageIndex, `"manifests":[`+childJSON+`]`)
)

func descriptorJSON(mediaType, content string, size int64) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest.FromString(content), size)
}

func document(mediaType, fields string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s}`, mediaType, fields)
}
