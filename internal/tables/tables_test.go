package tables

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/inspect"
	"drayage/internal/source"
)

func fakeDigest(c string) digest.Digest { return digest.Digest("sha256:" + strings.Repeat(c, 64)) }

// indexPicture is an index with an image for Windows, one that is not there, and an artifact.
func indexPicture() *inspect.Image {
	layer := inspect.Layer{Digest: fakeDigest("8"), MediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
		Size: 1234}
	return &inspect.Image{
		Names: []string{"registry.example/app:1"}, Kind: inspect.Index, Digest: fakeDigest("1"), Layers: 2,
		LayerBytes:   3_500_000,
		Attestations: []inspect.Attestation{{Digest: fakeDigest("2")}},
		Referrers: []inspect.Referrer{{Digest: fakeDigest("6"), Subject: fakeDigest("1"),
			ArtifactType: "application/sbom\x1b[2J"}},
		Platforms: []inspect.Platform{
			{Platform: "linux/amd64", Digest: fakeDigest("3"), ID: fakeDigest("a"), LayerBytes: 1234,
				Layers: []inspect.Layer{layer}},
			{Platform: "windows/amd64", OSVersion: "10.0.20348.3207", Digest: fakeDigest("4"), ID: fakeDigest("b"),
				LayerBytes: 123_456_789, Layers: make([]inspect.Layer, 12)},
			{Platform: "linux/arm64", Digest: fakeDigest("5"), Missing: true},
			{ArtifactType: "application/vnd.example.thing+json", Digest: fakeDigest("7")},
		},
	}
}

func draw(p Printer, images ...*inspect.Image) string {
	var b bytes.Buffer
	p.W = &b
	for _, im := range images {
		p.Image(im)
	}
	if !p.Detailed && (p.Several || len(images[0].Platforms) != 1) {
		p.Legend(images, source.Spec{Text: "app:1"})
	}
	return b.String()
}

func TestOverview(t *testing.T) {
	want := `registry.example/app:1
index    sha256:1111111111111111111111111111111111111111111111111111111111111111
holds    3 platforms, 1 artifact, 1 attestation
size     3.5 MB compressed in 2 different layers

PLATFORM                            MANIFEST      IMAGE ID      COMPRESSED  LAYERS
linux/amd64                         333333333333  aaaaaaaaaaaa      1.2 kB       1
windows/amd64:10.0.20348.3207       444444444444  bbbbbbbbbbbb    123.5 MB      12
linux/arm64                         555555555555  is not here
application/vnd.example.thing+json  777777777777  -                    0 B       0

REFERRER      OF            WHAT
666666666666  111111111111  application/sbom\x1b[2J

docker images will show as ID the IMAGE ID on the graph-driver store,
and 111111111111 on the containerd store
one platform in detail:
  drayage inspect app:1 --platform linux/amd64
`
	if diff := cmp.Diff(want, draw(Printer{}, indexPicture())); diff != "" {
		t.Error(diff)
	}
}

