package schema1_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/lenient"
	"drayage/internal/schema1"
	"drayage/internal/schema1test"
)

// The blobs of the images below. DiffIDs decide about their image IDs, blobs do not.
const (
	blobA = "sha256:d8fa17a4f912434b3d70b07bcc7ea99261946c9808a774e658ca3d197210d5d2"
	blobB = "sha256:04dc9f65a07effc572c72264c2eb761cb0bba9c598b75724c4c1852a2fa59a05"
	plain = "sha256:a26face5aefd17e2327e0f03a58f48a0f2b666ee495c3d786135da30be7bc5bb"
	empty = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
)

var known = map[digest.Digest]schema1.Blob{
	blobA: {Size: 90, DiffID: "sha256:8bd1fff99793dbbb7f7bc52b2061dd9170596acdad8917afb90deda5875dc04b",
		Kind: compression.Gzip},
	blobB: {Size: 90, DiffID: "sha256:22e3e773d72741a3d2e712a2c6a90db1043c851a6921b3515aa5a88efbae673f",
		Kind: compression.Gzip},
	plain: {Size: 2048, DiffID: plain, Kind: compression.None},
	empty: {Size: 32, DiffID: "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
		Kind: compression.Gzip},
}

func step(blob digest.Digest, f fields) schema1test.Layer {
	return schema1test.Layer{Blob: blob, Fields: f}
}

// base and top describe layers with all that Docker treats in a way of its own.
func base(more fields) fields {
	f := fields{"created": "2015-04-05T06:07:08.123456789Z", "container_config": fields{
		"Cmd": []string{"/bin/sh", "-c", `#(nop) CMD <a> & "b"`}, "Hostname": "h", "Unknown": 1,
	}}
	maps.Copy(f, more)
	return f
}

func top(more fields) fields {
	f := base(fields{
		"config":       fields{"Cmd": []string{"/a"}, "Env": []string{"A=<b>"}, "Novel": true},
		"architecture": "amd64", "os": "linux", "docker_version": "1.10.3", "author": "me", "comment": "c",
		"Size": 12, "zkey": fields{"b": 1, "a": 2},
	})
	maps.Copy(f, more)
	return f
}

// TestConvertLikeDocker compares with the IDs that Docker 20.10.24 gave to the same images when it pulled
// them from docker-registry 2.8.2. The interop tests do it again, with whatever Docker is installed.
func TestConvertLikeDocker(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers layers
		id     digest.Digest
	}{
		{"by Docker 1.10", layers{step(blobA, base(nil)), step(empty, base(fields{"throwaway": true})),
			step(blobB, base(nil)), step(empty, top(fields{"throwaway": true}))},
			"sha256:ea9712b6bbd2e3a3294b949612825474079dc0b90f62f6bf406dcfd893d3921f"},
		{"with files in the top layer", layers{step(blobA, base(nil)), step(empty, base(fields{"throwaway": true})),
			step(blobB, top(nil))},
			"sha256:1187fe1c3ffafd5e692b62758c0d22b0c968a05df81eac0c27ee0e566b35c532"},
		{"by Docker 1.6", layers{step(empty, base(fields{"Size": 0})), step(blobA, base(fields{"Size": 100})),
			step(empty, base(fields{"Size": 0})), step(blobB, top(fields{"docker_version": "1.6.2", "Size": 0}))},
			"sha256:a1a502ff6c77acbc119457df2d2cc88b89c826904e3eeaec812d1e31bf38cb2b"},
		{"by nobody knows whom", layers{step(blobA, base(nil)), step(blobB, top(fields{"docker_version": nil}))},
			"sha256:862fb03334d05a7c52eeea172d5b7b7cbc35f72efa96d8e854adb27bc31142cd"},
		{"with a repeat", layers{step(blobA, base(nil)), step(blobB, base(nil)),
			step(blobB, top(fields{"id": schema1test.ID(1), "parent": schema1test.ID(0)}))},
			"sha256:227a176586c14cbae42c132bd4b05aa124ebab4dd3b943296c46445a1f772798"},
		{"with an uncompressed layer", layers{step(blobA, base(nil)), step(plain, top(nil))},
			"sha256:cfa0266210f0848319d406ad7b1333d47980b7c6851d260afafdbf9fe7acf987"},
		{"with no description to speak of", layers{step(blobA, nil), step(blobB, nil)},
			"sha256:e626191050dbfac8ffe7dcb01a68fdea5baaa2657c8ee7eac43d7a88ac992e46"},
		{"with what old Docker wrote otherwise", layers{step(blobA, base(nil)),
			step(blobB, top(fields{"docker_version": "1.0", "config": fields{
				"Cmd": "", "Entrypoint": []string{}, "Volumes": fields{"/v": fields{}}, "PortSpecs": nil,
				"ExposedPorts": fields{"80/tcp": fields{}}, "Labels": fields{}, "OnBuild": []string{}}}))},
			"sha256:d00a9465f572b110c47cd848e0dbb517da9c0a15b171afba3c4374c168cdec3a"},
	} {
		config, _ := convert(t, payload(c.layers...))
		if got := digest.FromBytes(config); got != c.id {
			t.Errorf("%s: image ID %s, want %s:\n%s", c.name, got, c.id, config)
		}
	}
}

