// Carry fetches an image, saves it as a tar, and pushes it elsewhere. README.md shows it.
// Usage: carry FROM TO
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"drayage/dockerarchive"
	"drayage/engineconfig"
	"drayage/fetch"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
	"drayage/upload"
)

func main() {
	ctx, client := context.Background(), engineconfig.NewClient(nil, nil) // logs in as docker does
	from, to := must(registry.ParseReference(os.Args[1])), must(registry.ParseReference(os.Args[2]))
	dir, file := must(layout.CreateDir(ctx, "images")), must(os.Create("image.tar"))
	defer dir.Close()
	fetched := must(fetch.Images(ctx, client, []registry.Reference{from}, dir, fetch.Options{}))[0]
	root := must(fetched.Image, fetched.Err).Root
	im := must(image.Open(ctx, dir, root, image.Selection{}))
	im.Names = from.Names()
	err := dockerarchive.Write(ctx, file, dockerarchive.OCI, []*image.Image{im}, dockerarchive.Options{})
	target := upload.Target{Repository: client.Repository(to), Tag: to.Tag, Image: im}
	pushed := must(upload.Push(ctx, []upload.Target{target}, upload.Options{}))[0]
	fmt.Println(to.Name()+"@"+string(pushed.Descriptor.Digest), errors.Join(err, pushed.Err))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
