package dockerarchive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
)

// The images of a layout become a tar for docker load. Then the names in that tar are listed.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	images := exampleLayout(ctx, filepath.Join(dir, "images"))
	defer images.Close()

	found, err := images.Images()
	if err != nil {
		log.Fatal(err)
	}
	var chosen []*image.Image
	for _, f := range found {
		im, err := image.Open(ctx, images, f.Descriptor, image.Selection{})
		if err != nil {
			log.Fatal(err)
		}
		im.Names = []string{f.Name}
		chosen = append(chosen, im)
	}
	out, err := os.Create(filepath.Join(dir, "hello.tar"))
	if err != nil {
		log.Fatal(err)
	}
	defer out.Close()
	if err := dockerarchive.Write(ctx, out, dockerarchive.Docker, chosen, dockerarchive.Options{}); err != nil {
		log.Fatal(err)
	}

	fi, err := out.Stat()
	if err != nil {
		log.Fatal(err)
	}
	archive, err := dockerarchive.NewReader(out, fi.Size())
	if err != nil {
		log.Fatal(err)
	}
	saved, err := archive.Images(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, im := range saved {
		fmt.Println(im.Names, len(im.Layers), "layer")
	}
	// Output: [docker.io/library/hello:1] 1 layer
}

// exampleLayout makes a layout with one image.
func exampleLayout(ctx context.Context, path string) *layout.Dir {
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
	marshal := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			log.Fatal(err)
		}
		return raw
	}
	var layer bytes.Buffer
	if err := tar.NewWriter(&layer).Close(); err != nil {
		log.Fatal(err)
	}
	config := v1.Image{Platform: image.DefaultPlatform()}
	config.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer.Bytes())}}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest}
	m.SchemaVersion = 2
	m.Config = put(v1.MediaTypeImageConfig, marshal(config))
	m.Layers = []v1.Descriptor{put(v1.MediaTypeImageLayer, layer.Bytes())}
	root := put(v1.MediaTypeImageManifest, marshal(m))
	if _, err := dir.Tag(ctx, root, "docker.io/library/hello:1", "1"); err != nil {
		log.Fatal(err)
	}
	return dir
}
