// Push pushes what is in an archive or a layout to a place in a registry: an image name for one image, a
// prefix that ends in a slash for several. Usage: push ARCHIVE|LAYOUT DEST
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"drayage/dockerarchive"
	"drayage/engineconfig"
	"drayage/image"
	"drayage/layout"
	"drayage/upload"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal("push: ", err)
	}
}

func run(ctx context.Context, path, dest string) error {
	where, err := upload.ParseDestination(dest)
	if err != nil {
		return err
	}
	client := engineconfig.NewClient(nil, nil)
	defer client.Close()
	place := upload.NewPlacement(client, where)
	closed, err := add(ctx, place, path)
	if err != nil {
		return err
	}
	defer closed()
	results, err := upload.Push(ctx, place.Targets, upload.Options{})
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		fmt.Println(r.Descriptor.Digest, r.Target.Name())
	}
	return nil
}

// add gives the images of a layout or an archive their places. The caller calls closed after the push.
func add(ctx context.Context, place *upload.Placement, path string) (closed func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		l, err := layout.New(os.DirFS(path))
		if err != nil {
			return nil, err
		}
		return f.Close, addLayout(ctx, place, l)
	}
	archive, err := dockerarchive.NewReader(f, info.Size())
	if err != nil {
		return nil, err
	}
	contents, err := archive.Contents(ctx)
	if err != nil {
		return nil, err
	}
	for _, saved := range contents.Saved {
		if err := place.Add(upload.Target{Saved: &saved}, saved.Names, path); err != nil {
			return nil, err
		}
	}
	if contents.Layout == nil {
		return f.Close, nil
	}
	return f.Close, addLayout(ctx, place, contents.Layout)
}

func addLayout(ctx context.Context, place *upload.Placement, l *layout.Layout) error {
	entries, err := l.Images()
	if err != nil {
		return err
	}
	for _, e := range entries {
		im, err := image.Open(ctx, l, e.Descriptor, image.Selection{All: true})
		if err != nil {
			return err
		}
		if err := place.Add(upload.Target{Image: im}, []string{e.Name}, e.Name); err != nil {
			return err
		}
	}
	return nil
}
