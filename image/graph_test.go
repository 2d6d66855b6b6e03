package image_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

func load(t *testing.T, s *site, root v1.Descriptor, sel image.Selection) *image.Graph {
	t.Helper()
	g, err := image.Load(t.Context(), s, root, sel)
	if err != nil {
		t.Fatal(err)
	}
	checkComplete(t, s, g)
	return g
}

// checkComplete holds for every graph: children come before parents, nothing comes twice, nothing
// that is referred to is missing, and no document was asked for twice.
func checkComplete(t *testing.T, s *site, g *image.Graph) {
	t.Helper()
	there := map[digest.Digest]bool{}
	add := func(d v1.Descriptor) {
		if there[d.Digest] {
			t.Errorf("%s (%s) comes twice", d.Digest, s.name(d.Digest))
		}
		there[d.Digest] = true
	}
	for _, b := range g.Blobs {
		add(b)
	}
	for _, m := range g.Manifests {
		for _, c := range m.Document.Children() {
			if !there[c.Digest] {
				t.Errorf("%s refers to %s (%s), which does not come before it", m.Descriptor.Digest, c.Digest,
					s.name(c.Digest))
			}
		}
		add(m.Descriptor)
		if err := verify.Bytes(m.Descriptor, m.Raw); err != nil {
			t.Error(err)
		}
		if parsed, err := image.ParseManifest(m.Descriptor.MediaType, m.Raw); err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(parsed, m.Document); diff != "" {
			t.Errorf("the document of %s is not what its bytes say: %s", m.Descriptor.Digest, diff)
		}
		if got, err := image.ReadAll(t.Context(), g.Source(nil), m.Descriptor, image.MaxManifestSize); err != nil ||
			string(got) != string(m.Raw) {
			t.Errorf("the graph's source does not have %s: %v", m.Descriptor.Digest, err)
		}
	}
	if last := g.Manifests[len(g.Manifests)-1]; last.Descriptor.Digest != g.Root.Digest {
		t.Errorf("the last manifest is %s, not the root", last.Descriptor.Digest)
	}
	for d, n := range s.asked {
		if n > 1 {
			t.Errorf("%s (%s) was asked for %d times", d, s.name(d), n)
		}
	}
}

func TestLoadOfOneImage(t *testing.T) {
	s := newSite(t)
	root := s.image("linux/s390x")
	for name, sel := range map[string]image.Selection{
		"unasked, whatever its platform": {}, "all": {All: true},
		"asked for": {Platforms: platforms(t, "linux/s390x")},
	} {
		clear(s.asked)
		g := load(t, s, root, sel)
		if g.Root.Digest != root.Digest || len(g.Manifests) != 1 || len(g.Blobs) != 3 || g.Rewritten ||
			image.FormatPlatforms(g.Platforms) != "linux/s390x" {
			t.Errorf("%s: %d manifests, %d blobs, platforms %s", name, len(g.Manifests), len(g.Blobs),
				image.FormatPlatforms(g.Platforms))
		}
	}
	for _, b := range []string{"base", "layer of linux/s390x"} {
		if s.asked[digest.FromString(b)] > 0 {
			t.Errorf("%q was read: layers are left to the transfer", b)
		}
	}
}

func TestLoadOfAnArtifact(t *testing.T) {
	s := newSite(t)
	root := s.artifact("application/vnd.cncf.helm.config.v1+json")
	for name, sel := range map[string]image.Selection{"unasked": {}, "all": {All: true},
		"a platform, which it has none of": {Platforms: platforms(t, "linux/amd64")}} {
		clear(s.asked)
		if g := load(t, s, root, sel); g.Root.Digest != root.Digest || len(g.Blobs) != 2 {
			t.Errorf("%s: root %s, %d blobs", name, g.Root.Digest, len(g.Blobs))
		}
	}
}

