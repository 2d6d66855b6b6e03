package roundtrip

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/test/randomimage"
	"drayage/test/sample"
	"drayage/test/wire"
)

// defaultCrossings is how many random updates make test takes across.
const defaultCrossings = 21

// Whatever the far side has, an archive of what it lacks brings it to the same state as an archive of
// everything: all manifests, blobs and tags of its registry. No blob is inside that the far side has, and no
// other is missing. With what the far side has, the whole archive can be made of it again, byte for byte.
// DRAYAGE_GRAPHS and DRAYAGE_GRAPHS_FROM choose other random updates.
func TestOnlyWhatIsMissingCrosses(t *testing.T) {
	first := number(t, "DRAYAGE_GRAPHS_FROM", 1)
	for seed := first; seed < first+number(t, "DRAYAGE_GRAPHS", defaultCrossings); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			u := newCrossing(t, uint64(seed))
			way := ways[seed%len(ways)]
			t.Logf("seed %d, the far side is known by %s", seed, way.name)
			way.prepare(u)
			u.cross()
		})
	}
}

// registry is a registry in memory at an address.
type registry struct {
	*fakeregistry.Registry
	addr string
}

func startRegistry(t *testing.T) registry {
	t.Helper()
	r := fakeregistry.New()
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return registry{r, strings.TrimPrefix(s.URL, "http://")}
}

// named is an image under one of its names.
type named struct {
	repository, tag string
	parts           *parts
}

func (n named) in(r registry) string { return r.addr + "/" + n.repository + ":" + n.tag }

// parts are the blobs of an image and of its referrers: what is in every archive, and layers.
type parts struct {
	image    *sample.Image
	blobs    map[digest.Digest][]byte
	always   map[digest.Digest]bool // manifests and configurations
	referrer *wire.Manifest
}

// crossing is images that the far side has, and images that are to cross.
type crossing struct {
	*testing.T
	*cli
	rand         *rand.Rand
	near         registry
	thin, whole  registry // two far sides that are the same at first
	old, new     []named
	since, bases []string // flags
	known        map[digest.Digest]bool
}

func newCrossing(t *testing.T, seed uint64) *crossing {
	t.Helper()
	u := &crossing{T: t, cli: newCLI(t), rand: rand.New(rand.NewPCG(seed, 2)), near: startRegistry(t),
		thin: startRegistry(t), whole: startRegistry(t), known: map[digest.Digest]bool{}}
	images, err := randomimage.Family(seed, 2+u.rand.IntN(3))
	if err != nil {
		t.Fatal(err)
	}
	var all []named
	for i, img := range images {
		p := u.partsOf(img)
		for k := range 1 + u.rand.IntN(2) {
			n := named{fmt.Sprintf("random/%d", u.rand.IntN(2)), fmt.Sprintf("%d-%d", i, k), p}
			u.seed(n)
			all = append(all, n)
		}
	}
	for _, n := range all {
		if u.rand.IntN(2) == 0 {
			u.old = append(u.old, n)
		}
	}
	if u.new = all; len(u.old) == 0 {
		u.old = all[:1]
	}
	return u
}

// partsOf sorts the blobs of an image, and makes a referrer of some.
func (u *crossing) partsOf(img *sample.Image) *parts {
	p := &parts{image: img, blobs: maps.Clone(img.Blobs), always: map[digest.Digest]bool{}}
	if u.rand.IntN(3) == 0 {
		p.refer()
	}
	for _, m := range p.manifests() {
		p.blobs[m.Digest], p.always[m.Digest] = m.Raw, true
		var doc v1.Manifest
		if err := json.Unmarshal(m.Raw, &doc); err != nil {
			u.Fatal(err)
		}
		if doc.Config.Digest != "" {
			p.always[doc.Config.Digest] = true
		}
	}
	return p
}

func (p *parts) manifests() []wire.Manifest {
	if p.referrer == nil {
		return p.image.Manifests
	}
	return append(slices.Clone(p.image.Manifests), *p.referrer)
}

// refer gives the image something that belongs to it.
func (p *parts) refer() {
	config, layer := []byte("{}"), []byte("belongs to "+p.image.Root.Digest)
	add := func(mediaType string, raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		p.blobs[d.Digest] = raw
		return d
	}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/x-test",
		Config: add(v1.MediaTypeEmptyJSON, config), Layers: []v1.Descriptor{add("text/plain", layer)},
		Subject: &v1.Descriptor{MediaType: p.image.Root.MediaType, Digest: p.image.Root.Digest,
			Size: p.image.Root.Size}}
	m.SchemaVersion = 2
	raw, _ := json.Marshal(m)
	p.referrer = &wire.Manifest{Descriptor: v1.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(raw),
		Size: int64(len(raw)), ArtifactType: m.ArtifactType}, Raw: raw}
}

