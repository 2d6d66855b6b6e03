package inspect_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/imagetest"
)

// multi stores an index of two platforms that share a layer, and an attestation of the first.
func (s *shop) multi() (root v1.Descriptor, want *inspect.Image) {
	base, a, b := s.layer("base"), s.layer("for amd64"), s.layer("for arm, which is longer")
	amd64, amd64ID := s.image(linux("amd64", ""), base, a)
	arm, armID := s.image(linux("arm", "v7"), base, b, b)
	attestation := on(s.artifact("application/vnd.in-toto", nil), "unknown", "unknown", "")
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": amd64.Digest.String()}
	root = s.reg.PutIndex("app", "1", false, on(amd64, "linux", "amd64", ""), attestation,
		on(arm, "linux", "arm", "v7"))
	bare := func(layers ...inspect.Layer) (out []inspect.Layer) {
		for _, l := range layers {
			l.DiffID = ""
			out = append(out, l)
		}
		return out
	}
	return root, &inspect.Image{
		Kind: inspect.Index, MediaType: v1.MediaTypeImageIndex, Digest: root.Digest, Size: root.Size,
		Layers: 3, LayerBytes: base.Size + a.Size + b.Size,
		Attestations: []inspect.Attestation{{Digest: attestation.Digest, For: amd64.Digest}},
		Platforms: []inspect.Platform{
			{Platform: "linux/amd64", Digest: amd64.Digest, MediaType: amd64.MediaType, Size: amd64.Size, ID: amd64ID,
				LayerBytes: base.Size + a.Size,
				DockerID:   &inspect.DockerID{GraphDriver: amd64ID, Containerd: root.Digest}, Layers: bare(base, a)},
			{Platform: "linux/arm/v7", Digest: arm.Digest, MediaType: arm.MediaType, Size: arm.Size, ID: armID,
				LayerBytes: base.Size + b.Size,
				DockerID:   &inspect.DockerID{GraphDriver: armID, Containerd: root.Digest}, Layers: bare(base, b, b)},
		},
	}
}

// What was left out of an archive is marked, and counted once.
func TestLeftOut(t *testing.T) {
	s := newShop(t)
	root, want := s.multi()
	im := s.read(root, inspect.Options{})
	base, other := want.Platforms[0].Layers[0], want.Platforms[0].Layers[1]
	im.LeaveOut([]image.Absent{
		{Descriptor: v1.Descriptor{Digest: base.Digest}, Reason: image.LeftOut},
		{Descriptor: v1.Descriptor{Digest: other.Digest}, Reason: image.OtherPlatform},
	})
	for _, p := range im.Platforms {
		for i, l := range p.Layers {
			if l.Absent != (i == 0) {
				t.Errorf("%s: layer %d is absent: %v", p.Platform, i, l.Absent)
			}
		}
	}
	if n, bytes := inspect.LeftOut([]*inspect.Image{im, im}); n != 1 || bytes != base.Size {
		t.Errorf("%d layers with %d bytes were left out", n, bytes)
	}
}

// An overview costs the manifests of the platforms, and nothing else.
func TestReadIndex(t *testing.T) {
	s := newShop(t)
	root, want := s.multi()
	if diff := cmp.Diff(want, s.read(root, inspect.Options{})); diff != "" {
		t.Error(diff)
	}
	if n, m := len(s.reg.Requests("", "/manifests/")), len(s.reg.Requests("", "/blobs/")); n != 3 || m != 0 {
		t.Errorf("%d manifests and %d blobs were asked for", n, m)
	}
	if n := len(s.reg.Requests("", "/manifests/"+want.Attestations[0].Digest.String())); n > 0 {
		t.Error("the attestation was read")
	}
}

