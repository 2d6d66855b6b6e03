package layout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// An image goes in blob by blob, and gets its name at the end.
func Example() {
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

	manifest := putImage(ctx, dir)
	if _, err := dir.Tag(ctx, manifest, "docker.io/library/hello:1", "1"); err != nil {
		log.Fatal(err)
	}
	images, err := dir.Images()
	if err != nil {
		log.Fatal(err)
	}
	for _, im := range images {
		raw, err := image.ReadAll(ctx, dir, im.Descriptor, image.MaxManifestSize)
		fmt.Println(im.Name, len(raw) == int(im.Descriptor.Size), err)
	}
	// Output: docker.io/library/hello:1 true <nil>
}

// putImage stores an image of one small layer and returns the descriptor of its manifest.
func putImage(ctx context.Context, dir *layout.Dir) v1.Descriptor {
	put := func(mediaType string, content []byte) v1.Descriptor {
		d := image.Describe(mediaType, content)
		src := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: content}}
		if err := dir.Push(ctx, d, src, nil); err != nil {
			log.Fatal(err)
		}
		return d
	}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest}
	m.SchemaVersion = 2
	m.Layers = []v1.Descriptor{put(v1.MediaTypeImageLayer, []byte("hello"))}
	m.Config = put(v1.MediaTypeImageConfig, []byte(`{"os":"linux","architecture":"amd64"}`))
	raw, err := json.Marshal(m)
	if err != nil {
		log.Fatal(err)
	}
	return put(v1.MediaTypeImageManifest, raw)
}
