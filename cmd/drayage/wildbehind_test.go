package main

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/layout"
)

// tagOf is the tag that cosign gives to what belongs to an image.
func tagOf(d v1.Descriptor, suffix string) string { return "sha256-" + d.Digest.Encoded() + suffix }

// Neighbours of wild cases 10 and 27: one SBOM belongs to two platforms, each by a tag of its own.
func TestWild27OneReferrerWithSeveralTags(t *testing.T) {
	s := newHandMade(t)
	amd, arm := s.image("amd64", "27"), s.image("arm64", "27")
	root, sbom := s.list(amd, arm), s.artifact("sbom", nil)
	tags := []string{tagOf(amd, ".sbom"), tagOf(arm, ".sbom"), tagOf(root, ".sbom")}
	arrived := func(t *testing.T, repository string) {
		t.Helper()
		for _, tag := range tags {
			s.there(t, repository+":"+tag, sbom)
		}
	}
	for name, in := range map[string]func(tag string) []string{
		"named":    func(tag string) []string { return []string{layout.AnnotationName, "x.test/app:" + tag} },
		"nameless": func(tag string) []string { return []string{v1.AnnotationRefName, tag} },
	} {
		entries := []v1.Descriptor{entry(root)}
		if name == "named" {
			entries[0] = entry(root, layout.AnnotationName, "x.test/app:1")
		}
		for _, tag := range tags {
			entries = append(entries, entry(sbom, in(tag)...))
		}
		s.write(entries...)
		s.both("", func(t *testing.T, src, under string) {
			under += name + "/"
			expect(t, 0, root.Digest.String(), "1 referrer .* stays behind", "push", src, under+"app:1")
			expect(t, 0, root.Digest.String(), "with 3 referrers", "push", src, under+"app:1", "--referrers")
			arrived(t, under+"app")
			out := filepath.Join(t.TempDir(), "out.tar")
			expect(t, 0, "", "images: 1", "save", src, "-o", out, "--format", "oci", "--platform", "all",
				"--referrers")
			expect(t, 0, root.Digest.String(), "with 3 referrers", "push", out, under+"saved:1", "--referrers")
			arrived(t, under+"saved")
			dir := filepath.Join(t.TempDir(), "layout")
			expect(t, 0, "", "with 3 referrers", "fetch", under+"app:1", "-o", dir, "--platform", "all", "--referrers")
			expect(t, 0, root.Digest.String(), "with 3 referrers", "push", dir, under+"fetched:1", "--referrers")
			arrived(t, under+"fetched")
		})
	}
}

// Neighbours of wild case 30: save keeps the tags of images that have nothing else, and --tag replaces them.
func TestWild30TagsSurviveSave(t *testing.T) {
	s := newHandMade(t)
	one, two := s.image("amd64", "30"), s.image("amd64", "31")
	ref := func(d v1.Descriptor, tag string) v1.Descriptor { return entry(d, v1.AnnotationRefName, tag) }
	s.write(ref(one, "1"), ref(two, "2"), ref(one, "1.0"))
	s.both("", func(t *testing.T, src, under string) {
		out := filepath.Join(t.TempDir(), "out.tar")
		expect(t, 0, "", "", "save", src, "-o", out, "--format", "oci", "--platform", "linux/amd64")
		expect(t, 0, "^1\n1.0\n2\n$", "", "ls", out)
		expect(t, 0, one.Digest.String(), nothingSaid, "push", out, under+"app")
		s.there(t, under+"app:1", one)
		s.there(t, under+"app:1.0", one)
		s.there(t, under+"app:2", two)
		kind := strings.TrimSuffix(kindOfPath(src), ":")
		expect(t, 0, "", "", "save", kind+":"+src+":2", "-o", out, "--format", "oci", "--tag", "x.test/y:3")
		expect(t, 0, "^x.test/y:3\n$", "", "ls", out)
	})
}

