package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"drayage/audit"
	"drayage/internal/imagetest"
)

// All bytes of an image are read and compared with what the image says of them. Each fault names what is
// wrong.
func Example() {
	blobs := imagetest.NewStore()
	layer := imagetest.GzipLayer([]byte("hello"))
	whole := imagetest.Image{Layers: []imagetest.Layer{layer}}.Put(blobs.Put)
	layer = imagetest.PlainLayer([]byte("something else"))
	layer.DiffID = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	wrong := imagetest.Image{Layers: []imagetest.Layer{layer}}.Put(blobs.Put)

	targets := []audit.Target{{Root: whole, Source: blobs}, {Root: wrong, Source: blobs}}
	report, err := audit.Check(context.Background(), targets, audit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Println(len(r.Faults), "faults")
		for _, f := range r.Faults {
			fmt.Println("a layer of", f.Descriptor.Size, "bytes:", errors.Is(f.Err, audit.ErrIntegrity))
		}
	}
	// Output:
	// 0 faults
	// 1 faults
	// a layer of 14 bytes: true
}
