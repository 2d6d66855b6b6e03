package image_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// Open reads the manifests of one image in a layout and lists what the image consists of.
func ExampleOpen() {
	ctx := context.Background()
	images := exampleLayout()
	found, err := images.Find("docker.io/library/hello:1")
	if err != nil {
		log.Fatal(err)
	}
	im, err := image.Open(ctx, images, found[0].Descriptor, image.Selection{All: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("platforms:", image.FormatPlatforms(im.Platforms))
	for _, d := range im.Blobs {
		fmt.Println(d.MediaType, d.Size)
	}
	// Output:
	// platforms: linux/amd64
	// application/vnd.oci.image.config.v1+json 58
	// application/vnd.oci.image.layer.v1.tar 5
}

// ReadAll compares size and digest: what it returns can be trusted.
func ExampleReadAll() {
	images := exampleLayout()
	layer := image.Describe(v1.MediaTypeImageLayer, []byte("hello"))
	content, err := image.ReadAll(context.Background(), images, layer, 1<<20)
	fmt.Printf("%s %v\n", content, err)
	// Output: hello <nil>
}

// exampleLayout is a layout with one image.
func exampleLayout() *layout.Layout {
	files := fstest.MapFS{"oci-layout": {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}}
	put := func(mediaType, content string) string {
		d := image.Describe(mediaType, []byte(content))
		files["blobs/sha256/"+d.Digest.Encoded()] = &fstest.MapFile{Data: []byte(content)}
		return fmt.Sprintf(`"mediaType":%q,"digest":%q,"size":%d`, d.MediaType, d.Digest, d.Size)
	}
	config := put(v1.MediaTypeImageConfig, `{"os":"linux","architecture":"amd64","rootfs":{"type":""}}`)
	layer := put(v1.MediaTypeImageLayer, "hello")
	manifest := put(v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{`+config+`},"layers":[{`+layer+
		`}]}`)
	name := `"annotations":{"` + layout.AnnotationName + `":"docker.io/library/hello:1"}`
	files["index.json"] = &fstest.MapFile{Data: []byte(`{"schemaVersion":2,"manifests":[{` + manifest + `,` +
		name + `}]}`)}
	l, err := layout.New(files)
	if err != nil {
		log.Fatal(err)
	}
	return l
}