// Neighbours of wild case 11: an index holds artifacts beside its images, and what is no manifest at all.
func TestWild11ArtifactsInTheIndex(t *testing.T) {
	s := newHandMade(t)
	amd, arm, chart := s.image("amd64", "11"), s.image("arm64", "11"), s.artifact("chart", nil)
	unknown := s.artifact("unknown", nil)
	unknown.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	about := s.artifact("provenance", nil)
	about.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": amd.Digest.String()}
	file := s.put("application/xml", []byte("<x/>"))
	silent := arm // its configuration tells its platform
	silent.Platform = nil
	root, files := s.list(amd, silent, chart, unknown, about), s.list(amd, arm, file)
	s.write(entry(root, layout.AnnotationName, "x.test/app:1"),
		entry(root, layout.AnnotationName, "x.test/app:2"))
	said := "1 attestation and 2 artifacts.*--platform all takes"
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, root.Digest.String(), nothingSaid, "push", src, under)
		expect(t, 0, amd.Digest.String(), said, "push", src, under+"one/", "--platform", "linux/amd64")
		dir, out := filepath.Join(t.TempDir(), "dir"), filepath.Join(t.TempDir(), "out.tar")
		for _, platforms := range []string{"linux/amd64", "linux/amd64,linux/arm64"} {
			expect(t, 0, "", said, "fetch", under+"app:1", "-o", dir, "--platform", platforms)
			expect(t, 0, "", said, "save", src, "-o", out, "--format", "oci", "--platform", platforms)
		}
		expect(t, 0, "", "2 artifacts .*: --platform all takes", "push", src, under+"arm/", "--platform",
			"linux/arm64")
	})
	s.write(entry(files, layout.AnnotationName, "x.test/files:1"))
	s.both("", func(t *testing.T, src, under string) {
		out := filepath.Join(t.TempDir(), "out.tar")
		for _, platforms := range []string{"linux/amd64", "linux/amd64,linux/arm64"} {
			expect(t, 0, "", "note: 1 artifact .*--platform all takes", "save", src, "-o", out, "--format", "oci",
				"--platform", platforms)
		}
		expect(t, 0, "", "images: 1", "save", src, "-o", out, "--format", "oci", "--platform", "all")
		expect(t, 0, "^ok", "bad: 0", "verify", out)
	})
}

// Neighbours of wild case 25: referrers of an image that a registry takes only as another one.
func TestWild25ReferrersOfConverted(t *testing.T) {
	s := newHandMade(t)
	im := s.image("amd64", "25")
	s.write(entry(im, layout.AnnotationName, "x.test/app:1"), entry(s.artifact("sbom", &im)))
	s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/", Func: func(r *http.Request) bool {
		return strings.Contains(r.Header.Get("Content-Type"), "vnd.oci.")
	}}, fakeregistry.Answer(http.StatusUnsupportedMediaType,
		`{"errors":[{"code":"MANIFEST_INVALID","message":"not of my kind"}]}`))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, "sha256", "without 1 referrer of "+im.Digest.String(), "push", src, under,
			"--referrers")
	})
}

// order tells at which request manifests arrived in the registry.
func (s *handMade) order(repository string, all ...v1.Descriptor) (at []int) {
	s.t.Helper()
	for _, d := range all {
		at = append(at, -1)
		for i, e := range s.reg.Requests("PUT", "/"+repository+"/manifests/") {
			if strings.HasSuffix(e.Path, d.Digest.String()) {
				at[len(at)-1] = i
			}
		}
	}
	return at
}

// Neighbours of wild case 11: GitLab wants to know the subject of a manifest (buildkit#7007), and
// attestations in an index have one now.
func TestWild11SubjectsArriveFirst(t *testing.T) {
	s := newHandMade(t)
	amd, arm := s.image("amd64", "7007"), s.image("arm64", "7007")
	attested := s.artifact("provenance", &amd)
	attested.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": amd.Digest.String()}
	root := s.list(attested, amd, arm)
	sbom := s.artifact("sbom", &root)
	signature := s.artifact("sig", &sbom)
	s.write(entry(root, layout.AnnotationName, "x.test/app:1"), entry(signature), entry(sbom))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, root.Digest.String(), "with 2 referrers", "push", src, under, "--referrers")
		repository := strings.SplitN(under, "/", 2)[1] + "app"
		if at := s.order(repository, amd, attested, sbom, signature); at[0] < 0 || !slices.IsSorted(at) {
			t.Errorf("manifests arrived in the order %v", at)
		}
		// With its subject the attestation is a referrer, and travels as one.
		tag := tagOf(amd, "")
		s.reg.PutIndex(repository, tag, false, entry(attested))
		dir := filepath.Join(t.TempDir(), "dir")
		expect(t, 0, "", "with 1 referrer", "fetch", under+"app:1", "-o", dir, "--referrers", "--platform",
			"linux/amd64")
		_, errs, _ := command(t, "fetch", under+"app:1", "-o", dir, "--referrers", "--platform", "linux/amd64")
		if strings.Contains(errs, "attestation and") || !strings.Contains(errs, "2 referrers, which stay behind") {
			t.Errorf("the attestation is here: %s", errs)
		}
	})
}

