package main

import (
	"archive/tar"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/layout"
)

// handMade is a layout whose index.json a test writes itself, with a registry to push to.
type handMade struct {
	*wildLayout
	reg  *fakeregistry.Registry
	host string
}

func newHandMade(t *testing.T) *handMade {
	t.Helper()
	w := newWildLayout(t)
	reg, host := lookingRegistry(t)
	return &handMade{w, reg, host}
}

func (s *handMade) image(arch, content string) v1.Descriptor {
	layer, diffID := s.layer(v1.MediaTypeImageLayerGzip, content)
	config := amd64(diffID)
	config.Architecture = arch
	d := s.manifest("", v1.MediaTypeImageManifest, s.putJSON(v1.MediaTypeImageConfig, config), layer)
	d.Platform = &config.Platform
	return d
}

// artifact is a signature or the like. Its configuration is empty.
func (s *handMade) artifact(kind string, subject *v1.Descriptor) v1.Descriptor {
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/vnd.example." + kind,
		Config: s.put(v1.MediaTypeEmptyJSON, []byte("{}")), Subject: subject,
		Layers: []v1.Descriptor{s.put("application/vnd.example."+kind, []byte(kind))}}
	m.SchemaVersion = 2
	return s.putJSON(m.MediaType, m)
}

func (s *handMade) list(children ...v1.Descriptor) v1.Descriptor {
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: children}
	index.SchemaVersion = 2
	return s.putJSON(index.MediaType, index)
}

// entry is a descriptor with annotations, but for a platform.
func entry(d v1.Descriptor, annotations ...string) v1.Descriptor {
	d.Platform, d.Annotations = nil, map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		d.Annotations[annotations[i]] = annotations[i+1]
	}
	return d
}

// write writes index.json and returns it.
func (s *handMade) write(entries ...v1.Descriptor) []byte {
	s.t.Helper()
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: entries}
	index.SchemaVersion = 2
	raw, err := json.Marshal(index)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir.Path(), "index.json"), raw, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// tar packs the layout, with a manifest.json unless that is empty.
func (s *handMade) tar(items string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "shelf.tar")
	f, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	add := func(name string, raw []byte) {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(raw))})
		w.Write(raw)
	}
	files := os.DirFS(s.dir.Path())
	fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if raw, rerr := fs.ReadFile(files, name); rerr == nil && !strings.HasPrefix(name, ".drayage") {
			add(name, raw)
		}
		return err
	})
	if items != "" {
		add("manifest.json", []byte(items))
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// both does a test with the layout and with a tar of it.
func (s *handMade) both(items string, do func(t *testing.T, src, under string)) {
	s.t.Run("directory", func(t *testing.T) { do(t, s.dir.Path(), s.host+"/dir/") })
	path := s.tar(items)
	s.t.Run("tar", func(t *testing.T) { do(t, path, s.host+"/tar/") })
}

// expect runs a command and compares its exit code and, as patterns, what it prints.
func expect(t *testing.T, code int, stdout, stderr string, args ...string) {
	t.Helper()
	out, errs, got := command(t, args...)
	if got != code || !regexp.MustCompile(stdout).MatchString(out) ||
		!regexp.MustCompile(stderr).MatchString(errs) {
		t.Errorf("%q: %d\n%s%s\nwant %d, %q, %q", args, got, out, errs, code, stdout, stderr)
	}
}

// there compares what stands under a name in the registry.
func (s *handMade) there(t *testing.T, name string, want v1.Descriptor) {
	t.Helper()
	_, path, _ := strings.Cut(name, "/")
	i := strings.LastIndexByte(path, ':')
	if got, ok := s.reg.Tag(path[:i], path[i+1:]); !ok || got.Digest != want.Digest {
		t.Errorf("%s is %s, want %s", name, got.Digest, want.Digest)
	}
}

const nothingSaid = `^(pushed [^\n]*\n)*[^\n]*transferred[^\n]*\n$`

// Wild case 10: what belongs to an image that is not here, and was fetched by its name, is an image
// (zarf#2257).
func TestWild10SignaturesAlone(t *testing.T) {
	s := newHandMade(t)
	absent := strings.Repeat("0123456789abcdef", 4)
	for _, suffix := range []string{".sig", ".att", ".sbom", ""} {
		name := "x.test/app:sha256-" + absent + suffix
		d := s.artifact("alone"+suffix, nil)
		s.write(entry(d, layout.AnnotationName, name))
		s.both("", func(t *testing.T, src, under string) {
			expect(t, 0, name, "", "ls", "-q", src)
			expect(t, 0, "artifact", "", "inspect", src)
			expect(t, 0, d.Digest.String(), nothingSaid, "push", src, under)
			s.there(t, under+"app:sha256-"+absent+suffix, d)
			expect(t, 0, d.Digest.String(), "", "push", src, under+"one:1")
			out := filepath.Join(t.TempDir(), "out.tar")
			expect(t, 0, "", "images: 1", "save", src, "-o", out, "--format", "oci")
			expect(t, 0, name, "", "ls", out)
		})
	}
	// Its own referrers, and referrers that belong to each other in a circle.
	first, second := s.artifact("first", nil), s.artifact("second", nil)
	s.write(entry(first, layout.AnnotationSubject, second.Digest.String(), layout.AnnotationName, "x.test/a:1"),
		entry(second, layout.AnnotationSubject, first.Digest.String()))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, "x.test/a:1", "", "ls", "-q", src)
		expect(t, 0, first.Digest.String(), "1 referrer .* stays behind: --referrers", "push", src, under)
		expect(t, 0, first.Digest.String(), "with 1 referrer", "push", src, under, "--referrers")
	})
	// One that has lost its image does not keep others from going, and is not forgotten.
	im := s.image("amd64", "beside")
	s.write(entry(im, layout.AnnotationName, "x.test/beside:1"),
		entry(first, layout.AnnotationSubject, "sha256:"+absent))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, im.Digest.String(), first.Digest.String()+": no name.*stays behind", "push", src, under)
	})
	s.write(entry(first, layout.AnnotationSubject, "sha256:"+absent))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, exitUsage, "", "has no name", "push", src, under)
	})
}

