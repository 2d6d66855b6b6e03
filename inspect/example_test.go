package inspect_test

import (
	"context"
	"fmt"
	"log"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/inspect"
	"drayage/internal/imagetest"
)

// Read looks at manifests and configurations alone. No layer is read, however large it is.
func Example() {
	blobs := imagetest.NewStore()
	im := imagetest.Image{Layers: []imagetest.Layer{imagetest.GzipLayer([]byte("hello"))}}
	im.Config.Config.Entrypoint = []string{"/bin/app"}
	im.Platform = v1.Platform{OS: "linux", Architecture: "arm64"}
	root := im.Put(blobs.Put)

	found, err := inspect.Read(context.Background(), blobs, root, inspect.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range found.Platforms {
		fmt.Println(found.Kind, p.Platform, found.Layers, "layer,", p.Config.Entrypoint)
	}
	// Output: manifest linux/arm64 1 layer, [/bin/app]
}