func TestLoadChoosesPlatforms(t *testing.T) {
	s := newSite(t)
	arm64, armv7 := s.image("linux/arm64"), s.image("linux/arm/v7")
	root := s.multi()
	for _, c := range []struct {
		name string
		sel  image.Selection
		root v1.Descriptor // zero: a new index
		have string
		n    int // manifests
	}{
		{"one", image.Selection{Platforms: platforms(t, "linux/arm64")}, arm64, "linux/arm64", 1},
		{"a lower variant", image.Selection{Platforms: platforms(t, "linux/arm/v8")}, armv7, "linux/arm/v7", 1},
		{"one twice", image.Selection{Platforms: platforms(t, "linux/arm64", "linux/arm64/v8")}, arm64,
			"linux/arm64", 1},
		{"all", image.Selection{All: true}, root, "linux/amd64, linux/arm/v7, linux/arm64", 5},
		{"two", image.Selection{Platforms: platforms(t, "linux/arm/v7", "linux/amd64")}, v1.Descriptor{},
			"linux/amd64, linux/arm/v7", 3},
		{"three of four", image.Selection{Platforms: platforms(t, "linux/arm/v7", "linux/amd64", "linux/arm64")},
			v1.Descriptor{}, "linux/amd64, linux/arm/v7, linux/arm64", 4},
	} {
		clear(s.asked)
		g := load(t, s, root, c.sel)
		if rewritten := c.root.Digest == ""; g.Rewritten != rewritten ||
			!rewritten && g.Root.Digest != c.root.Digest || g.Root.Platform != nil {
			t.Errorf("%s: root %+v, rewritten %v", c.name, g.Root, g.Rewritten)
		}
		if image.FormatPlatforms(g.Platforms) != c.have || len(g.Manifests) != c.n {
			t.Errorf("%s: platforms %s, %d manifests; want %s, %d", c.name, image.FormatPlatforms(g.Platforms),
				len(g.Manifests), c.have, c.n)
		}
	}
}

func TestLoadTakesThisMachinesPlatform(t *testing.T) {
	s := newSite(t)
	p := image.FormatPlatform(image.DefaultPlatform())
	own := s.image(p)
	root := s.index(at(s.image("linux/mips"), "linux/mips"), at(own, p),
		at(s.image("windows/amd64"), "windows/amd64"))
	if g := load(t, s, root, image.Selection{}); g.Root.Digest != own.Digest ||
		image.FormatPlatforms(g.Platforms) != p {
		t.Errorf("root %s for %s, want %s for %s", g.Root.Digest, image.FormatPlatforms(g.Platforms), own.Digest, p)
	}
}

// Registries count the manifests that are read, and archives of one platform may have an index of many.
func TestLoadReadsOnlyWhatIsWanted(t *testing.T) {
	s := newSite(t)
	wanted := s.image("linux/arm64")
	root := s.multi()
	for d := range s.Content {
		raw := string(s.Content[d])
		if d != root.Digest && d != wanted.Digest && strings.Contains(raw, "schemaVersion") {
			delete(s.Content, d)
		}
	}
	if g := load(t, s, root,
		image.Selection{Platforms: platforms(t, "linux/arm64")}); g.Root.Digest != wanted.Digest ||
		len(s.asked) != 2 {
		t.Errorf("root %s, %d documents asked for; want %s and 2", g.Root.Digest, len(s.asked), wanted.Digest)
	}
	if g, err := image.Load(t.Context(), s, root, image.Selection{All: true}); err == nil {
		t.Errorf("all of an index of which parts are absent: %d manifests", len(g.Manifests))
	}
	if g, err := image.Load(t.Context(), s, root,
		image.Selection{Platforms: platforms(t, "linux/arm64", "linux/amd64")}); err == nil {
		t.Errorf("two platforms, one of them absent: %d manifests", len(g.Manifests))
	}
}

func TestLoadRewritesAnIndex(t *testing.T) {
	for _, mediaType := range []string{v1.MediaTypeImageIndex, image.DockerManifestList} {
		s := newSite(t)
		// the second has its platform in its configuration only
		amd64, arm64 := at(s.image("linux/amd64"), "linux/amd64"), s.image("linux/arm64")
		amd64.Annotations = map[string]string{"of": "the entry"}
		old := v1.Index{MediaType: mediaType, Manifests: []v1.Descriptor{amd64, arm64,
			at(s.image("linux/386"), "linux/386")}, Annotations: map[string]string{"note": "kept"}}
		old.SchemaVersion = 2
		sel := image.Selection{Platforms: platforms(t, "linux/arm64", "linux/amd64")}
		root := s.PutJSON(mediaType, old)
		g := load(t, s, root, sel)
		var got v1.Index
		if err := json.Unmarshal(g.Manifests[len(g.Manifests)-1].Raw, &got); err != nil {
			t.Fatal(err)
		}
		want := old
		want.Manifests = []v1.Descriptor{amd64, at(arm64, "linux/arm64")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: new index (-want +got):\n%s", mediaType, diff)
		}
		if g.Root.MediaType != mediaType || g.Root.Digest == root.Digest {
			t.Errorf("root %+v", g.Root)
		}
		clear(s.asked)
		slices.Reverse(sel.Platforms)
		if again := load(t, s, root, sel); again.Root.Digest != g.Root.Digest {
			t.Error("the order in which platforms are asked for shows in the digest")
		}
	}
}

