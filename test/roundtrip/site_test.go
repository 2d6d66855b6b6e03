package roundtrip

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

var flavours = []sample.Flavour{sample.OCI, sample.Docker, sample.Nested}

// site is a registry that counts its traffic.
type site struct {
	*registry3.Server
	meter.Meter
}

// startSite starts a registry that ends with the test. A Wrap in the options sees what the meter sees.
func startSite(t *testing.T, opts registry3.Options) *site {
	t.Helper()
	s := &site{}
	inner := opts.Wrap
	opts.Wrap = func(next http.Handler) http.Handler {
		if inner != nil {
			next = inner(next)
		}
		return s.Meter.Wrap(next)
	}
	var err error
	if s.Server, err = registry3.Start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *site) repo(name string) *wire.Repository {
	return &wire.Repository{URL: s.URL(), Name: name}
}

// seed puts a sample image into a repository under a tag and returns it.
func (s *site) seed(t *testing.T, name, tag string, opts sample.Options) *sample.Image {
	t.Helper()
	return seed(t, s.repo(name), tag, opts)
}

func seed(t *testing.T, repo *wire.Repository, tag string, opts sample.Options) *sample.Image {
	t.Helper()
	img, err := sample.Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Seed(t.Context(), repo, tag); err != nil {
		t.Fatal(err)
	}
	return img
}

// host is the part of an image for the platform that drayage picks unasked.
func host(t *testing.T, img *sample.Image) sample.Platform {
	t.Helper()
	for _, p := range img.Platforms {
		if p.Architecture == runtime.GOARCH {
			return p
		}
	}
	t.Fatalf("the sample has no platform for %s", runtime.GOARCH)
	return sample.Platform{}
}

// identity is what must not change on the way: the image ID and the digests of the unpacked layers.
type identity struct {
	id      digest.Digest
	diffIDs []digest.Digest
}

func identityOf(p sample.Platform) identity { return identity{p.Config, p.DiffIDs} }

func (i identity) equal(j identity) bool {
	return i.id == j.id && slices.Equal(i.diffIDs, j.diffIDs)
}

// checkServed reads an image from a registry, unpacks every layer, and compares.
func checkServed(t *testing.T, repo *wire.Repository, ref string, want sample.Platform) {
	t.Helper()
	checkServedIdentity(t, repo, ref, identityOf(want))
}

func checkServedIdentity(t *testing.T, repo *wire.Repository, ref string, want identity) {
	t.Helper()
	m, err := repo.Manifest(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	got := readIdentity(t, m.Raw, func(dgst digest.Digest) io.ReadCloser {
		rc, err := repo.Blob(t.Context(), dgst)
		if err != nil {
			t.Fatal(err)
		}
		return rc
	})
	if !got.equal(want) {
		t.Errorf("%s:%s is %v, want %v", repo.Name, ref, got, want)
	}
}

// readIdentity hashes what a manifest refers to, rather than believe the digests it names.
func readIdentity(t *testing.T, manifest []byte, open func(digest.Digest) io.ReadCloser) identity {
	t.Helper()
	var m v1.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	got := identity{id: hash(t, open(m.Config.Digest))}
	for _, layer := range m.Layers {
		got.diffIDs = append(got.diffIDs, hashUnpacked(t, open(layer.Digest)))
	}
	return got
}

// checkWhole compares every manifest and blob that a registry serves with those of the image, byte for byte.
func checkWhole(ctx context.Context, t *testing.T, repo *wire.Repository, tag string, img *sample.Image) {
	t.Helper()
	root, err := repo.Manifest(ctx, tag)
	if err != nil {
		t.Fatal(err)
	}
	if root.Digest != img.Root.Digest {
		t.Errorf("%s:%s is %s, want %s", repo.Name, tag, root.Digest, img.Root.Digest)
	}
	for _, want := range img.Manifests {
		got, err := repo.Manifest(ctx, want.Digest.String())
		if err != nil {
			t.Error(err)
		} else if got.MediaType != want.MediaType {
			t.Errorf("manifest %s is served as %q, want %q", want.Digest, got.MediaType, want.MediaType)
		}
	}
	for dgst := range img.Blobs {
		rc, err := repo.Blob(ctx, dgst)
		if err != nil {
			t.Error(err)
		} else if got := hash(t, rc); got != dgst {
			t.Errorf("blob %s has the bytes of %s", dgst, got)
		}
	}
}

// blobsOf lists config and layers of one platform, each once.
func blobsOf(t *testing.T, img *sample.Image, p sample.Platform) []v1.Descriptor {
	t.Helper()
	i := slices.IndexFunc(img.Manifests, func(m wire.Manifest) bool { return m.Digest == p.Manifest.Digest })
	var m v1.Manifest
	if err := json.Unmarshal(img.Manifests[i].Raw, &m); err != nil {
		t.Fatal(err)
	}
	return append([]v1.Descriptor{m.Config}, m.Layers...)
}
