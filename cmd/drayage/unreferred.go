package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/audit"
	"drayage/image"
	"drayage/layout"
)

// unreferred is what a layout or archive holds that nothing in it leads to.
type unreferred struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// unreferred counts what nothing leads to. It returns nil if that cannot be known: if not everything was checked, and below manifests
// that could not be read.
func (v *verifier) unreferred(ctx context.Context, r *audit.Report) (*unreferred, error) {
	switch {
	case v.src.name != "":
		return nil, nil
	case v.archive != nil:
		return v.looseInArchive(ctx)
	}
	for _, result := range r.Results {
		if slices.ContainsFunc(result.Faults, func(f image.Absent) bool { return f.Part == image.PartManifest }) {
			return nil, nil
		}
	}
	blobs, err := v.layout.Blobs()
	if err != nil {
		return nil, err
	}
	loose := &unreferred{}
	for _, d := range blobs {
		if !r.Reached[d.Digest] {
			loose.Blobs++
			loose.Bytes += d.Size
		}
	}
	return loose, nil
}

// looseInArchive goes by what index.json itself leads to, all of it: what was checked may be other manifests, or fewer.
func (v *verifier) looseInArchive(ctx context.Context) (*unreferred, error) {
	reached := map[digest.Digest]bool{}
	files := v.archive.FS()
	has := func(name string) bool { _, err := fs.Stat(files, name); return err == nil }
	if !has("manifest.json") && !has(v1.ImageIndexFile) {
		return nil, nil
	}
	l, err := layout.New(files)
	if err != nil && has(v1.ImageIndexFile) {
		return nil, nil
	}
	if err == nil {
		images, err := l.Images()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		var targets []audit.Target
		for _, im := range images {
			targets = append(targets, audit.Target{Root: im.Descriptor, Source: l})
		}
		var sure bool
		if reached, sure, err = audit.Reach(ctx, targets); err != nil || !sure {
			return nil, err
		}
	}
	n, bytes, err := v.archive.Unreferenced(reached)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", v.src.text, err)
	}
	return &unreferred{n, bytes}, nil
}
