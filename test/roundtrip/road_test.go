package roundtrip

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// The whole road: registry, layout, tar, private registry, and back into a layout.
func TestImageSurvivesTheRoad(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		t.Run(flavour.String(), func(t *testing.T) {
			name := "road/" + flavour.String()
			want := host(t, connected.seed(t, name, "1.0", sample.Options{Flavour: flavour}))
			source, dest := connected.Addr()+"/"+name+":1.0", private.Addr()+"/"+name+":1.0"
			c := newCLI(t)

			c.must(t, "fetch", source, "-o", "images")
			checkInLayout(t, c.path("images"), source, want)
			saved := c.must(t, "save", "images", "-o", "image.tar")
			checkSaved(t, c.path("image.tar"), source, want)
			if hint := "docker load -i image.tar"; !strings.Contains(saved.stderr, hint) {
				t.Errorf("save does not show %q: %s", hint, saved)
			}
			pushed := c.must(t, "push", "image.tar", private.Addr()+"/")
			checkServed(t, private.repo(name), "1.0", want)

			c.must(t, "fetch", dest, "-o", "back")
			desc := readLayout(t, c.path("back"))[dest]
			if line := private.Addr() + "/" + name + "@" + desc.Digest.String() + "\n"; pushed.stdout != line {
				t.Errorf("push prints %q, want %q", pushed.stdout, line)
			}
			c.must(t, "save", "back", "-o", "back.tar")
			checkSaved(t, c.path("back.tar"), dest, want)
		})
	}
}

func TestLayoutPushIsByteForByte(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		t.Run(flavour.String(), func(t *testing.T) {
			private := startSite(t, registry3.Options{})
			img := connected.seed(t, "exact", flavour.String(), sample.Options{Flavour: flavour})
			ref := "exact:" + flavour.String()
			c := newCLI(t)
			c.must(t, "fetch", "--platform", "all", connected.Addr()+"/"+ref, "-o", "images")
			r := c.must(t, "push", "images", private.Addr()+"/")
			checkWhole(t.Context(), t, private.repo("exact"), flavour.String(), img)
			if line := private.Addr() + "/exact@" + img.Root.Digest.String() + "\n"; r.stdout != line {
				t.Errorf("push prints %q, want %q", r.stdout, line)
			}
		})
	}
}

// One platform keeps the digest of its manifest, which is what a deployment pins.
func TestOnePlatformKeepsItsManifestDigest(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		img := connected.seed(t, "one", flavour.String(), sample.Options{Flavour: flavour})
		source := connected.Addr() + "/one:" + flavour.String()
		for _, want := range img.Platforms {
			platform := sample.Name(want.Platform)
			t.Run(flavour.String()+"/"+platform, func(t *testing.T) {
				c := newCLI(t)
				c.must(t, "fetch", source, "-o", "images", "--platform", platform)
				checkInLayout(t, c.path("images"), source, want)
				c.must(t, "push", "images", private.Addr()+"/renamed/app:2")
				checkServed(t, private.repo("renamed/app"), want.Manifest.Digest.String(), want)
				checkServed(t, private.repo("renamed/app"), "2", want)
			})
		}
	}
}

func TestSecondFetchTransfersNothing(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	img := connected.seed(t, "app", "1", sample.Options{})
	source := connected.Addr() + "/app:1"
	c := newCLI(t)
	c.must(t, "fetch", source, "-o", "images")
	if got := connected.Take(); got.Reads == 0 {
		t.Fatalf("the first fetch read no blob: %+v", got)
	}
	for _, args := range [][]string{{source, "-o", "images"}, {source, source, "-o", "images", "-j", "1"}} {
		c.must(t, append([]string{"fetch"}, args...)...)
		if got := connected.Take(); got.Reads != 0 {
			t.Errorf("fetch %v read %+v again", args, got)
		}
	}
	c.must(t, "fetch", source, "-o", "images", "--platform", "all")
	want := int64(0)
	for dgst, blob := range img.Blobs {
		if _, err := os.Stat(blobFile(c.path("images"), dgst)); err != nil {
			t.Errorf("after --platform all: %v", err)
		}
		want += int64(len(blob))
	}
	want -= blobBytes(t, img, host(t, img))
	if got := connected.Take(); got.ReadBytes != want {
		t.Errorf("--platform all read %d bytes, want the %d that were missing", got.ReadBytes, want)
	}
}

