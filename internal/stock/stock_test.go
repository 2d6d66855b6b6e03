package stock_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/internal/inventory"
	"drayage/internal/source"
	"drayage/internal/stock"
	"drayage/layout"
	"drayage/registry"
)

// world is a registry, and what was skipped in it.
type world struct {
	*testing.T
	*fakeregistry.Registry
	client *registry.Client
	host   string
	skips  stock.Skips
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, Registry: fakeregistry.New(), client: &registry.Client{}}
	server := httptest.NewServer(w.Registry)
	t.Cleanup(server.Close)
	t.Cleanup(w.client.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	return w
}

func layer(text string) imagetest.Layer {
	return imagetest.GzipLayer(imagetest.Tar(map[string]string{"file": strings.Repeat(text, 500)}))
}

func (w *world) put(repo, tag, arch string, layers ...string) v1.Descriptor {
	im := imagetest.Image{Platform: v1.Platform{OS: "linux", Architecture: arch}}
	for _, l := range layers {
		im.Layers = append(im.Layers, layer(l))
	}
	return w.PutImage(repo, tag, im)
}

// take takes the inventory of repositories.
func (w *world) take(names bool, repos ...string) (*inventory.Inventory, error) {
	w.Helper()
	taker := &stock.Taker{Names: names, Skipped: w.skips.Add}
	var refs []registry.Reference
	for _, r := range repos {
		name, tag, _ := strings.Cut(r, ":")
		refs = append(refs, registry.Reference{Registry: w.host, Repository: name, Tag: tag})
	}
	targets, err := taker.Targets(w.Context(), w.client, refs)
	if err == nil {
		err = taker.Registry(w.Context(), targets)
	}
	if err != nil {
		return nil, err
	}
	return taker.Inventory()
}

func (w *world) must(repos ...string) *inventory.Inventory {
	w.Helper()
	v, err := w.take(false, repos...)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

func count(v *inventory.Inventory) int {
	blobs, _, _, _ := v.Counts()
	return blobs
}

// skipped fails unless as many things were skipped, for reasons that have these words.
func (w *world) skipped(n int, words ...string) {
	w.Helper()
	all, _ := w.skips.Sorted()
	w.skips = stock.Skips{}
	text := fmt.Sprint(all)
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.Errorf("%s does not say %q", text, word)
		}
	}
	if len(all) != n {
		w.Errorf("%d skipped, not %d: %s", len(all), n, text)
	}
}

func (w *world) has(v *inventory.Inventory, d v1.Descriptor) bool {
	has, _ := v.Has(w.Context(), d)
	return has
}

// A registry that has lost a layer, a configuration or a manifest has the rest, and is asked for a blob once.
func TestRegistryThatLost(t *testing.T) {
	w := newWorld(t)
	amd, arm := w.put("app", "", "amd64", "base", "app"), w.put("app", "", "arm64", "base", "other")
	w.PutIndex("app", "1", false, amd, arm)
	w.put("app", "2", "amd64", "base", "more")
	whole := w.must("app")
	if count(whole) != 1+3*2+4 { // an index, three images, four layers
		t.Errorf("%d blobs", count(whole))
	}
	w.skipped(0)
	base := digest.FromBytes(layer("base").Content)
	if n := len(w.Requests("HEAD", "/app/blobs/"+base.String())); n != 1 {
		t.Errorf("the layer that all share is asked for %d times", n)
	}
	if n := len(w.Requests("GET", "/app/blobs/"+base.String())); n != 0 {
		t.Errorf("a layer is read %d times", n)
	}
	for _, lost := range []struct {
		what  string
		count int
	}{
		{"/app/blobs/" + base.String(), count(whole) - 1},
		{"/app/manifests/" + arm.Digest.String(), count(whole) - 3},
		{"/app/manifests/2", count(whole) - 3},
	} {
		w.On(fakeregistry.Match{Path: lost.what}, fakeregistry.Status(404))
		if n := count(w.must("app")); n != lost.count {
			t.Errorf("without %s: %d blobs, not %d", lost.what, n, lost.count)
		}
		w.skipped(1, "not there")
		w.Heal()
	}
	w.On(fakeregistry.Match{Method: "HEAD", Path: "/app/blobs/" + base.String()}, fakeregistry.Header(
		"Content-Length", "7"))
	if v := w.must("app"); count(v) != count(whole)-1 {
		t.Errorf("a layer of another size counts")
	}
	w.skipped(1)
}