// Wild case 11: a signature of the index cannot come along with one platform (cosign#2748).
func TestWild11SignatureOfTheIndex(t *testing.T) {
	s := newHandMade(t)
	index, _ := s.reg.Tag("team/app", "1")
	addSBOM(s.reg, "team/app", index)
	dir, one, out := filepath.Join(t.TempDir(), "all"), filepath.Join(t.TempDir(), "one"),
		filepath.Join(t.TempDir(), "x.tar")
	said := "3 referrers.* stay behind: --platform all takes them along"
	expect(t, 0, "", "also has "+said, "fetch", s.host+"/team/app:1", "-o", one, "--referrers", "--platform",
		"linux/arm64")
	expect(t, 0, "", "3 referrers .* left out: --platform all takes", "save", s.host+"/team/app:1", "-o", out,
		"--format", "oci", "--referrers", "--platform", "linux/arm64")
	expect(t, 0, "", "with 3 referrers", "fetch", s.host+"/team/app:1", "-o", dir, "--referrers", "--platform",
		"all")
	expect(t, 0, "sha256", "3 referrers.* stay behind: --platform all --referrers takes", "push", dir,
		s.host+"/a/",
		"--platform", "linux/arm64")
	expect(t, 0, "sha256", "3 referrers.* stay behind: --platform all takes", "push", dir, s.host+"/a/",
		"--platform", "linux/arm64", "--referrers")
	expect(t, 0, "sha256", "with 3 referrers", "push", dir, s.host+"/a/", "--platform", "all", "--referrers")
	expect(t, 0, "", "3 referrers .* left out: --platform all takes", "save", dir, "-o", out, "--format", "oci",
		"--referrers", "--platform", "linux/arm64,linux/amd64")
}

// Wild case 15: index.json itself is the list of the platforms (skopeo#1136).
func TestWild15PlatformsSideBySide(t *testing.T) {
	s := newHandMade(t)
	amd, arm := s.image("amd64", "15"), s.image("arm64", "15")
	unknown := s.artifact("provenance", nil)
	unknown.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	itself := image.Describe(v1.MediaTypeImageIndex, s.write(amd, arm, unknown))
	s.both("", func(t *testing.T, src, under string) {
		expect(t, 0, itself.Digest.String()+"\n$", "it is itself the index", "push", src, under+"app:1")
		s.there(t, under+"app:1", itself)
		expect(t, 0, arm.Digest.String()+"\n$", "", "push", src, under+"arm:1", "--platform", "linux/arm64")
		expect(t, 0, arm.Digest.String(), "", "inspect", src, "--platform", "linux/arm64")
		expect(t, 0, "^ok "+itself.Digest.String()+"\n$", "images: 1, bad: 0", "verify", src)
		out := filepath.Join(t.TempDir(), "out.tar")
		expect(t, 0, "", "images: 1,", "save", src, "-o", out, "--platform", "linux/arm64")
	})
	// One common name, and platforms that only the configurations tell.
	for _, name := range []string{layout.AnnotationName, v1.AnnotationRefName} {
		s.write(entry(amd, name, "x.test/common:1"), entry(arm, name, "x.test/common:1"))
		s.both("", func(t *testing.T, src, under string) {
			expect(t, 0, "x.test/common:1", "an index that is made of them", "ls", src)
			expect(t, 0, "sha256", "linux/amd64, linux/arm64", "push", src, under)
			expect(t, 0, "linux/amd64\\s.*\nlinux/arm64\\s", "", "inspect", under+"common:1")
			expect(t, 0, arm.Digest.String(), "", "inspect", "oci-archive:"+s.tar("")+":x.test/common:1", "--platform",
				"linux/arm64")
		})
	}
	// These have nothing to do with each other.
	other := s.image("amd64", "another")
	for _, entries := range [][]v1.Descriptor{{entry(amd), entry(arm)}, {amd, other},
		{entry(amd, v1.AnnotationRefName, "1"), entry(other, v1.AnnotationRefName, "1")}} {
		s.write(entries...)
		s.both("", func(t *testing.T, src, under string) {
			expect(t, exitUsage, "", "but there are 2", "push", src, under+"x:1")
		})
	}
}