func TestDetail(t *testing.T) {
	created := time.Date(2025, 4, 16, 16, 50, 31, 0, time.FixedZone("", 7200))
	same := inspect.Layer{Digest: fakeDigest("8"), DiffID: fakeDigest("9"),
		MediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", Size: 1000}
	im := &inspect.Image{Names: []string{"a/app:1"}, Kind: inspect.Manifest, Platforms: []inspect.Platform{{
		Platform: "linux/arm/v7", Digest: fakeDigest("3"), ID: fakeDigest("a"), LayerBytes: 1012,
		DockerID: &inspect.DockerID{GraphDriver: fakeDigest("a"), Containerd: fakeDigest("3")},
		Config: &inspect.Config{
			Created: &created, Entrypoint: []string{"/app", "<&>"}, User: "me", WorkingDir: "/srv",
			Env:          []string{"A=1", "", "EVIL=\x1b]0;x\a\u009b1m\u202e\xff"},
			ExposedPorts: []string{"53/udp", "80/tcp"}, Volumes: []string{"/a", "/b"},
			Labels: map[string]string{"z": "1", "a": strings.Repeat("é", 200)}, StopSignal: "SIGQUIT",
		},
		Layers: []inspect.Layer{same, {Digest: fakeDigest("7"),
			MediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", Size: 12}, same},
	}}}
	want := `a/app:1
manifest sha256:3333333333333333333333333333333333333333333333333333333333333333
image ID sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
platform linux/arm/v7

created      2025-04-16T14:50:31Z
entrypoint   ["/app","<&>"]
user         me
workdir      /srv
env          A=1
             EVIL=\x1b]0;x\a\u009b1m\u202e\xff
ports        53/udp 80/tcp
volumes      /a
             /b
labels       a=` + strings.Repeat("é", 99) + `... (402 bytes)
             z=1
stop signal  SIGQUIT

LAYER  COMPRESSED  DIGEST        DIFF ID       TYPE
    1      1.0 kB  888888888888  999999999999  gzip
    2        12 B  777777777777  -             zstd (foreign)
    3      1.0 kB  888888888888  999999999999  gzip
total      1.0 kB  a layer that comes again is counted once

docker images will show as ID aaaaaaaaaaaa on the graph-driver store,
and 333333333333 on the containerd store
`
	if diff := cmp.Diff(want, draw(Printer{}, im)); diff != "" {
		t.Error(diff)
	}
}

// Layers that are patches have a table of their own, which is narrow. A platform that nobody knows is a dash.
func TestPatches(t *testing.T) {
	tar := "application/vnd.oci.image.layer.v1.tar"
	layer := func(p *inspect.Patch, mediaType string) inspect.Layer {
		return inspect.Layer{Digest: fakeDigest("8"), DiffID: fakeDigest("9"), MediaType: mediaType,
			Size: 8_800_000, Absent: true, Patch: p}
	}
	four := []digest.Digest{fakeDigest("a"), fakeDigest("b"), fakeDigest("c"), fakeDigest("d")}
	im := &inspect.Image{Names: []string{"a/app:1"}, Platforms: []inspect.Platform{{Digest: fakeDigest("3"),
		Layers: []inspect.Layer{
			layer(nil, tar+"+gzip"),
			layer(&inspect.Patch{Size: 702_000, Model: "klauspost 1.15.11 -5", Bases: four[:3]}, tar+"+gzip"),
			layer(&inspect.Patch{Size: 702, Bases: four}, tar),
			layer(&inspect.Patch{Size: 702, Content: true, Bases: four[:1]}, tar+"+gzip"),
		}}}}
	want := `
LAYER  COMPRESSED  DIGEST        DIFF ID       TYPE
    1      8.8 MB  888888888888  999999999999  gzip (not inside)
    2      8.8 MB  888888888888  999999999999  gzip (patch)
    3      8.8 MB  888888888888  999999999999  tar (patch)
    4      8.8 MB  888888888888  999999999999  gzip (patch)
total         0 B  a layer that comes again is counted once

LAYER       PATCH  OF                                        ENCODER
    2    702.0 kB  aaaaaaaaaaaa, bbbbbbbbbbbb, cccccccccccc  klauspost 1.15.11 -5
    3       702 B  aaaaaaaaaaaa, bbbbbbbbbbbb, 2 more        uncompressed
    4       702 B  aaaaaaaaaaaa                              content only
`
	if got := draw(Printer{}, im); !strings.HasSuffix(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got := draw(Printer{Several: true}, im); !strings.Contains(got, "\n-         333333333333") {
		t.Error(got)
	}
}

// Lines fit on a terminal of 80 columns as far as it is in our hands.
func TestPictureIsNarrow(t *testing.T) {
	im := indexPicture()
	im.Platforms = im.Platforms[:3]
	for _, p := range []Printer{{}, {Detailed: true}, {Several: true}} {
		for l := range strings.Lines(draw(p, im)) {
			if n := len(strings.TrimSuffix(l, "\n")); n > 80 {
				t.Errorf("%d columns: %s", n, l)
			}
		}
	}
}

func TestPictureStopsAtTheFirstError(t *testing.T) {
	w := &failing{}
	p := Printer{W: w}
	p.Image(indexPicture())
	if p.Err == nil || w.n != 1 {
		t.Errorf("%v after %d writes", p.Err, w.n)
	}
}

type failing struct{ n int }

func (f *failing) Write([]byte) (int, error) {
	f.n++
	return 0, errors.New("no space left on device")
}

func TestWindow(t *testing.T) {
	for d, want := range map[time.Duration]string{6 * time.Hour: "6 h", 90 * time.Minute: "90 min",
		90 * time.Second: "1m30s"} {
		if got := window(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}