// TestConvertBack undoes what a registry did for an old client. The image was pushed with the configuration
// of the first one above.
func TestConvertBack(t *testing.T) {
	config, manifest := convert(t, fromRegistry(t))
	if got := digest.FromBytes(
		config); got != "sha256:ea9712b6bbd2e3a3294b949612825474079dc0b90f62f6bf406dcfd893d3921f" {
		t.Errorf("image ID %s:\n%s", got, config)
	}
	const want = `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` +
		`"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":1031,"digest":"sha256:ea9712b6bbd2e3a3294b949612825474079dc0b90f62f6bf406dcfd893d3921f"},` +
		`"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":90,"digest":"` + blobA +
		`"},` +
		`{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":90,"digest":"` + blobB + `"}]}`
	if string(manifest) != want { // what skopeo 1.9.3 makes of the same image
		t.Errorf("manifest\n got: %s\nwant: %s", manifest, want)
	}
}

// convert converts a manifest and checks that the result is an image.
func convert(t testing.TB, raw []byte) (config, manifest []byte) {
	t.Helper()
	im, err := schema1.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	config, manifest, err = im.Convert(known)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, config, manifest)
	return config, manifest
}

func checkImage(t testing.TB, config, raw []byte) {
	t.Helper()
	doc, err := image.ParseManifest(image.DockerManifest, raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if want := image.Describe(image.DockerConfig, config); doc.Config.Digest != want.Digest ||
		doc.Config.Size != want.Size || !doc.MayBeImage() {
		t.Errorf("the manifest refers to configuration %v, which is %v", *doc.Config, want)
	}
	if !json.Valid(config) {
		t.Fatalf("no JSON: %s", config)
	}
	var parsed v1.Image
	lenient.Decode(config, &parsed) // what nobody needs may be odd here too: it travels as it is
	full := 0
	for _, h := range parsed.History {
		if !h.EmptyLayer {
			full++
		}
	}
	if n := len(doc.Layers); n != len(parsed.RootFS.DiffIDs) || n != full {
		t.Errorf("%d layers, %d diff IDs, %d steps of history with files", n, len(parsed.RootFS.DiffIDs), full)
	}
}

func TestConvertMediaTypes(t *testing.T) {
	_, manifest := convert(t, payload(layers{{Blob: plain}, {Blob: blobA}, {Blob: plain}}...))
	var m struct{ Layers []struct{ MediaType string } }
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, l := range m.Layers {
		types = append(types, l.MediaType)
	}
	const tar = "application/vnd.docker.image.rootfs.diff.tar"
	if got, want := strings.Join(types, " "), tar+" "+tar+".gzip "+tar; got != want {
		t.Errorf("layers of types %s, want %s", got, want)
	}
}

func TestConvertWithoutLayers(t *testing.T) {
	config, manifest := convert(t,
		payload(schema1test.Layer{Blob: empty, Fields: top(fields{"throwaway": true})}))
	if !strings.Contains(string(config), `"rootfs":{"type":"layers"}`) ||
		!strings.Contains(string(manifest), `"layers":[]`) {
		t.Errorf("configuration %s, manifest %s", config, manifest)
	}
}

func TestConvertFails(t *testing.T) {
	parse := func(raw []byte) schema1.Image {
		im, err := schema1.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	if _, _, err := parse(payload(schema1test.Layer{Blob: one})).Convert(known); err == nil {
		t.Error("converted without knowing a layer")
	}
	zstd := map[digest.Digest]schema1.Blob{one: {Size: 1, DiffID: two, Kind: compression.Zstd}}
	if _, _, err := parse(payload(schema1test.Layer{Blob: one})).Convert(zstd); !errors.Is(err,
		image.ErrUnsupported) {
		t.Errorf("a layer for which there is no media type: %v", err)
	}
	huge := fields{"docker_version": "1.10.0", "x": strings.Repeat("&", 2<<20)} // each becomes six bytes
	raw := schema1test.Image{Layers: layers{{Blob: blobA, Fields: huge}}}.Payload()
	raw = []byte(strings.ReplaceAll(string(raw), `\\u0026`, "&"))
	if config, _, err := parse(raw).Convert(known); err == nil {
		t.Errorf("a configuration of %d bytes", len(config))
	}
}
