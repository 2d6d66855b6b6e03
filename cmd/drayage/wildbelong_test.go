package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// items makes a manifest.json, as Docker writes it beside an index.json.
func (s *handMade) items(names []string, manifests ...v1.Descriptor) string {
	s.t.Helper()
	var items []map[string]any
	for i, d := range manifests {
		raw, err := os.ReadFile(filepath.Join(s.dir.Path(), "blobs/sha256", d.Digest.Encoded()))
		if err != nil {
			s.t.Fatal(err)
		}
		var m v1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			s.t.Fatal(err)
		}
		layers := []string{}
		for _, l := range m.Layers {
			layers = append(layers, "blobs/sha256/"+l.Digest.Encoded())
		}
		items = append(items, map[string]any{"Config": "blobs/sha256/" + m.Config.Digest.Encoded(),
			"RepoTags": []string{names[i]}, "Layers": layers})
	}
	raw, err := json.Marshal(items)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// Wild case 25: Docker 29 saves the signatures of an image, and lists them in manifest.json too.
func TestWild25SignatureInManifestJSON(t *testing.T) {
	s := newHandMade(t)
	im, other := s.image("amd64", "25"), s.image("amd64", "beside 25")
	signature, second := s.artifact("sig", nil), s.artifact("att", nil) // both with the same configuration
	tag := "sha256-" + im.Digest.Encoded()
	names := []string{"x.test/cos/app:1", "x.test/cos/app:" + tag + ".sig", "x.test/cos/app:" + tag + ".att"}
	signed := entry(signature, layout.AnnotationName, names[1], v1.AnnotationRefName, tag+".sig",
		layout.AnnotationSubject, im.Digest.String())
	items := s.items(append(names, "x.test/other:1"), im, signature, second, other)
	for name, attested := range map[string]v1.Descriptor{
		"named":    entry(second, layout.AnnotationName, names[2]),
		"nameless": entry(second, layout.AnnotationSubject, im.Digest.String()), // manifest.json has the name
	} {
		s.write(entry(im, layout.AnnotationName, names[0]), signed, signed, attested,
			entry(other, layout.AnnotationName, "x.test/other:1"))
		s.both(items, func(t *testing.T, src, under string) {
			under += name + "/"
			expect(t, 0, "^x.test/cos/app:1\nx.test/other:1\n$", "", "ls", "-q", src)
			expect(t, 0, im.Digest.String(), "(?m)^note: 2 referrers .* stay behind", "push", src, under)
			expect(t, 0, im.Digest.String(), "with 2 referrers", "push", src, under, "--referrers")
			s.there(t, under+"cos/app:"+tag+".sig", signature)
			if name == "named" {
				s.there(t, under+"cos/app:"+tag+".att", second)
			}
			out := filepath.Join(t.TempDir(), "out.tar")
			expect(t, 0, "", "images: 2, referrers: 2", "save", src, "-o", out, "--format", "oci", "--referrers")
			expect(t, 0, signature.Digest.String(), "images: 2, referrers: 2, bad: 0", "verify", out)
			expect(t, 0, "", "images: 2", "save", src, "-o", out)
		})
	}
}

