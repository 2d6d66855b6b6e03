package roundtrip

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"drayage/test/randomimage"
	"drayage/test/registry3"
	"drayage/test/sample"
)

// defaultGraphs is how many images of random shape make test sends along the road.
const defaultGraphs = 30

// number reads a variable that holds one.
func number(t *testing.T, variable string, unset int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return n
}

// Whatever an image is made of, it comes out at the other end as it went in: with all digests in OCI's
// format, and with image ID and diff IDs in docker's. DRAYAGE_GRAPHS says how many images to try and
// DRAYAGE_GRAPHS_FROM which is the first: 1 and the number in the name of a failed test try that one again.
func TestRandomImagesSurviveTheRoad(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	first := number(t, "DRAYAGE_GRAPHS_FROM", 1)
	for seed := first; seed < first+number(t, "DRAYAGE_GRAPHS", defaultGraphs); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			img, err := randomimage.Build(uint64(seed))
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("random/%d", seed)
			if err := img.Seed(t.Context(), connected.repo(name), "1"); err != nil {
				t.Fatal(err)
			}
			c := newCLI(t)
			c.carryWhole(t, img, name, connected, private)
			c.carryEach(t, img, name, private)
		})
	}
}

// carryWhole takes all of an image from one registry to the other in an OCI tar, and back into a layout.
func (c *cli) carryWhole(t *testing.T, img *sample.Image, name string, connected, private *site) {
	t.Helper()
	source, dest := connected.Addr()+"/"+name+":1", private.Addr()+"/"+name+":1"
	c.must(t, "fetch", "-q", "--platform", "all", source, "-o", "images")
	if got := readLayout(t, c.path("images"))[source]; got.Digest != img.Root.Digest {
		t.Errorf("fetched %s, want %s", got.Digest, img.Root.Digest)
	}
	c.must(t, "save", "-q", "--format", "oci", "--platform", "all", "images", "-o", "whole.tar")
	pushed := c.must(t, "push", "-q", "whole.tar", dest)
	if want := private.Addr() + "/" + name + "@" + img.Root.Digest.String() + "\n"; pushed.stdout != want {
		t.Errorf("push prints %q, want %q", pushed.stdout, want)
	}
	checkWhole(t.Context(), t, private.repo(name), "1", img)
	c.must(t, "fetch", "-q", "--platform", "all", dest, "-o", "back")
	if got := readLayout(t, c.path("back"))[dest]; got.Digest != img.Root.Digest {
		t.Errorf("fetched back %s, want %s", got.Digest, img.Root.Digest)
	}
	want := blobsIn(t, c.path("images"))
	if got := blobsIn(t, c.path("back")); !slices.Equal(got, want) ||
		len(want) != len(img.Blobs)+len(img.Manifests) {
		t.Errorf("of %d blobs and manifests %d came, and %d came back", len(img.Blobs)+len(img.Manifests),
			len(want), len(got))
	}
}

// carryEach takes one of the images to the other registry in a docker tar, twice with the same bytes.
func (c *cli) carryEach(t *testing.T, img *sample.Image, name string, private *site) {
	t.Helper()
	p := img.Platforms[len(img.Platforms)-1]
	for _, file := range []string{"one.tar", "again.tar"} {
		c.must(t, "save", "-q", "--platform", sample.Name(p.Platform), "images", "-o", file)
	}
	checkSameFile(t, c.path("one.tar"), c.path("again.tar"))
	c.must(t, "push", "-q", "one.tar", private.Addr()+"/"+name+":docker")
	checkServed(t, private.repo(name), "docker", p)
}

// blobsIn lists the digests in a layout.
func blobsIn(t *testing.T, dir string) []string {
	t.Helper()
	found := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		found[filepath.Base(name)] = true
	}
	return slices.Sorted(maps.Keys(found))
}
