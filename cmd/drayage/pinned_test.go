package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// pinned has a second image of the repository solo, and runs where files go into a directory of its own.
func pinned(t *testing.T) (reg *fakeregistry.Registry, host string, one, two v1.Descriptor) {
	t.Helper()
	reg, host = lookingRegistry(t)
	one, _ = reg.Tag("solo", "1")
	two = reg.PutImage("solo", "", fakeregistry.Image{
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Layers:   []fakeregistry.Layer{fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"two": "two"}))},
	})
	t.Chdir(t.TempDir())
	return reg, host, one, two
}

const amd = "--platform=linux/amd64"

// An image that was asked for by its digest keeps that name on the whole way, and is pushed by its digest.
func TestPinnedImageKeepsItsName(t *testing.T) {
	reg, host, one, _ := pinned(t)
	name := host + "/solo@" + one.Digest.String()
	expect(t, 0, "", "", "fetch", name, "-o", "p", amd)
	expect(t, 0, "", "", "save", "p", "-o", "p.tar", "--format", "oci")
	expect(t, 0, "", "", "save", name, "-o", "r.tar", "--format", "oci", amd)
	same(t, "p.tar", "r.tar")
	for _, src := range []string{
		"p", "p.tar", "oci:p:" + name, "oci-archive:p.tar:" + name, "oci:p@" + string(one.Digest),
	} {
		expect(t, 0, "^"+name+"\n$", "^$", "ls", "-q", src)
		expect(t, 0, "^"+name+"\n", "^$", "inspect", src)
		expect(t, 0, "^ok "+name+"\n$", "", "verify", src)
		expect(t, 0, "^"+name+"\n$", "", "digest", src)
		expect(t, 0, "", "", "save", src, "-o", "again.tar", "--format", "oci", "-q")
		same(t, "p.tar", "again.tar")
		expect(t, 0, "^"+host+"/under/solo@"+one.Digest.String()+"\n$", "", "push", src, host+"/under/")
		expect(t, 0, "^"+host+"/given@"+one.Digest.String()+"\n$", "", "push", src, host+"/given:2")
	}
	if _, ok := reg.Tag("under/solo", "latest"); ok {
		t.Error("a pinned image was given the tag latest")
	}
	if d, ok := reg.Tag("given", "2"); !ok || d.Digest != one.Digest {
		t.Errorf("given:2 is %v", d.Digest)
	}
	expect(t, 0, "", "", "save", name, "-o", "t.tar", "--format", "oci", "--tag", "new:1", amd)
	expect(t, 0, "^docker.io/library/new:1\n$", "", "ls", "t.tar")
}

// Any name of the repository finds an image by its digest, with a tag before the digest or without.
func TestImageIsFoundByRepositoryAndDigest(t *testing.T) {
	_, host, one, two := pinned(t)
	expect(t, 0, "", "", "fetch", host+"/solo:1", host+"/solo@"+two.Digest.String(), "-o", "p", amd)
	expect(t, 0, "", "", "save", "p", "-o", "p.tar", "--format", "oci")
	for _, src := range []string{"oci:p:", "oci-archive:p.tar:"} {
		for _, name := range []string{"/solo@", "/solo:1@", "/solo:other@"} {
			expect(t, 0, "/solo@"+one.Digest.String(), "", "digest", src+host+name+one.Digest.String())
		}
		expect(t, 0, "/solo@"+two.Digest.String(), "", "digest", src+host+"/solo@"+two.Digest.String())
		expect(t, exitNotFound, "", "", "digest", src+host+"/other@"+one.Digest.String())
	}
}

// Several digests of one repository, and a tag of it, travel together.
func TestPinnedImagesOfOneRepository(t *testing.T) {
	reg, host, one, two := pinned(t)
	first, second := host+"/solo@"+one.Digest.String(), host+"/solo@"+two.Digest.String()
	expect(t, 0, "", "", "fetch", first, second, host+"/solo:1", host+"/base:1", "-o", "p", amd)
	expect(t, 0, "", "", "save", "p", "-o", "p.tar", "--format", "oci")
	for _, src := range []string{"p", "p.tar"} {
		out, _, _ := command(t, "ls", "-q", src)
		for _, name := range []string{first, second, host + "/solo:1", host + "/base:1"} {
			if !strings.Contains(out, name+"\n") {
				t.Errorf("%s lacks %s:\n%s", src, name, out)
			}
		}
		under := host + "/" + src
		expect(t, 0, under+"/solo@"+two.Digest.String(), "", "push", src, under+"/")
		if d, ok := reg.Tag(src+"/solo", "1"); !ok || d.Digest != one.Digest {
			t.Errorf("%s/solo:1 is %v", under, d.Digest)
		}
	}
	expect(t, 0, "", "", "fetch", first, second, host+"/solo:1", "-o", "q", amd)
	expect(t, 0, host+"/all@"+two.Digest.String(), "", "push", "q", host+"/all")
	if d, ok := reg.Tag("all", "1"); !ok || d.Digest != one.Digest {
		t.Errorf("all:1 is %v", d.Digest)
	}
}

