package farside_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/farside"
	"drayage/internal/imagetest"
	"drayage/layout"
	"drayage/registry"
)

// layer is a layer of an image in a test, by one letter.
func layer(name string) imagetest.Layer { return imagetest.GzipLayer([]byte("layer " + name)) }

func blob(name string) digest.Digest { return digest.FromBytes(layer(name).Content) }

// store is where the images of a test are.
type store struct{ imagetest.Store }

func (s store) open(t *testing.T, root v1.Descriptor) *image.Image {
	t.Helper()
	im, err := image.Open(t.Context(), s, root, image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func newStore() store { return store{imagetest.NewStore()} }

// image makes an image with layers by their letters.
func (s store) image(t *testing.T, letters string) *image.Image {
	t.Helper()
	im := imagetest.Image{Labels: map[string]string{"of": letters}}
	for _, l := range letters {
		im.Layers = append(im.Layers, layer(string(l)))
	}
	return s.open(t, im.Put(s.Put))
}

// knows is a side that has some blobs, and some layers unpacked.
type knows struct {
	blobs string
	asked *[]digest.Digest
	err   error
}

func (k knows) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	if k.asked != nil {
		*k.asked = append(*k.asked, d.Digest)
	}
	for _, l := range k.blobs {
		if d.Digest == blob(string(l)) {
			return true, k.err
		}
	}
	return false, k.err
}

func unpacked(images ...string) farside.Unpacked {
	var all [][]digest.Digest
	for _, letters := range images {
		var ids []digest.Digest
		for _, l := range letters {
			ids = append(ids, digest.FromString("layer "+string(l)))
		}
		all = append(all, ids)
	}
	return farside.OfLayers(all...)
}

// absent are the letters of what was left out of an image.
func absent(im *image.Image, letters string) (left string) {
	for _, l := range letters {
		for _, a := range im.Absent {
			if a.Descriptor.Digest == blob(string(l)) && a.Reason == image.LeftOut && a.Part == image.PartLayer {
				left += string(l)
			}
		}
	}
	return left
}

func leaveOut(t *testing.T, side farside.Side, images ...*image.Image) (farside.Division, error) {
	return farside.LeaveOut(t.Context(), images, []farside.Side{side})
}

func TestLeaveOut(t *testing.T) {
	tests := map[string]struct {
		images []string
		sides  []farside.Side
		want   []string // left out of each image
	}{
		"nothing is there": {[]string{"abc"}, []farside.Side{knows{}}, []string{""}},
		"some blobs":       {[]string{"abc"}, []farside.Side{knows{blobs: "ac"}}, []string{"ac"}},
		"united": {[]string{"abc"}, []farside.Side{knows{blobs: "a"}, knows{blobs: "b"}},
			[]string{"ab"}},
		"all":                {[]string{"abc"}, []farside.Side{knows{blobs: "cba"}}, []string{"abc"}},
		"the longest prefix": {[]string{"abcd"}, []farside.Side{unpacked("x", "abx", "ab")}, []string{"ab"}},
		"no prefix":          {[]string{"abc"}, []farside.Side{unpacked("bc", "xabc")}, []string{""}},
		"a prefix of one":    {[]string{"abc"}, []farside.Side{unpacked("a")}, []string{"a"}},
		"unpacked and blobs": {[]string{"abcd"}, []farside.Side{unpacked("ab"), knows{blobs: "d"}},
			[]string{"abd"}},
		"another image needs it": {[]string{"abc", "xb"}, []farside.Side{unpacked("abc")}, []string{"ac", ""}},
		"needed again above":     {[]string{"aba"}, []farside.Side{unpacked("ab")}, []string{"b"}},
		"two images share":       {[]string{"ab", "ac"}, []farside.Side{unpacked("a")}, []string{"a", "a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			var images []*image.Image
			for _, letters := range test.images {
				images = append(images, s.image(t, letters))
			}
			sum, err := farside.LeaveOut(t.Context(), images, test.sides)
			if err != nil {
				t.Fatal(err)
			}
			left := map[rune]bool{}
			for i, im := range images {
				got := absent(im, test.images[i])
				if got != test.want[i] {
					t.Errorf("%s: left out %q, not %q", test.images[i], got, test.want[i])
				}
				for _, l := range got {
					left[l] = true
				}
				if n := len(im.Absent); n != len(got) {
					t.Errorf("%s: %d parts are absent", test.images[i], n)
				}
			}
			if sum.Left.Blobs != len(left) || len(sum.Blobs) != len(left) {
				t.Errorf("left out: %+v", sum)
			}
		})
	}
}

func TestManifestsAndConfigurationsTravel(t *testing.T) {
	s := newStore()
	im := s.image(t, "ab")
	var config digest.Digest
	for _, d := range im.Blobs {
		if d.MediaType == v1.MediaTypeImageConfig {
			config = d.Digest
		}
	}
	// An artifact whose layer is the configuration of the image.
	m := imagetest.Manifest(s.Put(v1.MediaTypeEmptyJSON, []byte("{}")),
		v1.Descriptor{MediaType: "application/json", Digest: config, Size: int64(len(s.Content[config]))})
	artifact := s.open(t, s.PutJSON(v1.MediaTypeImageManifest, m))
	sum, err := farside.LeaveOut(t.Context(), []*image.Image{im, artifact},
		[]farside.Side{farside.AllBut(map[digest.Digest]bool{blob("b"): true})})
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(sum.Blobs)); !slices.Equal(got, []digest.Digest{blob("a")}) {
		t.Errorf("left out: %v", got)
	}
	if len(artifact.Absent) > 0 {
		t.Errorf("absent: %v", artifact.Absent)
	}
}