// One platform costs the index, its manifest and its configuration.
func TestReadOnePlatform(t *testing.T) {
	s := newShop(t)
	root, overview := s.multi()
	want := overview.Platforms[1]
	im := s.read(root,
		inspect.Options{Platforms: []v1.Platform{{OS: "linux", Architecture: "arm", Variant: "v7"}}})
	if im.Kind != inspect.Index || im.Digest != root.Digest || len(im.Platforms) != 1 || im.Layers != 2 ||
		im.LayerBytes != want.LayerBytes {
		t.Fatalf("%+v", im)
	}
	got := im.Platforms[0]
	if got.Digest != want.Digest || got.Config == nil || !got.Config.Created.Equal(created) ||
		got.Layers[1].DiffID == "" || got.Layers[1].DiffID != got.Layers[2].DiffID {
		t.Errorf("%+v", got)
	}
	if n, m := len(s.reg.Requests("", "/manifests/")), len(s.reg.Requests("", "/blobs/")); n != 2 || m != 1 {
		t.Errorf("%d manifests and %d blobs were asked for", n, m)
	}
	var missing *image.PlatformError
	if _, err := inspect.Read(t.Context(), s.repo, root,
		inspect.Options{Platforms: []v1.Platform{{OS: "linux", Architecture: "s390x"}}}); !errors.As(err,
		&missing) {
		t.Errorf("a platform that is not there: %v", err)
	}
}

func TestReadAllConfigurations(t *testing.T) {
	s := newShop(t)
	root, _ := s.multi()
	for _, p := range s.read(root, inspect.Options{Configs: true}).Platforms {
		if p.Config == nil || p.Layers[0].DiffID == "" {
			t.Errorf("%s has no configuration", p.Platform)
		}
	}
}

func TestReadOneImage(t *testing.T) {
	s := newShop(t)
	config := linux("arm64", "")
	config.Author = "me"
	config.Config = v1.ImageConfig{
		User: "app", Env: []string{"B=2", "A=1"}, Entrypoint: []string{"/app"}, Cmd: []string{"-v"},
		WorkingDir: "/srv", StopSignal: "SIGQUIT",
		Labels: map[string]string{"k": "v"}, ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
		Volumes: map[string]struct{}{"/b": {}, "/a": {}},
	}
	layer := s.layer("content")
	root, id := s.image(config, layer)
	want := &inspect.Image{
		Kind: inspect.Manifest, MediaType: root.MediaType, Digest: root.Digest, Size: root.Size, Layers: 1,
		LayerBytes: layer.Size,
		Platforms: []inspect.Platform{{
			Platform: "linux/arm64", Digest: root.Digest, MediaType: root.MediaType, Size: root.Size, ID: id,
			LayerBytes: layer.Size, Layers: []inspect.Layer{layer},
			DockerID: &inspect.DockerID{GraphDriver: id, Containerd: root.Digest},
			Config: &inspect.Config{
				Created: &created, Author: "me", User: "app", Env: []string{"B=2", "A=1"}, Entrypoint: []string{"/app"},
				Cmd: []string{"-v"}, WorkingDir: "/srv",
				StopSignal: "SIGQUIT", Labels: map[string]string{"k": "v"}, ExposedPorts: []string{"53/udp", "80/tcp"},
				Volumes: []string{"/a", "/b"},
			},
		}},
	}
	if diff := cmp.Diff(want, s.read(root, inspect.Options{})); diff != "" {
		t.Error(diff)
	}
}

func TestReadArtifact(t *testing.T) {
	s := newShop(t)
	root := s.artifact("application/vnd.cncf.helm.config.v1+json", nil)
	im := s.read(root, inspect.Options{Configs: true})
	p := im.Platforms[0]
	if im.Kind != inspect.Artifact || p.ArtifactType != "application/vnd.cncf.helm.config.v1+json" ||
		p.ID != "" || p.DockerID != nil || p.Platform != "" || p.Annotations["a"] != "b" {
		t.Errorf("%+v", im)
	}
}

// Layouts are copied without some platforms, and registries lose manifests: what is there is shown all the
// same.
func TestReadIndexOfWhichSomeIsMissing(t *testing.T) {
	s := newShop(t)
	layer := s.layer("content")
	there, _ := s.image(linux("amd64", ""), layer)
	gone := on(v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("gone"), Size: 7},
		"linux", "arm64", "")
	root := s.reg.PutIndex("app", "1", false, on(there, "linux", "amd64", ""), gone)
	sources := map[string]interface {
		Open(context.Context, v1.Descriptor, int64, int64) (io.ReadCloser, error)
	}{"registry": s.repo, "layout": without{s, gone.Digest}}
	for name, src := range sources {
		im, err := inspect.Read(t.Context(), src, root, inspect.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := inspect.Platform{Platform: "linux/arm64", Digest: gone.Digest, MediaType: gone.MediaType, Size: 7,
			Missing: true}
		if diff := cmp.Diff(want, im.Platforms[1]); diff != "" || im.Platforms[0].Missing || im.Layers != 1 {
			t.Errorf("%s: %s", name, diff)
		}
		if _, err := inspect.Read(t.Context(), src, root,
			inspect.Options{Platforms: []v1.Platform{*gone.Platform}}); err == nil {
			t.Errorf("%s: the missing platform itself was asked for", name)
		}
	}
}

