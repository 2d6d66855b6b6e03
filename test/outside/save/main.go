// Save writes the images of an OCI layout twice: as docker save did up to version 24, and as an OCI layout in a tar.
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
	var docker []dockerarchive.Image
	var oci []dockerarchive.Whole
	for _, e := range entries {
		im, err := image.Open(ctx, from, e.Descriptor, image.Selection{})
		if err != nil {
			return err
		}
		names := []string{e.Name}
		docker = append(docker, dockerarchive.Image{Manifest: im.Root, Names: names, Source: im.Source})
		oci = append(oci, dockerarchive.Whole{Graph: im.Graph, Names: names, Source: im.Source})
	}
	err = into(dockerTar, func(f *os.File) error {
		return dockerarchive.Write(ctx, f, docker, dockerarchive.Options{})
	})
	if err != nil {
		return err
	}
	return into(ociTar, func(f *os.File) error {
		return dockerarchive.WriteOCI(ctx, f, oci, dockerarchive.Options{})
	})
}

// into makes a file of what write writes.
func into(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
