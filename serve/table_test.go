package serve

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestBlockSizes(t *testing.T) {
	for size, want := range map[int64]int64{leastBlock + 1: leastBlock, 10 << 30: leastBlock,
		16 << 30: leastBlock, 16<<30 + 1: 2 * leastBlock, 1 << 40: mostBlock, maxBlob: mostBlock} {
		tab := newTable(v1.Descriptor{Size: size})
		n := int64(tab.blocks())
		if tab.block != want || (n-1)*want+int64(tab.length(int(n-1))) != size || tab.length(0) != int(want) {
			t.Errorf("%d bytes: %d blocks of %d", size, n, tab.block)
		}
		if tab.size() > maxTables+512 {
			t.Errorf("%d bytes: the table has %d", size, tab.size())
		}
	}
}

// Whatever is served, the tables stay within their bound, and those used last stay.
func TestTablesAreBounded(t *testing.T) {
	var ts tables
	first := newTable(v1.Descriptor{Digest: "first", Size: 1 << 20})
	ts.add(first)
	ts.add(first)
	for i := range 200 {
		ts.add(newTable(v1.Descriptor{Digest: digest.Digest(fmt.Sprint(i)), Size: 1 << 30}))
		if ts.size > maxTables || len(ts.byDigest) != ts.order.Len() {
			t.Fatalf("%d bytes of %d tables, %d in order", ts.size, len(ts.byDigest), ts.order.Len())
		}
		if ts.get("first") != first {
			t.Fatalf("the table that is used is gone after %d", i)
		}
	}
	if n := len(ts.byDigest); n < 100 || ts.get("0") != nil || ts.get("199") == nil {
		t.Errorf("%d tables", n)
	}
}

func TestCodes(t *testing.T) {
	c := newCoder()
	a := bytesOf(leastBlock, 1)
	same := c.code(a)
	for i := 0; i < len(a); i += 4099 {
		a[i] ^= 0x80
		if c.code(a) == same {
			t.Fatalf("the code does not see byte %d", i)
		}
		a[i] ^= 0x80
	}
	if c.code(a) != same || newCoder().code(a) == same || c.code(a[1:]) == same {
		t.Error("the code is not that of the bytes and the key")
	}
}

// An image costs less than a KiB besides its names.
func TestManyImagesAreSmall(t *testing.T) {
	const n = 10_000
	shelf := Shelf{Content: newContent()}
	for i := range n {
		name := fmt.Sprintf("registry.example/project%d/team/application-%d:1.%d", i%7, i/2, i)
		shelf.Images = append(shelf.Images, Image{Names: []string{name}, Root: v1.Descriptor{
			MediaType: v1.MediaTypeImageIndex, Digest: digest.FromString(name), Size: 1000}})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c := NewCatalog([]Shelf{shelf})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 1024 {
		t.Errorf("%d bytes for each image", each)
	}
	if r, p := c.repository("", "project0/team/application-4998"); p != nil || len(r.Tags) != 1 {
		t.Error("a repository is not found")
	}
	if got := len(c.Repositories()); got < n/2 {
		t.Errorf("%d repositories", got)
	}
	runtime.KeepAlive(shelf)
}

// A blob that promises more than can be is refused, and no memory is taken for it.
func TestBlobBeyondAllBounds(t *testing.T) {
	s := endless{newShaky()}
	root := s.Put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	tr := start(t, Shelf{Content: s, Images: []Image{{Names: []string{"r:1"}, Root: root}}})
	r := tr.get(t, "/v2/r/blobs/"+digest.FromString("endless").String())
	if code, message := r.failure(t); r.StatusCode != 500 || !strings.HasSuffix(message, "cannot be read here") {
		t.Errorf("%s: %s, %s", r.Status, code, message)
	}
}

// endless says of every blob that it does not know how large it is.
type endless struct{ *shaky }

func (e endless) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc, err := e.shaky.Stat(d)
	if err != nil {
		return v1.Descriptor{Digest: d, Size: math.MaxInt64}, nil
	}
	return desc, nil
}