// without is the shop as a layout that lacks a manifest.
type without struct {
	*shop
	gone digest.Digest
}

func (w without) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if d.Digest == w.gone {
		return nil, &fs.PathError{Op: "open", Path: "blobs", Err: fs.ErrNotExist}
	}
	return w.repo.Open(ctx, d, offset, length)
}

func TestReadRefusesWhatIsWrong(t *testing.T) {
	s := newShop(t)
	root, _ := s.multi()
	for name, d := range map[string]v1.Descriptor{
		"digest": {MediaType: root.MediaType, Digest: digest.FromString("x"), Size: root.Size},
		"size":   {MediaType: root.MediaType, Digest: root.Digest, Size: root.Size - 1},
	} {
		if im, err := inspect.Read(t.Context(), s.repo, d, inspect.Options{}); err == nil {
			t.Errorf("%s: %+v", name, im)
		}
	}
	config := s.reg.PutBlob("app", []byte(`{"rootfs":`))
	config.MediaType = v1.MediaTypeImageConfig
	bad := s.manifest(imagetest.Manifest(config))
	im, err := inspect.Read(t.Context(), s.repo, bad, inspect.Options{})
	if err != nil || !strings.Contains(im.Platforms[0].Sealed, "not valid JSON") || im.Kind != inspect.Manifest {
		t.Errorf("a bad configuration: %+v, %v", im, err)
	}
}

// The names of fields in JSON are what scripts rely on.
func TestJSON(t *testing.T) {
	d := func(s string) digest.Digest { return digest.Digest("sha256:" + s) }
	im := inspect.Image{
		Names: []string{"a:1"}, Kind: inspect.Index, MediaType: "i", Digest: d("0"), Size: 1, Layers: 1,
		LayerBytes:   2,
		Attestations: []inspect.Attestation{{d("1"), d("2")}},
		Referrers:    []inspect.Referrer{{d("3"), "t", "g", d("4")}},
		Platforms: []inspect.Platform{{
			Platform: "p", OSVersion: "v", Digest: d("5"), MediaType: "m", Size: 3, ArtifactType: "a", Missing: true,
			ID: d("6"), LayerBytes: 4,
			DockerID: &inspect.DockerID{GraphDriver: d("7"), Containerd: d("8")},
			Layers:   []inspect.Layer{{d("9"), d("10"), "l", 5, true, nil}},
			Config:   &inspect.Config{Created: &created}, Annotations: map[string]string{"k": "v"},
		}},
	}
	want := `{"names":["a:1"],"kind":"index","mediaType":"i","digest":"sha256:0","sizeBytes":1,"platforms":[{"platform":"p","osVersion":"v","digest":"sha256:5",` +
		`"mediaType":"m","sizeBytes":3,"artifactType":"a","missing":true,"imageID":"sha256:6","dockerImages":{"graphDriver":"sha256:7","containerd":"sha256:8"},` +
		`"config":{"created":"2025-04-16T14:50:31Z"},"layers":[{"digest":"sha256:9","diffID":"sha256:10","mediaType":"l","sizeBytes":5,"absent":true}],"layerBytes":4,` +
		`"annotations":{"k":"v"}}],"attestations":[{"digest":"sha256:1","subject":"sha256:2"}],"referrers":[{"digest":"sha256:3","artifactType":"t","tag":"g",` +
		`"subject":"sha256:4"}],"layerCount":1,"layerBytes":2}`
	if diff := cmp.Diff(want, string(imagetest.Encode(im))); diff != "" {
		t.Error(diff)
	}
}