func TestLoadKeepsAnIndexOfWhichAllIsWanted(t *testing.T) {
	s := newSite(t)
	root := s.index(at(s.image("linux/amd64"), "linux/amd64"), at(s.image("linux/arm64"), "linux/arm64"))
	if g := load(t, s, root, image.Selection{Platforms: platforms(t, "linux/arm64",
		"linux/amd64")}); g.Rewritten || g.Root.Digest != root.Digest {
		t.Errorf("root %s, rewritten %v", g.Root.Digest, g.Rewritten)
	}
}

func TestLoadOfNestedIndexes(t *testing.T) {
	s := newSite(t)
	shared := at(s.image("linux/amd64"), "linux/amd64")
	root := s.index(s.index(shared, at(s.image("linux/arm64"), "linux/arm64")), shared,
		s.index(shared, at(s.image("linux/s390x"), "linux/s390x")), shared)
	g := load(t, s, root, image.Selection{All: true})
	// 3 indexes, 3 images; 3 configurations, 3 layers and their base
	if len(g.Manifests) != 6 || len(g.Blobs) != 7 {
		t.Errorf("all: %d manifests, %d blobs", len(g.Manifests), len(g.Blobs))
	}
	clear(s.asked)
	if g := load(t, s, root,
		image.Selection{Platforms: platforms(t, "linux/amd64")}); g.Root.Digest != shared.Digest {
		t.Errorf("one: root %s", g.Root.Digest)
	}
	clear(s.asked)
	if g := load(t, s, root, image.Selection{Platforms: platforms(t, "linux/amd64",
		"linux/s390x")}); !g.Rewritten || len(g.Manifests) != 3 {
		t.Errorf("two: rewritten %v, %d manifests", g.Rewritten, len(g.Manifests))
	}
	clear(s.asked)
	if g := load(t, s, s.index(), image.Selection{All: true}); len(g.Manifests) != 1 || len(g.Blobs) != 0 {
		t.Errorf("empty index: %d manifests, %d blobs", len(g.Manifests), len(g.Blobs))
	}
}

func TestLoadNamesThePlatformsThereAre(t *testing.T) {
	s := newSite(t)
	multi, single := s.multi(), s.image("linux/s390x")
	for name, c := range map[string]struct {
		root v1.Descriptor
		want []string
		have string
	}{
		"index": {multi, []string{"linux/ppc64le"}, "linux/amd64, linux/arm/v7, linux/arm64"},
		"one of two": {multi, []string{"linux/amd64", "linux/ppc64le"},
			"linux/amd64, linux/arm/v7, linux/arm64"},
		"higher variant only": {multi, []string{"linux/ppc64le", "linux/arm/v6"},
			"linux/amd64, linux/arm/v7, linux/arm64"},
		"no index":             {single, []string{"linux/ppc64le"}, "linux/s390x"},
		"no index, one of two": {single, []string{"linux/s390x", "linux/ppc64le"}, "linux/s390x"},
	} {
		_, err := image.Load(t.Context(), s, c.root, image.Selection{Platforms: platforms(t, c.want...)})
		var missing *image.PlatformError
		if !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if image.FormatPlatform(missing.Want) != "linux/ppc64le" || image.FormatPlatforms(missing.Have) != c.have ||
			!strings.Contains(err.Error(), c.have) {
			t.Errorf("%s: wants %s, has %s: %v", name, image.FormatPlatform(missing.Want),
				image.FormatPlatforms(missing.Have), err)
		}
	}
	var missing *image.PlatformError
	if _, err := image.Load(t.Context(), s, s.index(), image.Selection{}); !errors.As(err, &missing) {
		t.Errorf("empty index: %v", err)
	}
}

// What remains of a graph says what its root is, and nothing of its parts.
func TestBriefGraph(t *testing.T) {
	for _, root := range []func(*site) v1.Descriptor{
		func(s *site) v1.Descriptor { return s.image("linux/amd64") },
		func(s *site) v1.Descriptor { return s.artifact("text/plain") },
		func(s *site) v1.Descriptor { return s.index(s.image("linux/amd64"), s.image("linux/arm64")) },
	} {
		s := newSite(t)
		g := load(t, s, root(s), image.Selection{All: true})
		brief, was := g.Brief(), g.RootNode()
		if len(brief.Blobs) > 0 || len(brief.Manifests) != 1 || brief.RootNode().Raw != nil {
			t.Errorf("it has parts: %+v", brief)
		}
		doc := &brief.RootNode().Document
		if len(doc.Manifests) > 0 || doc.MayBeImage() != was.Document.MayBeImage() ||
			doc.About() != was.Document.About() || brief.Root.Digest != g.Root.Digest {
			t.Errorf("it says something else: %+v", doc)
		}
		if diff := cmp.Diff(g.Platforms, brief.Platforms); diff != "" {
			t.Error(diff)
		}
	}
}
