package roundtrip

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// All ways to the same tar give the same bytes.
func TestSaveIsTheSameEveryWay(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		t.Run(flavour.String(), func(t *testing.T) {
			source := connected.Addr() + "/app:" + flavour.String()
			want := host(t, connected.seed(t, "app", flavour.String(), sample.Options{Flavour: flavour}))
			c := newCLI(t)
			c.must(t, "fetch", source, "-o", "images")
			c.must(t, "save", "images", "-o", "layout.tar")
			checkSaved(t, c.path("layout.tar"), source, want)

			c.must(t, "save", source, "-o", "registry.tar")
			checkSameFile(t, c.path("layout.tar"), c.path("registry.tar"))

			c.must(t, "save", "-o", "again.tar", "oci:images", "-j", "1")
			checkSameFile(t, c.path("layout.tar"), c.path("again.tar"))

			piped := c.must(t, "save", "images", "-o", "-")
			if piped.stdout != string(readFile(t, c.path("layout.tar"))) {
				t.Errorf("save -o - gives other bytes (%d) than save -o FILE", len(piped.stdout))
			}
		})
	}
}

// A saved tar is a source like any other.
func TestSaveFromTar(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	source := connected.Addr() + "/app:1"
	want := host(t, connected.seed(t, "app", "1", sample.Options{}))
	c := newCLI(t)
	c.must(t, "save", source, "-o", "image.tar")
	c.must(t, "save", "docker-archive:image.tar", "-o", "copy.tar")
	checkSaved(t, c.path("copy.tar"), source, want)
}

// A layout of all platforms still gives a tar of one, and any of them.
func TestSaveOnePlatformOfAll(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	source := connected.Addr() + "/app:1"
	img := connected.seed(t, "app", "1", sample.Options{})
	c := newCLI(t)
	c.must(t, "fetch", source, "-o", "images", "--platform", "all")
	for _, want := range img.Platforms {
		tar := strings.ReplaceAll(sample.Name(want.Platform), "/", "-") + ".tar"
		c.must(t, "save", "images", "--platform", sample.Name(want.Platform), "-o", tar)
		checkSaved(t, c.path(tar), source, want)
	}
	c.must(t, "save", "images", "-o", "default.tar")
	checkSaved(t, c.path("default.tar"), source, host(t, img))
}

func TestPushFromStandardInput(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	want := host(t, connected.seed(t, "app", "1", sample.Options{}))
	c := newCLI(t)
	saved := c.must(t, "save", connected.Addr()+"/app:1", "-o", "-")
	c.stdin = strings.NewReader(saved.stdout)
	c.must(t, "push", "-", private.Addr()+"/")
	checkServed(t, private.repo("app"), "1", want)

	c.stdin = strings.NewReader(saved.stdout)
	c.must(t, "push", "-", private.Addr()+"/other/name:3")
	checkServed(t, private.repo("other/name"), "3", want)
}

// A tar that stops in the middle must leave nothing behind under the tag.
func TestPushOfTornTarFails(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	connected.seed(t, "app", "1", sample.Options{})
	c := newCLI(t)
	c.must(t, "save", connected.Addr()+"/app:1", "-o", "whole.tar")
	torn := readFile(t, c.path("whole.tar"))
	torn = torn[:len(torn)/2]
	if err := os.WriteFile(c.path("torn.tar"), torn, 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := c.run(t, "push", "torn.tar", private.Addr()+"/app:1")
	c.stdin = bytes.NewReader(torn)
	fromPipe := c.run(t, "push", "-", private.Addr()+"/app:1")
	for _, r := range []result{fromFile, fromPipe} {
		if r.code == exitDone || r.stdout != "" {
			t.Errorf("half a tar was pushed: %s", r)
		}
	}
	if _, err := private.repo("app").Manifest(t.Context(), "1"); err == nil {
		t.Error("half a tar left a tag behind")
	}
}

func TestSaveKeepsOldFileOnFailure(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	connected.seed(t, "app", "1", sample.Options{})
	c := newCLI(t)
	if err := os.WriteFile(c.path("image.tar"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.fails(t, exitNotFound, "save", connected.Addr()+"/app:absent", "-o", "image.tar")
	if got := readFile(t, c.path("image.tar")); string(got) != "precious" {
		t.Errorf("a failed save left %q in the file", got)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.Contains(entry.Name(), ".tar") && entry.Name() != "image.tar" {
			t.Errorf("a failed save left %s", entry.Name())
		}
	}
}
