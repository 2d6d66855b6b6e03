package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/source"
	"drayage/layout"
	"drayage/registry"
)

// crowded is a layout with an index that lists one child many times, under many names.
func crowded(t *testing.T, children, names int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images")
	dir, err := layout.CreateDir(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	put := func(mediaType string, v any) v1.Descriptor {
		raw, _ := json.Marshal(v)
		d := image.Describe(mediaType, raw)
		src := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: raw}}
		if err := dir.Push(t.Context(), d, src, nil); err != nil {
			t.Fatal(err)
		}
		return d
	}
	config := put(v1.MediaTypeImageConfig, v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{}}
	m.SchemaVersion = 2
	child := put(v1.MediaTypeImageManifest, m)
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex}
	ix.SchemaVersion = 2
	for i := range children {
		child.Platform = &v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: fmt.Sprint(i)}
		ix.Manifests = append(ix.Manifests, child)
	}
	root := put(v1.MediaTypeImageIndex, ix)
	var entries []layout.Entry
	for i := range names {
		entries = append(entries, layout.Entry{Descriptor: root, Name: fmt.Sprintf("r.test/n%d:1", i), Tag: "1"})
	}
	if _, err := dir.Enter(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	return path
}

// Wild case 36: an image is loaded once, whatever names it has, and what all names lead to is bounded.
func TestWild36ManyNames(t *testing.T) {
	open := func(path string) (*source.Set, error) {
		spec, err := source.Parse(path, registry.ParseReference)
		if err != nil {
			t.Fatal(err)
		}
		return spec.Open(t.Context(), source.Options{})
	}
	set, err := open(crowded(t, 50, 60))
	if err != nil || len(set.Images) != 60 {
		t.Fatal(err)
	}
	defer set.Close()
	var first *image.Image
	for _, im := range set.Images {
		loaded, err := im.Load(t.Context(), image.Selection{All: true})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = loaded
		}
		if loaded == first && len(loaded.Names) != 1 || loaded.Graph != first.Graph {
			t.Fatalf("%s: loaded once more", im.Label)
		}
	}
	if one, err := set.Images[0].Load(t.Context(), image.Selection{}); err != nil || one.Graph == first.Graph {
		t.Errorf("another selection: %v", err)
	}
	if err := set.Take(limits.AllParts); !errors.Is(err, image.ErrTooMany) ||
		!strings.Contains(err.Error(), "choose some by name") {
		t.Errorf("too many parts: %v", err)
	}
	if set, err := open(crowded(t, limits.AllLeaves/500, 501)); err == nil {
		set.Close()
		t.Error("too many leaves, counted for each name, are taken")
	}
}
