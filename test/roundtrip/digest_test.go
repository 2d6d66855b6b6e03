package roundtrip

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

// carriages are the ways in which an image becomes a tar of --format oci. Each returns the file.
var carriages = []struct {
	name string
	save func(t *testing.T, c *cli, source string, flags ...string) string
}{
	{"registry", func(t *testing.T, c *cli, source string, flags ...string) string {
		return saveOCI(t, c, source, "image.tar", flags...)
	}},
	{"layout", func(t *testing.T, c *cli, source string, flags ...string) string {
		c.must(t, append([]string{"fetch", source, "-o", "images", "--platform", "all"},
			without(flags, "--platform", 2)...)...)
		return saveOCI(t, c, "images", "image.tar", flags...)
	}},
	{"stream", func(t *testing.T, c *cli, source string, flags ...string) string {
		c.write(t, "image.tar", c.must(t, slices.Concat([]string{"save", source, "-o", "-", "--format", "oci"},
			flags)...).stdout)
		return c.path("image.tar")
	}},
	{"compressed", func(t *testing.T, c *cli, source string, flags ...string) string {
		return saveOCI(t, c, source, "image.tar.zst", append([]string{"--compress", "zstd"}, flags...)...)
	}},
	{"tar of a tar", func(t *testing.T, c *cli, source string, flags ...string) string {
		return saveOCI(t, c, saveOCI(t, c, source, "first.tar", flags...), "image.tar", flags...)
	}},
}

func saveOCI(t *testing.T, c *cli, source, out string, flags ...string) string {
	t.Helper()
	c.must(t, slices.Concat([]string{"save", source, "-o", out, "--format", "oci"}, flags)...)
	return filepath.Join(c.dir, out)
}

// without leaves out a flag that takes up n words.
func without(flags []string, flag string, n int) []string {
	if i := slices.Index(flags, flag); i >= 0 {
		return slices.Concat(flags[:i], flags[i+n:])
	}
	return flags
}

// TestDigestSurvivesTheTar goes from a registry through a tar of --format oci into another registry. All
// platforms keep the digest of the index and each one that of its manifest, whatever the media types and the
// way to the tar.
func TestDigestSurvivesTheTar(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		img := connected.seed(t, "app", flavour.String(), sample.Options{Flavour: flavour})
		source := connected.Addr() + "/app:" + flavour.String()
		for _, way := range carriages {
			t.Run(flavour.String()+" by "+way.name, func(t *testing.T) {
				t.Parallel()
				private, c := startSite(t, registry3.Options{}), newCLI(t)
				r := c.must(t, "push", way.save(t, c, source, "--platform", "all"), private.Addr()+"/")
				checkPrinted(t, r, private.Addr()+"/app", img.Root.Digest)
				checkWhole(t.Context(), t, private.repo("app"), flavour.String(), img)
				for _, p := range img.Platforms {
					c := newCLI(t)
					r := c.must(t, "push", way.save(t, c, source, "--platform", sample.Name(p.Platform)),
						private.Addr()+"/one/app:1")
					checkPrinted(t, r, private.Addr()+"/one/app", p.Manifest.Digest)
					checkServed(t, private.repo("one/app"), p.Manifest.Digest.String(), p)
				}
			})
		}
	}
}

func checkPrinted(t *testing.T, r result, repository string, want digest.Digest) {
	t.Helper()
	if line := repository + "@" + want.String() + "\n"; r.stdout != line {
		t.Errorf("push prints %q, want %q", r.stdout, line)
	}
}

// TestReferrersSurviveTheTar does the same with an SBOM of the index and a signature of that, and of one
// platform.
func TestReferrersSurviveTheTar(t *testing.T) {
	for _, flavour := range flavours {
		for _, way := range carriages {
			t.Run(flavour.String()+" by "+way.name, func(t *testing.T) {
				t.Parallel()
				connected, private, c := startSite(t, registry3.Options{}), startSite(t, registry3.Options{}), newCLI(t)
				img := connected.seed(t, "app", "1", sample.Options{Flavour: flavour})
				from, to := connected.repo("app"), private.repo("app")
				sbom := refer(t, from, img.Root, "application/spdx+json")
				belonging := map[digest.Digest]v1.Descriptor{
					img.Root.Digest: sbom,
					sbom.Digest:     refer(t, from, sbom, "application/vnd.example.signature"),
					img.Platforms[0].Manifest.Digest: refer(t, from, img.Platforms[0].Manifest,
						"application/vnd.example.scan"),
				}
				tar := way.save(t, c, connected.Addr()+"/app:1", "--platform", "all", "--referrers")
				c.must(t, "push", tar, private.Addr()+"/", "--referrers")
				checkWhole(t.Context(), t, to, "1", img)
				for subject, want := range belonging {
					got, err := to.Referrers(t.Context(), subject)
					if err != nil || len(got) != 1 || got[0].Digest != want.Digest ||
						got[0].ArtifactType != want.ArtifactType {
						t.Errorf("referrers of %s are %+v, %v; want %s", subject, got, err, want.Digest)
					}
				}
			})
		}
	}
}

// refer stores a manifest that belongs to another one, and lists it where the registry does not do so itself.
func refer(t *testing.T, repo *wire.Repository, subject v1.Descriptor, artifactType string) v1.Descriptor {
	t.Helper()
	content := []byte(artifactType + " of " + subject.Digest.String())
	blob := func(mediaType string, raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		if err := repo.PutBlob(t.Context(), d.Digest, d.Size, bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: artifactType, Subject: &subject,
		Config: blob(v1.MediaTypeEmptyJSON, []byte("{}")), Layers: []v1.Descriptor{blob("text/plain", content)},
	}
	put := func(ref string, mediaType string, v any) v1.Descriptor {
		raw, err := json.MarshalIndent(v, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw)),
			ArtifactType: artifactType}
		if ref == "" {
			ref = d.Digest.String()
		}
		if err := repo.PutManifest(t.Context(), ref, mediaType, raw); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := put("", m.MediaType, m)
	put(wire.ReferrersTag(subject.Digest), v1.MediaTypeImageIndex,
		v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
			Manifests: []v1.Descriptor{d}})
	return d
}
