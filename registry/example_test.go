package registry_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// An image is resolved, and its configuration is read and verified.
func Example() {
	fake := fakeregistry.New()
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"etc/motd": "hello"}))
	fake.PutImage("team/app", "1.2", fakeregistry.Image{Layers: []fakeregistry.Layer{layer}})
	server := httptest.NewServer(fake)
	defer server.Close()

	ctx := context.Background()
	ref, err := registry.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1.2")
	if err != nil {
		log.Fatal(err)
	}
	client := &registry.Client{}
	defer client.Close()
	repo := client.Repository(ref)

	// The bytes of the manifest have been verified.
	d, raw, err := repo.Resolve(ctx, ref.Target())
	if err != nil {
		log.Fatal(err)
	}
	manifest, err := image.ParseManifest(d.MediaType, raw)
	if err != nil {
		log.Fatal(err)
	}
	// A blob is verified while it is read.
	raw, err = image.ReadAll(ctx, repo, *manifest.Config, image.MaxConfigSize)
	if err != nil {
		log.Fatal(err)
	}
	config, err := image.ParseConfig(raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s/%s, %d layer\n", config.Platform.OS, config.Platform.Architecture, len(manifest.Layers))
	// Output: linux/amd64, 1 layer
}

// A manifest refers to blobs, so that these are pushed first.
func ExamplePusher() {
	server := httptest.NewServer(fakeregistry.New())
	defer server.Close()
	client := &registry.Client{}
	defer client.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	repo := client.Repository(registry.Reference{Registry: host, Repository: "team/app", Tag: "1.2"})

	ctx := context.Background()
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	d := image.Describe("application/vnd.oci.image.config.v1+json", config)
	blobs := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: config}}
	manifest := fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		d.MediaType, d.Digest, d.Size)
	pusher := repo.Pusher()
	if err := pusher.Push(ctx, d, blobs, registry.PushOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := pusher.PutManifest(ctx, "1.2", "application/vnd.oci.image.manifest.v1+json",
		manifest); err != nil {
		log.Fatal(err)
	}
	fmt.Println(repo.Tags(ctx))
	// Output: [1.2] <nil>
}