// seed puts an image into the near registry.
func (u *crossing) seed(n named) {
	u.Helper()
	for _, raw := range n.parts.blobs {
		u.near.PutBlob(n.repository, raw)
	}
	for _, m := range n.parts.manifests() {
		u.near.PutManifest(n.repository, "", m.MediaType, m.Raw)
	}
	root := n.parts.image.Root
	u.near.PutManifest(n.repository, n.tag, root.MediaType, n.parts.blobs[root.Digest])
	r := n.parts.referrer
	if r == nil {
		return
	}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{r.Descriptor}}
	index.SchemaVersion = 2
	raw, _ := json.Marshal(index)
	u.near.PutManifest(n.repository, strings.Replace(root.Digest.String(), ":", "-", 1),
		index.MediaType, raw)
}

// allParts are what the images of names consist of.
func allParts(names []named) map[digest.Digest][]byte {
	all := map[digest.Digest][]byte{}
	for _, n := range names {
		maps.Copy(all, n.parts.blobs)
	}
	return all
}

func (u *crossing) refs(names []named, r registry) (all []string) {
	for _, n := range names {
		all = append(all, n.in(r))
	}
	return all
}

// repositories are those of the new images in a registry.
func (u *crossing) repositories(r registry) (all []string) {
	for _, n := range u.new {
		all = append(all, r.addr+"/"+n.repository)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// everything is what every command gets: nothing of an image is left behind.
var everything = []string{"-q", "--platform", "all", "--referrers"}

func with(verb string, more ...[]string) []string {
	return slices.Concat(append([][]string{{verb}, everything}, more...)...)
}

// cross makes both archives, and compares what becomes of them.
func (u *crossing) cross() {
	u.Helper()
	u.must(u.T, with("save", u.refs(u.new, u.near), []string{"--format", "oci", "-o", "whole.tar"})...)
	u.must(u.T, with("save", u.refs(u.new, u.near), u.since, []string{"-o", "thin.tar"})...)
	u.checkMinimal()
	u.must(u.T, "verify", "-q", "thin.tar")
	u.must(u.T, slices.Concat([]string{"verify", "-q", "thin.tar"}, u.bases)...)
	u.refused()
	u.must(u.T, slices.Concat([]string{"save", "-q", "thin.tar", "-o", "again.tar"}, u.bases)...)
	checkSameFile(u.T, u.path("whole.tar"), u.path("again.tar"))
	u.must(u.T, with("push", []string{"thin.tar", u.thin.addr + "/"}, u.mountsIn(u.thin))...)
	u.must(u.T, with("push", []string{"whole.tar", u.whole.addr + "/"})...)
	if got, want := u.thin.All(), u.whole.All(); !slices.Equal(got, want) {
		u.Errorf("the far side has %d things, and %d after a whole archive:\n%s", len(got), len(want),
			strings.Join(unlike(got, want), "\n"))
	}
}

// mountsIn are the repositories of a far side from which its others may take blobs.
func (u *crossing) mountsIn(r registry) (flags []string) {
	for _, name := range u.repositories(r) {
		flags = append(flags, "--base", name)
	}
	return flags
}

// unlike lists what only one of two has.
func unlike(got, want []string) (all []string) {
	for _, line := range got {
		if !slices.Contains(want, line) {
			all = append(all, "only thin: "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			all = append(all, "only whole: "+line)
		}
	}
	return all
}

// refused pushes to a registry that has nothing. If anything was left out, nothing may arrive.
func (u *crossing) refused() {
	u.Helper()
	empty := startRegistry(u.T)
	r := u.run(u.T, with("push", []string{"thin.tar", empty.addr + "/"})...)
	want := exitDone
	if len(inside(u.T, u.path("thin.tar"))) < len(inside(u.T, u.path("whole.tar"))) {
		want = exitNotFound
	}
	if r.code != want || want == exitNotFound && len(empty.All()) > 0 {
		u.Errorf("want exit %d: %s\nthe registry has %q", want, r, empty.All())
	}
}

// checkMinimal asks that exactly those blobs are inside that are not known at the far side.
func (u *crossing) checkMinimal() {
	u.Helper()
	want := map[digest.Digest]bool{}
	for _, n := range u.new {
		for d := range n.parts.blobs {
			if n.parts.always[d] || !u.known[d] {
				want[d] = true
			}
		}
	}
	got := inside(u.T, u.path("thin.tar"))
	for d := range got {
		if !want[d] {
			u.Errorf("%s is inside, and the far side has it", d)
		}
	}
	for d := range want {
		if !got[d] {
			u.Errorf("%s is not inside, and the far side lacks it", d)
		}
	}
}

// inside lists the blobs in an archive that its manifests lead to.
func inside(t *testing.T, file string) map[digest.Digest]bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, delta := map[digest.Digest]bool{}, digest.Digest("")
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == v1.ImageIndexFile {
			var index v1.Index
			if err := json.NewDecoder(tr).Decode(&index); err != nil {
				t.Fatal(err)
			}
			delta = digest.Digest(index.Annotations["io.drayage.delta"])
		}
		if strings.HasPrefix(h.Name, "blobs/sha256/") && h.Typeflag == tar.TypeReg {
			all[digest.NewDigestFromEncoded(digest.SHA256, path.Base(h.Name))] = true
		}
	}
	delete(all, delta)
	return all
}