// Wild case 26: oras lists what an image leads to, and what belongs to it, in index.json without names.
func TestWild26WhatANameLeadsTo(t *testing.T) {
	s := newHandMade(t)
	amd, arm := s.image("amd64", "26"), s.image("arm64", "26")
	provenance := s.artifact("provenance", nil)
	provenance.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	provenance.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
		"vnd.docker.reference.digest": amd.Digest.String()}
	root := s.list(amd, arm, provenance)
	sbom := s.artifact("sbom", &root)
	signature := s.artifact("sig", &sbom)
	ofARM := s.artifact("arm", &arm)
	s.write(entry(root, v1.AnnotationRefName, "1"), amd, arm, provenance, entry(sbom), entry(signature),
		entry(ofARM))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, "^1\n$", "", "ls", "-q", src)
		expect(t, 0, sbom.Digest.Encoded()[:12]+`.*application/vnd.example.sbom`, "", "inspect", src)
		expect(t, 0, root.Digest.String(), "3 referrers .* stay behind", "push", src, under+"a:1")
		expect(t, 0, root.Digest.String(), "with 3 referrers", "push", src, under+"b:1", "--referrers")
		s.there(t, under+"b:1", root)
		if s.reg.Manifest(strings.Split(under, "/")[1]+"/b", signature.Digest) == nil {
			t.Error("the signature of the SBOM has not come along")
		}
		out := filepath.Join(t.TempDir(), "out.tar")
		expect(t, 0, "", "images: 1", "save", src, "-o", out)
		expect(t, 0, "", "images: 1, referrers: 3", "save", src, "-o", out, "--format", "oci", "--platform", "all",
			"--referrers")
		expect(t, 0, "^ok", "images: 1, referrers: 3, bad: 0", "verify", src)
		expect(t, 0, root.Digest.String(), "with 3 referrers", "push", out, under+"c:1", "--referrers")
		expect(t, 0, "sha256", "1 attestation and 2 referrers .* stay behind: --platform all --referrers", "push",
			src,
			under+"d:1", "--platform", "linux/amd64")
	})
	// A copy of one platform, with its attestation and no index.
	s.write(entry(amd, v1.AnnotationRefName, "1"), provenance)
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, amd.Digest.String(), "1 referrer .* stay", "push", src, under+"e:1")
	})
	// regctl keeps referrers in an index under a tag.
	s.write(entry(root, v1.AnnotationRefName, "1"),
		entry(s.list(entry(sbom), entry(ofARM)), v1.AnnotationRefName, "sha256-"+root.Digest.Encoded()))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, "^1\n$", "", "ls", "-q", src)
		expect(t, 0, root.Digest.String(), "with 2 referrers", "push", src, under+"f:1", "--referrers")
	})
}

// Wild case 27: hauler and cosign give a signature the name of its image.
func TestWild27SignaturesWithTheNameOfTheirImage(t *testing.T) {
	s := newHandMade(t)
	root := s.list(s.image("amd64", "27"), s.image("arm64", "27"))
	signature, sbom := s.artifact("sig", nil), s.artifact("sbom", &root)
	other := s.image("amd64", "beside 27")
	tag := "sha256-" + root.Digest.Encoded() + ".sig"
	for _, writer := range []string{"dev.hauler/", "dev.cosignproject.cosign/"} {
		kind := func(d v1.Descriptor, kind, name string) v1.Descriptor {
			return entry(d, "kind", writer+kind, layout.AnnotationName, name)
		}
		s.write(kind(other, "image", "x.test/other:1"), kind(root, "imageIndex", "x.test/app:1"),
			kind(sbom, "referrers/"+sbom.Digest.Encoded(), "x.test/app:1"), kind(signature, "sigs", "x.test/app:1"))
		s.both("", func(t *testing.T, src, under string) {
			under += strings.Trim(writer, "/") + "/"
			expect(t, 0, "^x.test/app:1\nx.test/other:1\n$", "", "ls", "-q", src)
			expect(t, 0, root.Digest.String(), "2 referrers .* stay behind", "push", src, under)
			expect(t, 0, root.Digest.String(), "with 2 referrers", "push", src, under, "--referrers")
			s.there(t, under+"app:1", root)
			s.there(t, under+"app:"+tag, signature)
			expect(t, 0, root.Digest.String(), "", "digest", kindOfPath(src)+src+":x.test/app:1", "--list")
			out := filepath.Join(t.TempDir(), "out.tar")
			expect(t, 0, "", "images: 2, referrers: 2", "save", src, "-o", out, "--format", "oci", "--platform", "all",
				"--referrers")
			expect(t, 0, root.Digest.String(), "with 2 referrers", "push", out, under+"again/", "--referrers")
			s.there(t, under+"again/app:"+tag, signature)
		})
	}
	// cosign save gives no names.
	s.write(entry(root, "kind", "dev.cosignproject.cosign/imageIndex"),
		entry(signature, "kind", "dev.cosignproject.cosign/sigs"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, root.Digest.String(), "with 1 referrer", "push", src, under+"n:1", "--referrers")
		s.there(t, under+"n:"+tag, signature)
	})
	// The store of hauler is a layout but for the file that says so.
	if err := os.Remove(filepath.Join(s.dir.Path(), "oci-layout")); err != nil {
		t.Fatal(err)
	}
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, root.Digest.String(), "with 1 referrer", "push", src, under+"m:1", "--referrers")
		expect(t, 0, "^ok ", "bad: 0", "verify", src)
	})
}

