package manifest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/manifest"
)

// inDocker is what a document in OCI's types is called in Docker's.
var inDocker = strings.NewReplacer(
	v1.MediaTypeImageManifest, manifest.DockerImage, v1.MediaTypeImageIndex, manifest.DockerList, v1.MediaTypeImageConfig, manifest.DockerConfig,
	v1.MediaTypeImageLayerGzip, manifest.DockerLayer, v1.MediaTypeImageLayer, manifest.DockerPlainLayer)

func TestOtherFamily(t *testing.T) {
	for _, oci := range []string{v1.MediaTypeImageManifest, v1.MediaTypeImageIndex} {
		docker := inDocker.Replace(oci)
		if manifest.OtherFamily(oci) != docker || manifest.OtherFamily(docker) != oci {
			t.Errorf("%q and %q are not each other's counterpart", oci, docker)
		}
	}
	for _, none := range []string{"", "application/json", v1.MediaTypeImageLayerZstd, manifest.Schema1Signed} {
		if got := manifest.OtherFamily(none); got != "" {
			t.Errorf("%q has the counterpart %q", none, got)
		}
	}
}

func TestConvert(t *testing.T) {
	rich := strings.Replace(strings.Replace(image, `"size":5`, `"size":5,"annotations":{"a":"<b>"},"x":1.50`, 1), `{"schema`, `{"annotations":{"c":"d"},"y":[null],"schema`, 1)
	untyped := strings.Replace(image, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1)
	mixed := strings.Replace(inDocker.Replace(image), manifest.DockerConfig, v1.MediaTypeImageConfig, 1)
	for _, c := range []struct{ name, raw, to, want string }{
		{"image to docker", rich, manifest.DockerImage, inDocker.Replace(rich)},
		{"image from docker", inDocker.Replace(rich), v1.MediaTypeImageManifest, rich},
		{"index to docker", index, manifest.DockerList, inDocker.Replace(index)},
		{"index from docker", inDocker.Replace(index), v1.MediaTypeImageIndex, index},
		{"image that is docker's already", inDocker.Replace(rich), manifest.DockerImage, inDocker.Replace(rich)},
		{"image that is OCI's already", rich, v1.MediaTypeImageManifest, rich},
		{"image without a type to docker", untyped, manifest.DockerImage, inDocker.Replace(image)},
		{"mixed image to docker", mixed, manifest.DockerImage, inDocker.Replace(image)},
		{"mixed image to OCI", mixed, v1.MediaTypeImageManifest, image},
	} {
		got, mediaType, err := manifest.Convert([]byte(c.raw), c.to, nil)
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
		if _, err := manifest.Parse(mediaType, got); err != nil {
			t.Errorf("%s: made what is refused: %v", c.name, err)
		}
	}
}

func TestConvertReplacesChildren(t *testing.T) {
	made := v1.Descriptor{MediaType: manifest.DockerImage, Digest: digest.FromString("made"), Size: 99}
	other := strings.Replace(child, digest.FromString("child").String(), digest.FromString("other").String(), 1)
	raw := document(v1.MediaTypeImageIndex, `"manifests":[`+strings.Replace(child, "{", `{"platform":{"os":"linux","architecture":"amd64"},`, 1)+`,`+other+`]`)
	got, mediaType, err := manifest.Convert([]byte(raw), manifest.DockerList, map[string]v1.Descriptor{digest.FromString("child").String(): made})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := manifest.Parse(mediaType, got)
	if err != nil {
		t.Fatal(err)
	}
	first, second := made, v1.Descriptor{MediaType: manifest.DockerImage, Digest: digest.FromString("other"), Size: 7}
	first.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	if diff := cmp.Diff([]v1.Descriptor{first, second}, doc.Manifests); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
}

func TestConvertRefuses(t *testing.T) {
	zstd := strings.Replace(image, v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd, 1)
	chart := strings.Replace(image, v1.MediaTypeImageConfig, "application/vnd.cncf.helm.config.v1+json", 1)
	for name, c := range map[string]struct{ raw, to string }{
		"zstd in docker": {zstd, manifest.DockerImage}, "a chart in docker": {chart, manifest.DockerImage}, "a chart of docker": {inDocker.Replace(chart), v1.MediaTypeImageManifest},
	} {
		if got, _, err := manifest.Convert([]byte(c.raw), c.to, nil); !errors.Is(err, manifest.ErrUnsupported) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for name, raw := range map[string]string{
		"no JSON": "x", "both kinds": `{"config":` + config + `,"manifests":[]}`, "a child of no type": `{"manifests":[{"digest":"` + digest.FromString("x").String() + `","size":1}]}`,
		"a bad digest": strings.Replace(index, "sha256:", "sha256:..", 1),
	} {
		if got, _, err := manifest.Convert([]byte(raw), manifest.DockerList, nil); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}
