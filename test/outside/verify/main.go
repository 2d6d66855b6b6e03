// Verify reads all bytes of the images in an archive or a layout, and names what is damaged or missing.
// Usage: verify ARCHIVE|LAYOUT
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"drayage/audit"
	"drayage/dockerarchive"
	"drayage/layout"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal("verify: ", err)
	}
}

func run(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var targets []audit.Target
	if info.IsDir() {
		var l *layout.Layout
		if l, err = layout.New(os.DirFS(path)); err == nil {
			targets, err = ofLayout(l)
		}
	} else {
		targets, err = ofArchive(ctx, f, info.Size())
	}
	if err != nil {
		return err
	}
	report, err := audit.Check(ctx, targets, audit.Options{})
	if err != nil {
		return err
	}
	for _, r := range report.Results {
		for _, fault := range r.Faults {
			return fault
		}
	}
	fmt.Println(len(targets), "images,", report.Blobs, "blobs,", report.Bytes, "bytes")
	return nil
}

func ofArchive(ctx context.Context, f *os.File, size int64) ([]audit.Target, error) {
	archive, err := dockerarchive.NewReader(f, size)
	if err != nil {
		return nil, err
	}
	contents, err := archive.Survey(ctx)
	if err != nil {
		return nil, err
	}
	var targets []audit.Target
	for _, saved := range contents.Saved {
		targets = append(targets, audit.Target{Saved: &saved})
	}
	if contents.Layout == nil {
		return targets, nil
	}
	more, err := ofLayout(contents.Layout)
	return append(targets, more...), err
}

func ofLayout(l *layout.Layout) ([]audit.Target, error) {
	entries, err := l.Images()
	if err != nil {
		return nil, err
	}
	var targets []audit.Target
	for _, e := range entries {
		targets = append(targets, audit.Target{Root: e.Descriptor, Source: l})
	}
	return targets, nil
}
