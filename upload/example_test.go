package upload_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/registry"
	"drayage/upload"
)

// An image goes into a registry byte for byte, so that its digest stays. It may come from a layout, an
// archive, or any other image.Source.
func Example() {
	server := httptest.NewServer(fakeregistry.New())
	defer server.Close()
	client := &registry.Client{}
	defer client.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	repo := client.Repository(registry.Reference{Registry: host, Repository: "team/app"})

	ctx := context.Background()
	blobs := imagetest.NewStore()
	root := imagetest.Image{Layers: []imagetest.Layer{imagetest.GzipLayer([]byte("hello"))}}.Put(blobs.Put)
	im, err := image.Open(ctx, blobs, root, image.Selection{All: true})
	if err != nil {
		log.Fatal(err)
	}
	var sent int
	results, err := upload.Push(ctx, []upload.Target{{Repository: repo, Tag: "1.2", Image: im}}, upload.Options{
		Planned: func(all []v1.Descriptor) { sent = len(all) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Target.Tag, r.Descriptor.Digest == root.Digest, r.Err)
	}
	tags, err := repo.Tags(ctx)
	fmt.Println(sent, "blobs, tags", tags, err)
	// Output:
	// 1.2 true <nil>
	// 2 blobs, tags [1.2] <nil>
}
