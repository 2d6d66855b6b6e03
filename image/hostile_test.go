package image_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

func TestLoadDepth(t *testing.T) {
	s := newSite(t)
	if g := load(t, s, s.chain(8), image.Selection{All: true}); len(g.Manifests) != 9 {
		t.Errorf("eight indexes: %d manifests", len(g.Manifests))
	}
	clear(s.asked)
	if _, err := image.Load(t.Context(), s, s.chain(9), image.Selection{All: true}); err == nil {
		t.Error("nine indexes in one another were accepted")
	}
}

func TestLoadCountsARepeatedChildOnce(t *testing.T) {
	s := newSite(t)
	child := at(s.image("linux/amd64"), "linux/amd64")
	many := make([]v1.Descriptor, 5000)
	for i := range many {
		many[i] = child
	}
	g := load(t, s, s.index(many...), image.Selection{All: true})
	if len(g.Manifests) != 2 || len(g.Blobs) != 3 {
		t.Errorf("%d manifests, %d blobs", len(g.Manifests), len(g.Blobs))
	}
}

// A cycle cannot be made, as a digest cannot be in what it is the digest of; but a server can answer as if
// there were one.
func TestLoadRefusesACycle(t *testing.T) {
	s := newSite(t)
	first := s.index()
	second := s.index(first)
	ring := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{second}}
	s.Content[first.Digest] = s.Content[s.PutJSON(v1.MediaTypeImageIndex, ring).Digest]
	if _, err := image.Load(t.Context(), s, second, image.Selection{All: true}); !errors.Is(err,
		verify.ErrMismatch) {
		t.Errorf("%v, want a mismatch", err)
	}
}

func TestLoadBoundsTheNumberOfManifests(t *testing.T) {
	s := newSite(t)
	var many []v1.Descriptor
	for i := range 10_001 {
		d := digest.FromString(fmt.Sprint(i))
		many = append(many, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: 1})
	}
	if _, err := image.Load(t.Context(), s, s.index(many...), image.Selection{}); err == nil ||
		len(s.asked) != 1 {
		t.Errorf("%v after %d documents; want a refusal after the index", err, len(s.asked))
	}
}

func TestLoadRefuses(t *testing.T) {
	s := newSite(t)
	single := s.image("linux/amd64")
	child := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, single.MediaType, single.Digest, single.Size)
	resized := func(d v1.Descriptor, by int64) v1.Descriptor { d.Size += by; return d }
	retyped := func(d v1.Descriptor, mediaType string) v1.Descriptor { d.MediaType = mediaType; return d }
	for name, root := range map[string]v1.Descriptor{
		"both kinds": s.Put("",
			[]byte(`{"config":`+child+`,"layers":[],"manifests":[`+child+`]}`)),
		"another type than announced": retyped(single, v1.MediaTypeImageIndex),
		"a child of another type":     s.index(retyped(single, v1.MediaTypeImageIndex)),
		"schema 1":                    s.Put(image.Schema1, []byte(`{"schemaVersion":1,"fsLayers":[]}`)),
		"schema 1 as a child": s.index(s.Put(image.Schema1Signed,
			[]byte(`{"schemaVersion":1,"fsLayers":[]}`))),
		"a digest that is a path": {Digest: "sha256:../../x", Size: 1},
		"a child's digest that is a path": s.Put("",
			[]byte(strings.ReplaceAll(`{"manifests":[`+child+`]}`, single.Digest.Encoded(), "../../x"))),
		"a child's digest in capitals": s.Put("",
			[]byte(strings.ReplaceAll(`{"manifests":[`+child+`]}`, single.Digest.Encoded(),
				strings.ToUpper(single.Digest.Encoded())))),
		"a child's digest of md5": s.Put("",
			[]byte(strings.ReplaceAll(`{"manifests":[`+child+`]}`, "sha256:"+single.Digest.Encoded(),
				"md5:"+single.Digest.Encoded()[:32]))),
		"a child's size that is negative": s.Put("",
			[]byte(`{"manifests":[{"digest":"`+single.Digest.String()+`","size":-5}]}`)),
		"a manifest larger than it says":  resized(single, -1),
		"a manifest smaller than it says": resized(single, 1),
		"a child smaller than it says":    s.index(resized(single, 1)),
		"a manifest of 4 MiB and a byte": s.Put(v1.MediaTypeImageIndex,
			[]byte(`{"manifests":[]}`+strings.Repeat(" ", 4<<20-15))),
		"a terabyte": resized(single, 1<<40),
		"a child that is not there": s.index(v1.Descriptor{MediaType: v1.MediaTypeImageManifest,
			Digest: digest.FromString("absent"), Size: 6}),
		"a web page instead of the manifest": s.Put("text/html", []byte(`<html>log in first</html>`)),
	} {
		if g, err := image.Load(t.Context(), s, root, image.Selection{All: true}); err == nil {
			t.Errorf("%s: accepted: %v", name, g.Root)
		}
	}
}

func TestLoadStopsWithItsContext(t *testing.T) {
	s := newSite(t)
	reason := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := image.Load(ctx, s, s.multi(), image.Selection{}); !errors.Is(err, reason) {
		t.Errorf("%v, want the cause of the context", err)
	}
}