func kindOfPath(path string) string {
	if strings.HasSuffix(path, ".tar") {
		return "oci-archive:"
	}
	return "oci:"
}

// Wild case 30: several images that have tags and no names, as regctl, umoci and skopeo keep them.
// Images without names are told apart by what the layout calls them.
func TestWild30InspectShowsTags(t *testing.T) {
	s := newHandMade(t)
	one, two := s.image("amd64", "30"), s.image("amd64", "31")
	s.write(entry(one, v1.AnnotationRefName, "1"), entry(two, v1.AnnotationRefName, "2"),
		entry(s.image("amd64", "32")))
	s.both("", func(t *testing.T, src, _ string) {
		expect(t, 0, `1 \(no name\)(.|\n)*2 \(no name\)(.|\n)*\n\(no name\)`, "", "inspect", src)
		expect(t, 0, `"ref": "1"(.|\n)*"ref": "2"`, "", "inspect", "--json", src)
	})
}

func TestWild30TagsAlone(t *testing.T) {
	s := newHandMade(t)
	one, two := s.image("amd64", "30"), s.image("amd64", "31")
	ref := func(d v1.Descriptor, tag string) v1.Descriptor { return entry(d, v1.AnnotationRefName, tag) }
	s.write(ref(one, "1"), ref(two, "2"), ref(one, "1.0"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, one.Digest.String(), nothingSaid, "push", src, under+"app")
		s.there(t, under+"app:1", one)
		s.there(t, under+"app:1.0", one)
		s.there(t, under+"app:2", two)
		expect(t, exitUsage, "", "1, 2, 1.0 has no name.*"+under+"repository for images that have a tag", "push",
			src,
			under)
		expect(t, exitUsage, "", "leave out its tag to keep theirs", "push", src, under+"x:1")
	})
	// Full names of one repository keep their tags there; of two, they do not fit.
	s.write(entry(one, layout.AnnotationName, "x.test/team/app:1"), ref(two, "2"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, one.Digest.String(), "", "push", src, under+"b")
		s.there(t, under+"b:1", one)
		s.there(t, under+"b:2", two)
	})
	s.write(entry(one, layout.AnnotationName, "x.test/a:1"), entry(two, layout.AnnotationName, "x.test/b:2"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, exitUsage, "", "end DEST in / to keep their names, or choose", "push", src, under+"c")
	})
	// A tag beside a full name for the same image is in nobody's way.
	s.write(ref(one, "1"), entry(one, layout.AnnotationName, "x.test/a:1"), entry(one))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, one.Digest.String(), nothingSaid, "push", src, under)
		s.there(t, under+"a:1", one)
	})
	// Of a single image with a tag, DEST has to have one too, unless the tag is latest.
	s.write(ref(one, "1"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, exitUsage, "", "has no tag: .*d:1 names the image, .*d/ keeps its own name",
			"push", src, under+"d")
	})
	s.write(ref(one, "latest"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, one.Digest.String(), "", "push", src, under+"e")
		s.there(t, under+"e:latest", one)
	})
}