// What is damaged does not count, and the size that a registry tells has to be right.
func TestRegistryThatLies(t *testing.T) {
	w := newWorld(t)
	d := w.put("app", "1", "amd64", "base")
	w.PutManifest("app", "odd", v1.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"config":7}`))
	w.On(fakeregistry.Match{Method: "GET", Path: "/app/blobs/"}, fakeregistry.FlipByte(5)) // the configuration
	v := w.must("app")
	if count(v) != 2 || !w.has(v, d) {
		t.Errorf("%d blobs", count(v))
	}
	w.skipped(2)
}

// A registry that does not answer, or not to this user, ends the inventory: half of one tells nobody why.
func TestRegistryThatFails(t *testing.T) {
	for status, want := range map[int]error{403: registry.ErrDenied, 500: registry.ErrUnavailable} {
		w := newWorld(t)
		w.put("app", "1", "amd64", "base")
		header := map[int][]string{500: {"Retry-After", "3600"}}[status] // too long to wait for
		w.On(fakeregistry.Match{Path: "/app/blobs/"}, fakeregistry.Status(status, header...))
		if _, err := w.take(false, "app"); !errors.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	d := w.put("app", "1", "amd64", "base")
	v, err := w.take(true, "app", "app:"+d.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	want := []inventory.Image{{Name: w.host + "/app:1", Digest: d.Digest}}
	if got := v.Images(); !slices.Equal(got[:1], want) {
		t.Errorf("%v", got)
	}
}

// open opens a layout or an archive as the command does.
func open(t *testing.T, spec source.Spec) *source.Set {
	t.Helper()
	set, err := spec.Open(t.Context(), source.Options{Look: true, Tolerant: true, Referrers: true,
		Note: func(string) {}, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

// A layout has what is on its disk: also what no image leads to, and nothing of another size than its image
// says.
func TestLayout(t *testing.T) {
	w := newWorld(t)
	w.put("app", "1", "amd64", "base", "app")
	dir := filepath.Join(t.TempDir(), "images")
	dst, err := layout.CreateDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	refs := []registry.Reference{{Registry: w.host, Repository: "app", Tag: "1"}}
	results, err := fetch.Images(t.Context(), w.client, refs, dst, fetch.Options{All: true})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	file := func(d digest.Digest) string { return filepath.Join(dir, "blobs", "sha256", d.Encoded()) }
	stray := digest.FromString("stray")
	base := digest.FromBytes(layer("base").Content)
	if err := os.WriteFile(file(stray), []byte("stray"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file(base), 10); err != nil {
		t.Fatal(err)
	}
	taker := stock.Taker{Skipped: w.skips.Add}
	if err := taker.Set(t.Context(), open(t, source.Spec{Kind: source.Layout, Path: dir})); err != nil {
		t.Fatal(err)
	}
	v, err := taker.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	if count(v) != 4 || !w.has(v, v1.Descriptor{Digest: stray, Size: 5}) {
		t.Errorf("%d blobs", count(v))
	}
	w.skipped(1, base.String()+": it has 10 bytes and not")
}

// Each image costs two requests and one for each layer that no other image has.
func TestManyImages(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const n = 1000
	w := newWorld(t)
	for i := range n {
		w.put("app", fmt.Sprint(i), "amd64", "base", fmt.Sprint("own ", i))
	}
	if v := w.must("app"); count(v) != 3*n+1 {
		t.Errorf("%d blobs", count(v))
	}
	if requests := len(w.Requests("", "/app/")); requests > 3*n+10 {
		t.Errorf("%d requests for %d images", requests, n)
	}
}
