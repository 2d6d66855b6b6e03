//go:build linux

package interop

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
	"drayage/test/wire"
)

// artifact is a manifest that belongs to an image: a signature, an SBOM.
type artifact struct {
	Type        string
	Content     string
	Subject     *v1.Descriptor // nil: it is found by its tag
	Annotations map[string]string
	OldStyle    bool // the type is that of the configuration
}

// put stores the artifact under a tag, or by its digest, and returns what an index of referrers says of it.
func (a artifact) put(t *testing.T, repo *wire.Repository, tag string) v1.Descriptor {
	t.Helper()
	putBlob := func(mediaType string, content []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if err := repo.PutBlob(t.Context(), d.Digest, d.Size, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: a.Type,
		Config:  putBlob(v1.MediaTypeEmptyJSON, []byte("{}")),
		Layers:  []v1.Descriptor{putBlob("text/plain", []byte(a.Content))},
		Subject: a.Subject, Annotations: a.Annotations,
	}
	if a.OldStyle {
		m.ArtifactType, m.Config.MediaType = "", a.Type
	}
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	d := v1.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw)),
		ArtifactType: a.Type, Annotations: a.Annotations}
	if tag == "" {
		tag = d.Digest.String()
	}
	if err := repo.PutManifest(t.Context(), tag, m.MediaType, raw); err != nil {
		t.Fatal(err)
	}
	if a.Subject != nil {
		enterReferrer(t, repo, a.Subject.Digest, d)
	}
	return d
}

// enterReferrer does what the specification asks of clients where the registry does not list referrers
// itself.
func enterReferrer(t *testing.T, repo *wire.Repository, subject digest.Digest, d v1.Descriptor) {
	t.Helper()
	known, err := repo.Referrers(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex, Manifests: append(known, d)})
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.PutManifest(t.Context(), wire.ReferrersTag(subject), v1.MediaTypeImageIndex,
		raw); err != nil {
		t.Fatal(err)
	}
}

// belongings are what belongs to a sample image in a registry.
type belongings struct {
	referrers map[digest.Digest][]v1.Descriptor // by subject
	cosign    map[string]digest.Digest          // by tag
}

// attach gives an image an SBOM, which is signed, an attestation of one platform, and signatures as cosign
// makes them.
func attach(t *testing.T, repo *wire.Repository, image *sample.Image, here sample.Platform) belongings {
	t.Helper()
	bare := func(d v1.Descriptor) *v1.Descriptor {
		return &v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	}
	sbom := artifact{Type: "application/spdx+json", Content: "sbom", Subject: bare(image.Root),
		Annotations: map[string]string{"made": "<today> & yesterday"}}.put(t, repo, "")
	signature := artifact{Type: "application/vnd.example.signature", Content: "signature of the sbom",
		Subject: bare(sbom)}.put(t, repo, "")
	attestation := artifact{Type: "application/vnd.in-toto+json", Content: "attestation",
		Subject: bare(here.Manifest), OldStyle: true}.put(t, repo, "")
	second := artifact{Type: "application/vnd.example.scan", Content: "scan",
		Subject: bare(here.Manifest)}.put(t, repo, "")
	b := belongings{
		referrers: map[digest.Digest][]v1.Descriptor{
			image.Root.Digest: {sbom}, sbom.Digest: {signature}, here.Manifest.Digest: {attestation, second},
		},
		cosign: map[string]digest.Digest{},
	}
	for _, tag := range []string{wire.ReferrersTag(image.Root.Digest) + ".sig",
		wire.ReferrersTag(here.Manifest.Digest) + ".att"} {
		b.cosign[tag] = artifact{Type: v1.MediaTypeImageConfig, Content: "cosign's " + tag, OldStyle: true}.put(t,
			repo, tag).Digest
	}
	return b
}

