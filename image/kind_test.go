package image_test

import (
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// What a manifest describes is judged from its types and its configuration together, and nowhere else.
func TestJudge(t *testing.T) {
	const octets, signature = "application/octet-stream", "application/vnd.dev.cosign.simplesigning.v1+json"
	a := digest.FromString("a").String()
	config := `{"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`
	two := `{"rootfs":{"diff_ids":["` + a + `","` + a + `"]}}`
	one := `{"rootfs":{"type":"layers","diff_ids":["` + a + `"]}}`
	for _, c := range []struct {
		name, configType, config string
		layers                   []string
		want                     image.Kind
	}{
		{"an image of OCI's", v1.MediaTypeImageConfig, two,
			[]string{v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd}, image.Container},
		{"an image of Docker's", image.DockerConfig, two,
			[]string{image.DockerLayer, image.DockerForeign + ".gzip"}, image.Container},
		{"an image without layers", v1.MediaTypeImageConfig, config, nil, image.Container},
		{"wild case 1: a configuration of unknown type", octets, one, []string{image.DockerLayer},
			image.Container},
		{"wild case 1: JSON", "application/json", one, []string{image.DockerLayer}, image.Container},
		{"wild case 1: text", "text/plain; charset=utf-8", one, []string{image.DockerLayer}, image.Container},
		{"wild case 1: capitals", "Application/Octet-Stream", one, []string{image.DockerLayer}, image.Container},
		{"wild case 1: a parameter", image.DockerConfig + "; charset=utf-8", one, []string{image.DockerLayer},
			image.Container},
		{"wild case 1: the layers of Docker's drafts", image.DockerConfig, one,
			[]string{"application/vnd.docker.container.image.rootfs.diff+x-gtar"}, image.Container},
		{"JSON, without diff IDs", "application/json", config, []string{image.DockerLayer}, image.Artifact},
		{"a plugin", "application/vnd.docker.plugin.v1+json", one, []string{image.DockerLayer}, image.Artifact},
		{"unknown type, without diff IDs", octets, config, []string{image.DockerLayer}, image.Artifact},
		{"unknown type, no JSON object", octets, `[1]`, []string{image.DockerLayer}, image.Artifact},
		{"layers of vague types", v1.MediaTypeImageConfig, one, []string{octets}, image.Container},
		{"a layer without a type", v1.MediaTypeImageConfig, one, []string{""}, image.Container},
		{"a layer that is a .tgz", image.DockerConfig, one, []string{"application/vnd.docker.diff.tgz"},
			image.Container},
		{"unknown type, the configuration unread", octets, "", []string{image.DockerLayer}, image.Container},
		{"unknown type and other layers", octets, config, []string{octets}, image.Artifact},
		{"unknown type and no layers", octets, config, nil, image.Artifact},
		{"wild case 2: encrypted layers", v1.MediaTypeImageConfig, two,
			[]string{v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerGzip + "+encrypted"}, image.Sealed},
		{"wild case 2: in capitals", v1.MediaTypeImageConfig, one,
			[]string{v1.MediaTypeImageLayerGzip + "+Encrypted"}, image.Sealed},
		{"wild case 2: lz4", v1.MediaTypeImageConfig, one, []string{v1.MediaTypeImageLayer + "+lz4"}, image.Sealed},
		{"wild case 2: brotli", v1.MediaTypeImageConfig, one, []string{v1.MediaTypeImageLayer + ".br"},
			image.Sealed},
		{"too few diff IDs", v1.MediaTypeImageConfig, one,
			[]string{v1.MediaTypeImageLayer, v1.MediaTypeImageLayer}, image.Sealed},
		{"a diff ID that is none", v1.MediaTypeImageConfig, `{"rootfs":{"diff_ids":["x"]}}`,
			[]string{v1.MediaTypeImageLayer}, image.Sealed},
		{"a byte order mark", v1.MediaTypeImageConfig, "\ufeff" + one, []string{v1.MediaTypeImageLayer},
			image.Sealed},
		{"something behind it", v1.MediaTypeImageConfig, one + `{}`, []string{v1.MediaTypeImageLayer},
			image.Sealed},
		{"wild case 29: oras --artifact-platform", v1.MediaTypeImageConfig, `{"architecture":"amd64","os":"linux"}`,
			[]string{v1.MediaTypeImageLayer}, image.Artifact},
		{"wild case 3: a list", v1.MediaTypeImageConfig, `[]`, []string{v1.MediaTypeImageLayer}, image.Artifact},
		{"wild case 3: a text", image.DockerConfig, `"x"`, []string{v1.MediaTypeImageLayer}, image.Artifact},
		{"wild case 3: nothing", v1.MediaTypeImageConfig, " ", []string{v1.MediaTypeImageLayer}, image.Artifact},
		{"wild case 3: an empty configuration", v1.MediaTypeImageConfig, `{}`, []string{v1.MediaTypeImageLayer},
			image.Artifact},
		{"an empty configuration, unread", v1.MediaTypeImageConfig, "", []string{v1.MediaTypeImageLayer},
			image.Container},
		{"a damaged configuration", v1.MediaTypeImageConfig, `<html>`, []string{v1.MediaTypeImageLayer},
			image.Sealed},
		{"a layer of a type that nobody knows", v1.MediaTypeImageConfig, two,
			[]string{v1.MediaTypeImageLayer, octets}, image.Container},
		{"cosign's signature", v1.MediaTypeImageConfig, config, []string{signature}, image.Artifact},
		{"a Helm chart", "application/vnd.cncf.helm.config.v1+json", `{}`,
			[]string{"application/vnd.cncf.helm.chart.content.v1.tar+gzip"}, image.Artifact},
		{"a type that only begins like a layer's", v1.MediaTypeImageConfig, config,
			[]string{"application/x.tarball"}, image.Artifact},
	} {
		d := image.Document{Config: &v1.Descriptor{MediaType: c.configType}}
		for _, l := range c.layers {
			d.Layers = append(d.Layers, v1.Descriptor{MediaType: l, Digest: digest.FromString(l)})
		}
		var raw []byte
		if c.config != "" {
			raw = []byte(c.config)
		}
		got := d.Judge(raw)
		if got.Kind != c.want || (got.Kind == image.Sealed) != (got.Why != "") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if index := (&image.Document{Manifests: []v1.Descriptor{}}); index.MayBeImage() ||
		index.Judge(nil).Kind != image.Artifact {
		t.Error("an index is a container image")
	}
}

func TestParseLayerType(t *testing.T) {
	for mediaType, want := range map[string]image.LayerType{
		v1.MediaTypeImageLayer:     {Tar: true},
		v1.MediaTypeImageLayerGzip: {Tar: true, Compression: "gzip"},
		v1.MediaTypeImageLayerZstd: {Tar: true, Compression: "zstd"},
		image.DockerLayer:          {Tar: true, Compression: "gzip"},
		image.DockerPlainLayer:     {Tar: true},
		image.DockerForeign + ".gzip": {Tar: true, Compression: "gzip",
			Foreign: true},
		"application/vnd.oci.image.layer.v1.tar+gzip+encrypted": {Tar: true, Compression: "gzip",
			Encrypted: true},
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": {Tar: true, Compression: "zstd",
			Foreign: true},
		"application/vnd.OCI.image.layer.v1.TAR+GZip+Encrypted; x=y": {Tar: true, Compression: "gzip",
			Encrypted: true},
		"application/vnd.oci.image.layer.v1.tar.bz2":  {Tar: true, Compression: "bzip2"},
		"application/vnd.oci.image.layer.v1.tar+lz4":  {Tar: true, Compression: "lz4"},
		"application/vnd.oci.image.layer.v1.tar+x+gz": {Tar: true, Compression: "x"},
		"application/vnd.oci.image.layer.v1.tar+gz+x": {Tar: true, Compression: "x"},
		"application/vnd.in-toto+json":                {Other: true},
		"application/gzip":                            {},
		"application/x-tar+zstd":                      {},
		"application/x.tarball":                       {Other: true},
		"":                                            {},
	} {
		if got := image.ParseLayerType(mediaType); got != want {
			t.Errorf("%q: %+v, want %+v", mediaType, got, want)
		}
	}
}

// Wild case 13 (podman#18723): one manifest may be listed for two platforms.
func TestOneManifestForTwoPlatforms(t *testing.T) {
	s := newSite(t)
	m := s.image("linux/amd64")
	root := s.index(at(m, "linux/amd64"), at(m, "linux/arm64"))
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if g := load(t, s, root, image.Selection{Platforms: platforms(t, p)}); g.Root.Digest != m.Digest ||
			image.FormatPlatforms(g.Platforms) != p {
			t.Errorf("%s: root %s, platforms %s", p, g.Root.Digest, image.FormatPlatforms(g.Platforms))
		}
		clear(s.asked)
	}
	g := load(t, s, root, image.Selection{Platforms: platforms(t, "linux/amd64", "linux/arm64")})
	if g.Rewritten || g.Root.Digest != root.Digest || len(g.Manifests) != 2 {
		t.Errorf("both: root %s, %d manifests", g.Root.Digest, len(g.Manifests))
	}
	if o := outline(t, s, root); len(o.Leaves) != 2 {
		t.Errorf("the outline has %d leaves", len(o.Leaves))
	}
}
