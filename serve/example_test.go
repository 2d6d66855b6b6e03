package serve_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/layout"
	"drayage/serve"
)

// A layout is served as it lies.
func Example() {
	path, err := os.MkdirTemp("", "layout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	dir := newLayout(path)
	defer dir.Close()

	entries, err := dir.Images()
	if err != nil {
		log.Fatal(err)
	}
	shelf := serve.Shelf{Name: path, Content: dir}
	for _, e := range entries {
		shelf.Images = append(shelf.Images, serve.Image{Names: []string{e.Name}, Root: e.Descriptor,
			Subject: e.Subject, Tag: e.Tag})
	}
	registry := serve.New(serve.NewCatalog([]serve.Shelf{shelf}), serve.Options{Observe: func(e serve.Event) {
		if e.Err != nil {
			log.Printf("%s %s %s: %v", e.Remote, e.What, e.Reference, e.Err)
		}
	}})

	server := httptest.NewServer(registry) // or http.ListenAndServe("127.0.0.1:5000", registry)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/v2/library/hello/tags/list")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode == http.StatusOK, string(body), err)
	// Output: true {"name":"library/hello","tags":["1"]} <nil>
}

// newLayout makes a layout with one image.
func newLayout(path string) *layout.Dir {
	ctx := context.Background()
	dir, err := layout.CreateDir(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	put := func(mediaType string, content []byte) v1.Descriptor {
		d := image.Describe(mediaType, content)
		src := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: content}}
		if err := dir.Push(ctx, d, src, nil); err != nil {
			log.Fatal(err)
		}
		return d
	}
	hello := imagetest.Image{Layers: []imagetest.Layer{imagetest.GzipLayer([]byte("hello"))}}.Put(put)
	if _, err := dir.Tag(ctx, hello, "docker.io/library/hello:1", "1"); err != nil {
		log.Fatal(err)
	}
	return dir
}