// Neighbours of wild case 26: the annotation that containerd and olareg give referrers (image-spec#1171).
func TestWild26ReferrersByAnnotation(t *testing.T) {
	s := newHandMade(t)
	im, other := s.image("amd64", "1171"), s.image("arm64", "1171")
	sbom, signature := s.artifact("sbom", &im), s.artifact("sig", nil)
	list := s.list(entry(sbom))
	by := func(d v1.Descriptor) v1.Descriptor {
		return entry(d, "org.opencontainers.image.referrer.subject", im.Digest.String())
	}
	s.write(entry(im, layout.AnnotationName, "x.test/app:1"), by(list), by(signature),
		entry(other, layout.AnnotationName, "x.test/other:1"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, "^x.test/app:1\nx.test/other:1\n$", "", "ls", "-q", src)
		expect(t, 0, im.Digest.String(), "2 referrers .* stay behind", "push", src, under)
		expect(t, 0, im.Digest.String(), "with 2 referrers", "push", src, under, "--referrers")
	})
}

// Neighbours of wild case 11: a registry that reads the referrers tag as a digest (oras#2174).
func TestWild11ReferrersTagIsTheImage(t *testing.T) {
	s := newHandMade(t)
	root := s.list(s.image("amd64", "2174"), s.image("arm64", "2174"))
	s.write(entry(root, layout.AnnotationName, "x.test/app:1"),
		entry(root, layout.AnnotationName, "x.test/app:"+tagOf(root, "")))
	expect(t, 0, root.Digest.String(), "", "push", "oci:"+s.dir.Path()+":x.test/app:1", s.host+"/app:1")
	expect(t, 0, root.Digest.String(), "", "push", "oci:"+s.dir.Path()+":x.test/app:1",
		s.host+"/app:"+tagOf(root, ""))
	_, errs, code := command(t, "fetch", s.host+"/app:1", "-o", filepath.Join(t.TempDir(), "dir"), "--referrers",
		"--platform", "linux/amd64")
	if code != 0 || strings.Contains(errs, "referrer") {
		t.Errorf("%d\n%s", code, errs)
	}
}

// More neighbours of wild case 11: an artifact is called by its type and counted as one, and two images that
// only a feature of the system tells apart do not look the same.
func TestWild11ArtifactsByName(t *testing.T) {
	s := newHandMade(t)
	amd, twin, index := s.image("amd64", "11"), s.image("amd64", "12"), s.artifact("soci", nil)
	twin.Platform.OSFeatures = []string{"sse4"}
	chart := s.artifact("chart", nil)
	s.write(entry(s.list(amd, twin, index), layout.AnnotationName, "x.test/app:1"),
		entry(chart, layout.AnnotationName, "x.test/chart:1"))
	s.both("", func(t *testing.T, src, under string) {
		dir := filepath.Join(t.TempDir(), "dir")
		expect(t, 0, chart.Digest.String(), nothingSaid, "push", src, under)
		expect(t, 0, "", `\(application/vnd.example.chart\)`, "fetch", under+"chart:1", "-o", dir)
		expect(t, 0, `"artifactType": *"application/vnd.example.chart"`, "", "fetch", under+"chart:1", "-o", dir,
			"--json")
		expect(t, 0, "holds    2 platforms, 1 artifact\n(.*\n)*linux/amd64 with sse4 (.*\n)*"+
			"application/vnd.example.soci ", "", "inspect", under+"app:1")
		expect(t, 3, "", "it has: linux/amd64, linux/amd64 with sse4", "fetch", under+"app:1", "-o", dir,
			"--platform", "linux/s390x")
	})
}
