// Save writes the images of an OCI layout twice: as a docker tar and as an OCI tar.
// Usage: save LAYOUT DOCKER.tar OCI.tar
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal("save: ", err)
	}
}

func run(ctx context.Context, path, dockerTar, ociTar string) error {
	from, err := layout.New(os.DirFS(path))
	if err != nil {
		return err
	}
	entries, err := from.Images()
	if err != nil {
		return err
	}
	var images []*image.Image
	for _, e := range entries {
		im, err := image.Open(ctx, from, e.Descriptor, image.Selection{})
		if err != nil {
			return err
		}
		im.Names = []string{e.Name}
		images = append(images, im)
	}
	if err := into(ctx, dockerTar, dockerarchive.Docker, images); err != nil {
		return err
	}
	return into(ctx, ociTar, dockerarchive.OCI, images)
}

// into makes an archive in a format.
func into(ctx context.Context, path string, format dockerarchive.Format, images []*image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(dockerarchive.Write(ctx, f, format, images, dockerarchive.Options{}), f.Close())
}
