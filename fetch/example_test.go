package fetch_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"strings"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
	"drayage/layout"
	"drayage/registry"
)

// Images come from a registry into a layout. Each has its own outcome.
func Example() {
	fake := fakeregistry.New()
	content := fakeregistry.Tar(map[string]string{"etc/motd": "hello"})
	fake.PutImage("team/app", "1.2",
		fakeregistry.Image{Layers: []fakeregistry.Layer{fakeregistry.GzipLayer(content)}})
	server := httptest.NewServer(fake)
	defer server.Close()

	ctx := context.Background()
	path, err := os.MkdirTemp("", "layout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	dir, err := layout.CreateDir(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()

	client := &registry.Client{}
	defer client.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	refs := []registry.Reference{
		{Registry: host, Repository: "team/app", Tag: "1.2"},
		{Registry: host, Repository: "team/app", Tag: "1.3"},
	}
	results, err := fetch.Images(ctx, client, refs, dir, fetch.Options{All: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Reference.Tag, "fetched:", r.Err == nil)
	}
	images, err := dir.Images()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(images), "image in the layout, with tag", images[0].Ref)
	// Output:
	// 1.2 fetched: true
	// 1.3 fetched: false
	// 1 image in the layout, with tag 1.2
}
