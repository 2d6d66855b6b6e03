package image_test

import (
	"errors"
	"sync"
	"testing"

	"drayage/image"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func outline(t *testing.T, s *site, root v1.Descriptor) *image.Outline {
	t.Helper()
	o, err := image.LoadOutline(t.Context(), s, root)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func leafNames(leaves []image.Leaf) (names []string) {
	for _, l := range leaves {
		names = append(names, image.FormatPlatform(l.Platform))
	}
	return names
}

// What costs a pull each is not read to know what there is, nor to choose from it.
func TestOutlineReadsIndexesOnly(t *testing.T) {
	s := newSite(t)
	inner := s.index(at(s.image("linux/arm64"), "linux/arm64"), at(s.image("linux/arm/v7"), "linux/arm/v7"))
	amd64 := at(s.image("linux/amd64"), "linux/amd64")
	root := s.index(amd64, inner, amd64)
	o := outline(t, s, root)
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64", "linux/arm/v7"},
		leafNames(o.Leaves)); diff != "" {
		t.Error(diff)
	}
	picked, err := o.Pick(t.Context(), image.Selection{Platforms: platforms(t, "linux/arm/v7", "linux/amd64")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm/v7"}, leafNames(picked)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[digest.Digest]int{root.Digest: 1, inner.Digest: 1}, s.asked); diff != "" ||
		!o.IsIndex() {
		t.Errorf("read too much or too little: %s", diff)
	}
	var missing *image.PlatformError
	if _, err := o.Pick(t.Context(), image.Selection{Platforms: platforms(t, "windows/amd64")}); !errors.As(err,
		&missing) || len(missing.Have) != 3 {
		t.Errorf("a platform that is not there: %v", err)
	}
}

// An index need not say for which platforms its images are: then their configurations do. Each is read once.
func TestOutlineOfAnIndexWithoutPlatforms(t *testing.T) {
	s := newSite(t)
	o := outline(t, s, s.index(s.image("linux/amd64"), s.image("linux/s390x")))
	for range 2 {
		picked, err := o.Pick(t.Context(), image.Selection{Platforms: platforms(t, "linux/s390x")})
		if err != nil || len(picked) != 1 || picked[0].Descriptor.Digest != o.Leaves[1].Descriptor.Digest {
			t.Fatalf("%v, %v", picked, err)
		}
		n, err := o.Manifest(t.Context(), picked[0].Descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Config(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	for d, n := range s.asked {
		if n > 1 {
			t.Errorf("%s was asked for %d times", s.name(d), n)
		}
	}
}

func TestOutlineOfOneImage(t *testing.T) {
	s := newSite(t)
	root := s.image("linux/s390x")
	o := outline(t, s, root)
	for name, sel := range map[string]image.Selection{"unasked": {},
		"asked for": {Platforms: platforms(t, "linux/s390x")}} {
		picked, err := o.Pick(t.Context(), sel)
		if err != nil || len(picked) != 1 || picked[0].Descriptor.Digest != root.Digest {
			t.Errorf("%s: %v, %v", name, picked, err)
		}
	}
	var missing *image.PlatformError
	if _, err := o.Pick(t.Context(), image.Selection{Platforms: platforms(t, "linux/amd64")}); !errors.As(err,
		&missing) {
		t.Errorf("another platform: %v", err)
	}
}

func TestOutlineOfAnArtifact(t *testing.T) {
	s := newSite(t)
	root := s.artifact("application/vnd.cncf.helm.config.v1+json")
	picked, err := outline(t, s, root).Pick(t.Context(), image.Selection{Platforms: platforms(t, "linux/amd64")})
	if err != nil || len(picked) != 1 || picked[0].Descriptor.Digest != root.Digest {
		t.Errorf("%v, %v", picked, err)
	}
}

func TestOutlineKnowsAttestations(t *testing.T) {
	s := newSite(t)
	image := at(s.image("linux/amd64"), "linux/amd64")
	marked, unmarked := at(s.artifact("a/b"), "linux/amd64"), at(s.artifact("c/d"), "?")
	marked.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": image.Digest.String()}
	unmarked.Annotations = map[string]string{"vnd.docker.reference.digest": "sha256:../x"}
	leaves := outline(t, s, s.index(image, marked, unmarked)).Leaves
	for i, want := range []struct {
		is  bool
		of  digest.Digest
		why string
	}{{false, "", "an image"}, {true, image.Digest, "annotated"},
		{true, "", "for an unknown platform, of a bad digest"}} {
		if leaves[i].IsAttestation() != want.is || leaves[i].Attested() != want.of {
			t.Errorf("%s: %v of %q", want.why, leaves[i].IsAttestation(), leaves[i].Attested())
		}
	}
}

func TestOutlineIsBounded(t *testing.T) {
	s := newSite(t)
	if _, err := image.LoadOutline(t.Context(), s, s.chain(8)); err != nil {
		t.Errorf("8 indexes: %v", err)
	}
	if _, err := image.LoadOutline(t.Context(), s, s.chain(9)); err == nil {
		t.Error("9 indexes one below the other are accepted")
	}
	var many []v1.Descriptor
	for i := range 10_001 {
		d := s.image("linux/amd64")
		d.Digest = digest.FromBytes([]byte{byte(i), byte(i >> 8)})
		many = append(many, d)
	}
	if _, err := image.LoadOutline(t.Context(), s,
		s.index(s.index(many[:5000]...), s.index(many[5000:]...))); err == nil {
		t.Error("10001 manifests are accepted")
	}
	if _, err := image.LoadOutline(t.Context(), s, s.index(many[:9000]...)); err != nil {
		t.Errorf("9000 manifests: %v", err)
	}
}

// Many goroutines may read manifests of one outline.
func TestOutlineIsUsedConcurrently(t *testing.T) {
	s := newSite(t)
	var entries []v1.Descriptor
	for _, p := range []string{"linux/amd64", "linux/arm64", "linux/s390x", "linux/arm/v7"} {
		entries = append(entries, at(s.image(p), p))
	}
	o := outline(t, s, s.index(entries...))
	var all sync.WaitGroup
	for _, d := range append(entries, entries...) {
		all.Go(func() {
			if n, err := o.Manifest(t.Context(), d); err != nil || n.Descriptor.Digest != d.Digest {
				t.Errorf("%s: %v", d.Digest, err)
			}
		})
	}
	all.Wait()
}