// blobBytes is the size of the blobs of one platform.
func blobBytes(t *testing.T, img *sample.Image, p sample.Platform) int64 {
	t.Helper()
	sum := int64(0)
	for _, desc := range blobsOf(t, img, p) {
		sum += desc.Size
	}
	return sum
}

func TestImagesShareBlobs(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	first := connected.seed(t, "team/a", "1", sample.Options{})
	second := connected.seed(t, "team/b", "2", sample.Options{Text: "another text\n"})
	a, b := connected.Addr()+"/team/a:1", connected.Addr()+"/team/b:2"
	c := newCLI(t)
	c.must(t, "fetch", a, "-o", "images")
	connected.Take()
	c.must(t, "fetch", b, "-o", "images")
	want := blobBytes(t, second, host(t, second))
	shared := 0
	for _, desc := range blobsOf(t, second, host(t, second)) {
		if _, ok := first.Blobs[desc.Digest]; ok {
			want -= desc.Size
			shared++
		}
	}
	if shared != 1 {
		t.Fatalf("the two images share %d blobs, want the program alone", shared)
	}
	if got := connected.Take(); got.ReadBytes != want {
		t.Errorf("the second image read %d bytes, want the %d that are its own", got.ReadBytes, want)
	}
	checkInLayout(t, c.path("images"), a, host(t, first))
	checkInLayout(t, c.path("images"), b, host(t, second))

	c.must(t, "save", "images", "-o", "both.tar")
	if n := len(readTar(t, c.path("both.tar"))); n != 2 {
		t.Fatalf("the tar holds %d images, want 2", n)
	}
	r := c.must(t, "push", "both.tar", private.Addr()+"/mirror/")
	if n := strings.Count(r.stdout, "\n"); n != 2 {
		t.Errorf("push prints %d lines, want one an image: %q", n, r.stdout)
	}
	checkServed(t, private.repo("mirror/team/a"), "1", host(t, first))
	checkServed(t, private.repo("mirror/team/b"), "2", host(t, second))
}

// Two saved names of one layout are two tars; a single name selects.
func TestSaveSelectsByName(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	connected.seed(t, "team/a", "1", sample.Options{})
	second := connected.seed(t, "team/b", "2", sample.Options{Text: "another text\n"})
	a, b := connected.Addr()+"/team/a:1", connected.Addr()+"/team/b:2"
	c := newCLI(t)
	c.must(t, "fetch", a, b, "-o", "images")
	c.must(t, "save", "oci:images:"+b, "-o", "b.tar")
	checkSaved(t, c.path("b.tar"), b, host(t, second))
}

func TestSecondPushTransfersNothing(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	connected.seed(t, "app", "1", sample.Options{})
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/app:1", "-o", "images", "--platform", "all")
	c.must(t, "push", "images", private.Addr()+"/")
	if got := private.Take(); got.Writes == 0 {
		t.Fatalf("the first push wrote no blob: %+v", got)
	}
	c.must(t, "push", "images", private.Addr()+"/")
	if got := private.Take(); got.Writes != 0 {
		t.Errorf("the second push wrote %+v", got)
	}
}

// A finished fetch leaves the layout and, in drayage's own corner of it, a lock: no partial or temporary
// file.
func TestFetchLeavesNoLitter(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	img := connected.seed(t, "app", "1", sample.Options{})
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/app:1", "-o", "images", "--platform", "all")
	allowed := map[string]bool{"index.json": true, "oci-layout": true, ".drayage/lock": true}
	for dgst := range img.Blobs {
		allowed["blobs/sha256/"+dgst.Encoded()] = true
	}
	for _, m := range img.Manifests {
		allowed["blobs/sha256/"+m.Digest.Encoded()] = true
	}
	err := fs.WalkDir(os.DirFS(c.path("images")), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !allowed[name] {
			t.Errorf("fetch leaves %s in the layout", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
