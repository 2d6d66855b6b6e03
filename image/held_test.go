package image_test

import (
	"fmt"
	"runtime"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
)

// Commands hold the graphs of very many images. What each one takes without its bytes stays small.
func TestLittleIsHeldOfEachGraph(t *testing.T) {
	const many, most, brief = 500, 4000, 1200
	store := imagetest.NewStore()
	base := imagetest.GzipLayer(imagetest.Tar(map[string]string{"base": "base"}))
	roots := make([]v1.Descriptor, many)
	for i := range roots {
		var children []v1.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			own := imagetest.GzipLayer(imagetest.Tar(map[string]string{fmt.Sprint(arch, i): arch}))
			children = append(children, imagetest.Image{Platform: v1.Platform{OS: "linux", Architecture: arch},
				Layers: []imagetest.Layer{base, own}}.Put(store.Put))
		}
		roots[i] = store.Put(imagetest.Index(false, children...))
	}
	graphs := make([]*image.Graph, many)
	before := live()
	for i, root := range roots {
		g, err := image.Load(t.Context(), store, root, image.Selection{All: true})
		if err != nil {
			t.Fatal(err)
		}
		g.Forget()
		graphs[i] = g
	}
	compare := func(what string, most int64) {
		t.Helper()
		held := (live() - before) / many
		t.Logf("%s of two platforms takes %d bytes", what, held)
		if held > most {
			t.Errorf("%s takes more than %d bytes", what, most)
		}
	}
	compare("a graph", most)
	for i, g := range graphs {
		graphs[i] = g.Brief()
	}
	compare("a brief graph", brief)
	runtime.KeepAlive(graphs)
	runtime.KeepAlive(store)
}

// live is how many bytes are in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools have
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