// Wild case 53: an index lists platforms that are not there (skopeo#2882).
func TestWild53AbsentPlatforms(t *testing.T) {
	s := newHandMade(t)
	amd, arm := s.image("amd64", "53"), s.image("arm64", "53")
	gone := arm
	gone.Digest, gone.Platform = image.Describe("", []byte("gone")).Digest, &v1.Platform{OS: "linux",
		Architecture: "mips"}
	root := s.list(amd, gone)
	signature, ofAMD := s.artifact("sig", &root), s.artifact("sbom", &amd)
	lost := ofAMD
	lost.Digest = gone.Digest
	s.write(entry(root, layout.AnnotationName, "x.test/app:1"), entry(signature), entry(ofAMD),
		entry(lost, layout.AnnotationSubject, amd.Digest.String()))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, amd.Digest.String(), "has only linux/amd64 of its index, and lacks linux/mips", "push", src,
			under)
		expect(t, 0, "", "2 referrers stay behind, because .*"+signature.Digest.Encoded(), "push", src, under)
		expect(t, 0, "", "1 referrer .* stays behind: --referrers", "push", src, under)
		expect(t, 0, "", "with 1 referrer", "push", src, under, "--referrers")
		s.there(t, under+"app:1", amd)
		expect(t, 0, "x.test/app:1", "lacks linux/mips", "inspect", src)
		out := filepath.Join(t.TempDir(), "out.tar")
		expect(t, 0, "", "lacks linux/mips", "save", src, "-o", out, "--platform", "linux/amd64")
		expect(t, exitNotFound, "", "linux/amd64", "save", src, "-o", out, "--platform", "linux/mips")
		expect(t, exitIntegrity, gone.Digest.String()+": missing", "", "verify", src)
	})
	s.write(entry(s.list(gone), layout.AnnotationName, "x.test/app:1"))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, exitIntegrity, "", "is incomplete: it has none of the 1 images", "push", src, under)
	})
}

// Wild case 6: what is no name is passed over, and a note says so (rules_docker#1648).
func TestWild06RepoTagsWithDigests(t *testing.T) {
	s := newHandMade(t)
	im := s.image("amd64", "60")
	name := "x.test/a@" + im.Digest.String()
	for _, names := range [][]string{{name}, {name, "x.test/a:1"}} {
		src, out := s.tar(s.items(names, im)), filepath.Join(t.TempDir(), "out.tar")
		said := `calls it "x.test/a@sha256:.*, which is no name`
		expect(t, 0, "", said, "verify", src)
		for _, format := range []string{"docker", "oci"} {
			expect(t, 0, "", said, "save", src, "-o", out, "--format", format)
			expect(t, 0, "", "", "verify", out)
		}
		expect(t, 0, "given@sha256", said, "push", src, s.host+"/given:1")
	}
}

func TestWild06RepoTagsThatAreNone(t *testing.T) {
	s := newHandMade(t)
	im := s.image("amd64", "6")
	items := s.items([]string{"bazel/MyImage:tag"}, im)
	s.write(entry(im))
	hybrid := s.tar(items)
	for _, name := range []string{"index.json", "oci-layout"} {
		if err := os.Remove(filepath.Join(s.dir.Path(), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, src := range []string{hybrid, s.tar(items)} {
		said := `calls it "bazel/MyImage:tag", which is no name`
		for _, verb := range []string{"ls", "inspect", "verify", "config"} {
			expect(t, 0, "sha256", said, verb, src)
		}
		expect(t, 0, "sha256", said, "push", src, s.host+"/given:1")
		expect(t, exitUsage, "", "has no name: give a full DEST", "push", src, s.host+"/under/")
		out := filepath.Join(t.TempDir(), "out.tar")
		for _, format := range []string{"docker", "oci"} {
			expect(t, 0, "", said, "save", src, "-o", out, "--format", format, "--platform", "linux/amd64")
			expect(t, 0, "", said, "save", src, "-o", out, "--format", format, "--platform", "linux/amd64", "--tag",
				"good:1")
			expect(t, 0, "good:1", "", "ls", out)
		}
	}
}