func TestSmallSignaturesTravel(t *testing.T) {
	s := newStore()
	im, key := s.image(t, "a"), imagetest.NewCosignKey()
	im.Referrers = []*image.Image{
		s.open(t, key.SignSimply(s.Put, im.Root.Digest, "")),
		s.open(t, key.SignBundled(s.Put, im.Root)),
	}
	large := imagetest.BundleManifest(s.Put, bytes.Repeat([]byte(" "), 1<<20), im.Root)
	im.Referrers = append(im.Referrers, s.open(t, s.PutJSON(v1.MediaTypeImageManifest, large)))
	sum, err := farside.LeaveOut(t.Context(), []*image.Image{im}, []farside.Side{farside.AllBut(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Blobs) != 2 || !sum.Blobs[blob("a")] || !sum.Blobs[large.Layers[0].Digest] {
		t.Errorf("left out: %v", sum.Blobs)
	}
}

func TestReferrersAreImagesToo(t *testing.T) {
	s := newStore()
	im := s.image(t, "ab")
	config := s.Put(v1.MediaTypeEmptyJSON, []byte("{}"))
	m := imagetest.Manifest(config, s.Put("text/plain", layer("s").Content))
	r := s.open(t, s.PutJSON(v1.MediaTypeImageManifest, m))
	im.Referrers = []*image.Image{r}
	sum, err := farside.LeaveOut(t.Context(), []*image.Image{im, im}, []farside.Side{knows{blobs: "as"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Absent) != 1 || r.Absent[0].Part != image.PartBlob || sum.Left.Blobs != 2 || len(im.Absent) != 1 {
		t.Errorf("%v, %v, %+v", im.Absent, r.Absent, sum)
	}
}

func TestOneBlobOfTwoSizesTravels(t *testing.T) {
	s := newStore()
	a, b := s.image(t, "ab"), s.image(t, "ac")
	g := *b.Graph
	g.Blobs = slices.Clone(g.Blobs)
	for i := range g.Blobs {
		if g.Blobs[i].Digest == blob("a") {
			g.Blobs[i].Size++
		}
	}
	b.Graph = &g
	if _, err := leaveOut(t, knows{blobs: "abc"}, a, b); err != nil {
		t.Fatal(err)
	}
	if absent(a, "ab") != "b" || absent(b, "ac") != "c" {
		t.Errorf("%v, %v", a.Absent, b.Absent)
	}
}

func TestEachBlobIsAskedOnceAndEachConfigurationReadOnce(t *testing.T) {
	s := newStore()
	a, b := s.image(t, "abc"), s.image(t, "abd")
	counted := &counting{Store: s.Store, reads: map[digest.Digest]int{}}
	var asked []digest.Digest
	images := []*image.Image{a, b, {Graph: a.Graph, Source: counted}}
	for _, im := range images {
		im.Source = counted
	}
	sides := []farside.Side{knows{blobs: "a", asked: &asked}, unpacked("ab")}
	_, err := farside.LeaveOut(t.Context(), images, sides)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(asked)
	if n := len(asked); n != 4 || len(slices.Compact(asked)) != 4 {
		t.Errorf("asked: %v", asked)
	}
	for d, n := range counted.reads {
		if n != 1 {
			t.Errorf("%s was read %d times", d, n)
		}
	}
	if len(counted.reads) != 2 {
		t.Errorf("read: %v", counted.reads)
	}
}

// counting is a source that counts.
type counting struct {
	imagetest.Store
	mu    sync.Mutex
	reads map[digest.Digest]int
}

func (c *counting) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads[d.Digest]++
	return c.Store.Open(ctx, d, offset, length)
}

func TestASideThatFails(t *testing.T) {
	s := newStore()
	im := s.image(t, "abc")
	broken := errors.New("the disk is gone")
	_, err := farside.LeaveOut(t.Context(), []*image.Image{im},
		[]farside.Side{knows{blobs: "a"}, knows{err: broken}})
	if !errors.Is(err, broken) || len(im.Absent) > 0 {
		t.Errorf("%v, %v", err, im.Absent)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if _, err := farside.LeaveOut(ctx, []*image.Image{im}, []farside.Side{knows{}}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestLayoutCountsWholeFilesOnly(t *testing.T) {
	s := newStore()
	im := s.image(t, "ab")
	name := func(l string) string { return "blobs/sha256/" + blob(l).Encoded() }
	dir, err := layout.New(fstest.MapFS{
		"oci-layout": {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		"index.json": {Data: []byte(`{"schemaVersion":2,"manifests":[]}`)},
		name("a"):    {Data: layer("a").Content},
		name("b"):    {Data: layer("b").Content[1:]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaveOut(t, farside.OfLayout(dir), im); err != nil {
		t.Fatal(err)
	}
	if absent(im, "ab") != "a" {
		t.Error(im.Absent)
	}
}

func TestRepository(t *testing.T) {
	reg := fakeregistry.New()
	reg.PutBlob("app", layer("a").Content)
	reg.PutBlob("app", layer("b").Content)
	reg.PutBlob("app", layer("c").Content)
	reg.On(fakeregistry.Match{Path: blob("b").String()}, fakeregistry.Status(200, "Content-Length", "3"))
	unsized := fakeregistry.Status(200, "Transfer-Encoding", "chunked")
	reg.On(fakeregistry.Match{Path: blob("c").String()}, unsized)
	server := httptest.NewServer(reg)
	defer server.Close()
	ref, err := registry.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app")
	if err != nil {
		t.Fatal(err)
	}
	client := &registry.Client{}
	defer client.Close()
	s := newStore()
	im := s.image(t, "abcd")
	side := farside.OfRepository(client.Repository(ref))
	sides := []farside.Side{knows{blobs: "d"}, side}
	if _, err := farside.LeaveOut(t.Context(), []*image.Image{im}, sides); err != nil {
		t.Fatal(err)
	}
	if got := absent(im, "abcd"); got != "ad" {
		t.Errorf("left out: %q", got)
	}
	if n := len(reg.Requests("", blob("d").String())); n != 0 {
		t.Errorf("the registry was asked %d times for what a file has told", n)
	}
	reg.Heal()
	reg.RequireBasic("somebody", "else")
	im = s.image(t, "a")
	if _, err := leaveOut(t, side, im); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("a registry that does not answer: %v", err)
	}
}