// A digest of an index is not that of the platform that travels, and the user is told.
func TestPinnedIndex(t *testing.T) {
	reg, host, _, _ := pinned(t)
	index, _ := reg.Tag("team/app", "1")
	name := host + "/team/app@" + index.Digest.String()
	said := "is the digest of an index: .*--platform all"
	expect(t, 0, "", said, "fetch", name, "-o", "p", amd)
	expect(t, 0, "", said, "save", name, "-o", "p.tar", "--format", "oci", amd)
	for _, src := range []string{"p", "p.tar"} {
		expect(t, 0, "^"+name+"\n$", "", "ls", "-q", src)
		expect(t, 0, "", "", "verify", "oci:p:"+name)
		expect(t, 0, host+"/m/team/app@sha256:", "", "push", src, host+"/m/")
	}
	expect(t, 0, "", "", "fetch", name, "-o", "all", "--platform", "all")
	expect(t, 0, "^"+host+"/n/team/app@"+index.Digest.String()+"\n$", "", "push", "all", host+"/n/")
}

// The docker format says in one line what it does not keep.
func TestDockerFormatSaysWhatIsLost(t *testing.T) {
	_, host, one, two := pinned(t)
	name := host + "/solo@" + one.Digest.String()
	expect(t, 0, "", "", "fetch", host+"/solo:1", host+"/base:1", "-o", "images", amd)
	lines := func(want int, about string, args ...string) {
		t.Helper()
		_, stderr, code := command(t, append(args, amd)...)
		if n := strings.Count(stderr, "--format oci"); code != 0 || n != want || !strings.Contains(stderr, about) {
			t.Errorf("%q: %d, %d lines about --format oci:\n%s", args, code, n, stderr)
		}
	}
	digests := "a docker tar does not keep the registry's digests"
	lines(1, digests, "save", "images", "-o", "a.tar")
	lines(1, digests, "save", host+"/solo:1", host+"/base:1", "-o", "b.tar")
	lines(1, digests, "save", host+"/solo:1", "a.tar", "-o", "c.tar")
	lines(0, "", "save", "images", "-o", "a.tar", "-q")
	lines(0, "", "save", "images", "-o", "o.tar", "--format", "oci")
	lines(0, "", "save", "a.tar", "-o", "d.tar")
	lines(1, "nor names that hold one ("+name+")", "save", name, "-o", "e.tar")
	second := host + "/solo@" + two.Digest.String()
	lines(1, "nor names that hold one ("+name+", ", "save", name, second, "-o", "f.tar")
	lines(1, digests, "save", name, "-o", "g.tar", "--tag", "new:1")
	expect(t, 0, "^sha256:[0-9a-f]*\n$", "", "ls", "e.tar")
}

// An image without a name does not keep the others from being pushed.
func TestNamelessImageBlocksNoOther(t *testing.T) {
	reg, host, one, _ := pinned(t)
	solo := host + "/solo@" + one.Digest.String()
	expect(t, 0, "", "", "save", host+"/base:1", solo, "-o", "d.tar", amd)
	expect(t, exitPartly, "^"+host+"/m/base@sha256:[0-9a-f]*\n$",
		"has no name.*docker-archive:d.tar:sha256:[^\n]*\n[^\n]*\n.*1 of 2 images failed",
		"push", "d.tar", host+"/m/")
	if _, ok := reg.Tag("m/base", "1"); !ok {
		t.Error("the image with a name was not pushed")
	}
	expect(t, exitPartly, `"text": "it has no name`, "", "push", "d.tar", host+"/n/", "--json")
	expect(t, 0, "", "", "save", solo, "-o", "e.tar", amd)
	expect(t, exitUsage, "", "has no name", "push", "e.tar", host+"/m/")
}

func same(t *testing.T, one, two string) {
	t.Helper()
	a, err := os.ReadFile(filepath.Clean(one))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(two)
	if err != nil || string(a) != string(b) {
		t.Errorf("%s and %s differ (%v)", one, two, err)
	}
}