// check compares what a registry has with what belongs to the image. also is what is there besides.
func (b belongings) check(t *testing.T, repo *wire.Repository, also ...v1.Descriptor) {
	t.Helper()
	for subject, want := range b.referrers {
		got, err := repo.Referrers(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		got = slices.DeleteFunc(got, func(d v1.Descriptor) bool {
			return slices.ContainsFunc(also, func(a v1.Descriptor) bool { return a.Digest == d.Digest })
		})
		equalAll(t, "referrers of "+subject.String(), described(t, got), described(t, want))
		for _, d := range got {
			checkArtifact(t, repo, d.Digest)
		}
	}
	for tag, want := range b.cosign {
		m, err := repo.Manifest(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, tag, m.Digest, want)
		checkArtifact(t, repo, m.Digest)
	}
}

// described are descriptors as comparable text, in an order of their own.
func described(t *testing.T, all []v1.Descriptor) []string {
	t.Helper()
	var texts []string
	for _, d := range all {
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	slices.Sort(texts)
	return texts
}

func checkArtifact(t *testing.T, repo *wire.Repository, dgst digest.Digest) {
	t.Helper()
	m, err := repo.Manifest(t.Context(), dgst.String())
	if err != nil {
		t.Fatal(err)
	}
	var parsed v1.Manifest
	if err := json.Unmarshal(m.Raw, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, d := range append(parsed.Layers, parsed.Config) {
		rc, err := repo.Blob(t.Context(), d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		got, err := digest.FromReader(rc)
		rc.Close()
		if err != nil || got != d.Digest {
			t.Errorf("blob %s of %s: %s, %v", d.Digest, dgst, got, err)
		}
	}
}

// TestReferrersTravel carries what belongs to an image through a layout, or a tar, to another registry.
// Neither registry has the referrers API, so the tag that stands in for it has to be right, and what it lists
// already has to stay.
func TestReferrersTravel(t *testing.T) {
	for _, registry := range registries {
		for _, by := range []string{"layout", "tar"} {
			t.Run(registry.name+" "+by, func(t *testing.T) {
				image, here := newSample(t, sample.Options{})
				from, to := repository(startRegistry3(t), "team/app"), repository(registry.start(t), "mirror/team/app")
				addr, dest := strings.TrimPrefix(from.URL, "http://"), strings.TrimPrefix(to.URL, "http://")
				ref := seed(t, image, addr, from.Name, "1")
				b := attach(t, from, image, here)
				known := artifact{Type: "application/vnd.example.known", Content: "known", Subject: &image.Root}.put(t,
					to, "")

				source := filepath.Join(scratch(t), "images")
				if by == "tar" {
					drayage(t, "save", ref, "-o", source, "--format", "oci", "--platform", "all", "--referrers").ok(t)
				} else {
					drayage(t, "fetch", ref, "-o", source, "--platform", "all", "--referrers").ok(t)
				}
				for range 2 { // the second finds everything there
					drayage(t, "push", source, dest+"/mirror/", "--referrers").ok(t)
				}
				root, err := to.Manifest(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "digest", root.Digest, image.Root.Digest)
				b.check(t, to, known)
				checkListed(t, dest+"/mirror/team/app:1", b, known)
			})
		}
	}
}

func (b belongings) isReferrer(dgst digest.Digest) bool {
	for _, all := range b.referrers {
		if slices.ContainsFunc(all, func(d v1.Descriptor) bool { return d.Digest == dgst }) {
			return true
		}
	}
	return false
}

// checkListed wants drayage inspect to list everything that belongs to the image itself, once.
func checkListed(t *testing.T, ref string, b belongings, known v1.Descriptor) {
	t.Helper()
	var seen struct {
		Images []struct {
			Referrers []struct{ Digest digest.Digest }
		}
	}
	if err := json.Unmarshal([]byte(drayage(t, "inspect", "--json", "--referrers", ref).ok(t)),
		&seen); err != nil {
		t.Fatal(err)
	}
	var got []digest.Digest
	for _, r := range seen.Images[0].Referrers {
		got = append(got, r.Digest)
	}
	want := []digest.Digest{known.Digest}
	for subject, all := range b.referrers {
		if b.isReferrer(subject) {
			continue
		}
		for _, d := range all {
			want = append(want, d.Digest)
		}
	}
	for _, d := range b.cosign {
		want = append(want, d)
	}
	slices.Sort(got)
	slices.Sort(want)
	equalAll(t, "inspect --referrers", got, want)
}

// TestReferrersOfOnePlatform takes along what belongs to the platform that is fetched, and only with
// --referrers.
func TestReferrersOfOnePlatform(t *testing.T) {
	image, here := newSample(t, sample.Options{})
	from := repository(startRegistry3(t), "team/app")
	ref := seed(t, image, strings.TrimPrefix(from.URL, "http://"), from.Name, "1")
	b := attach(t, from, image, here)
	to := repository(startRegistry3(t), "team/app")
	dest := strings.TrimPrefix(to.URL, "http://")
	layout := filepath.Join(scratch(t), "layout")
	drayage(t, "fetch", ref, "-o", layout, "--referrers").ok(t)

	without := drayage(t, "push", layout, dest+"/")
	without.ok(t)
	if !strings.Contains(without.stderr, "--referrers") {
		t.Errorf("it is not said that something stays behind: %s", without.stderr)
	}
	if got, err := to.Referrers(t.Context(), here.Manifest.Digest); err != nil || len(got) > 0 {
		t.Errorf("without --referrers there are %v, %v", got, err)
	}
	drayage(t, "push", layout, dest+"/", "--referrers").ok(t)
	belonging := belongings{
		referrers: map[digest.Digest][]v1.Descriptor{here.Manifest.Digest: b.referrers[here.Manifest.Digest]},
		cosign:    map[string]digest.Digest{},
	}
	att := wire.ReferrersTag(here.Manifest.Digest) + ".att"
	belonging.cosign[att] = b.cosign[att]
	belonging.check(t, to)
}
