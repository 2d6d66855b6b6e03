package inspect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/inspect"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

func plain(d v1.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// What belongs to an image may belong to its index or to one platform, and be found in two ways.
func TestReadReferrers(t *testing.T) {
	s := newShop(t)
	root, _ := s.multi()
	im := s.read(root, inspect.Options{})
	amd64 := v1.Descriptor{MediaType: im.Platforms[0].MediaType, Digest: im.Platforms[0].Digest,
		Size: im.Platforms[0].Size}
	sbom := s.artifact("application/sbom", &amd64)
	listed := plain(sbom)
	listed.ArtifactType = "application/sbom"
	s.reg.PutIndex("app", registry.ReferrersTag(amd64.Digest), false, listed)
	signature := s.artifact("application/cosign", nil)
	tag := registry.ReferrersTag(root.Digest) + ".sig"
	s.reg.PutManifest("app", tag, signature.MediaType, s.reg.Manifest("app", signature.Digest))
	s.reg.Reset()
	if err := im.ReadReferrers(t.Context(), s.repo); err != nil {
		t.Fatal(err)
	}
	want := []inspect.Referrer{
		{Digest: signature.Digest, Tag: tag, Subject: root.Digest},
		{Digest: sbom.Digest, ArtifactType: "application/sbom", Subject: amd64.Digest},
	}
	if diff := cmp.Diff(want, im.Referrers); diff != "" {
		t.Error(diff)
	}
	for _, d := range []v1.Descriptor{sbom, signature} {
		if slices.ContainsFunc(s.reg.Requests("GET", ""), func(e fakeregistry.Entry) bool {
			return strings.HasSuffix(e.Path, d.Digest.String())
		}) {
			t.Errorf("%s was read, which is more than was asked", d.Digest)
		}
	}
}

func TestSubjectsOfOneImage(t *testing.T) {
	s := newShop(t)
	root, _ := s.image(linux("amd64", ""), s.layer("content"))
	if got := s.read(root, inspect.Options{}).Subjects(); len(got) != 1 || got[0] != root.Digest {
		t.Errorf("%v", got)
	}
}
