package audit

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
)

// Unreferenced is what a layout or an archive holds that no image in it leads to.
type Unreferenced struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// UnreferencedInLayout counts the blobs in the directory of a layout that no image leads to, after all
// images of the layout have been checked. It returns nil if nobody can know them, because a manifest could
// not be read.
func UnreferencedInLayout(l *layout.Layout, r *Report) (*Unreferenced, error) {
	for _, result := range r.Results {
		if slices.ContainsFunc(result.Faults, func(f image.Absent) bool { return f.Part == image.PartManifest }) {
			return nil, nil
		}
	}
	blobs, err := l.Blobs()
	if err != nil {
		return nil, err
	}
	u := &Unreferenced{}
	for _, d := range blobs {
		if !r.Reached[d.Digest] {
			u.Blobs++
			u.Bytes += d.Size
		}
	}
	return u, nil
}

// UnreferencedInArchive counts the files of an archive that no image leads to. It goes by all that
// index.json and manifest.json themselves lead to, whatever images were checked. It returns nil if nobody
// can know these files.
func UnreferencedInArchive(ctx context.Context, a *dockerarchive.Reader) (*Unreferenced, error) {
	files := a.FS()
	has := func(name string) bool { _, err := fs.Stat(files, name); return err == nil }
	if !has("manifest.json") && !has(v1.ImageIndexFile) {
		return nil, nil
	}
	reached := map[digest.Digest]bool{}
	l, err := layout.New(files)
	if err != nil && has(v1.ImageIndexFile) {
		return nil, nil
	}
	if err == nil {
		var sure bool
		if reached, sure, err = reachedFrom(ctx, l); err != nil || !sure {
			return nil, err
		}
	}
	n, bytes, err := a.Unreferenced(reached)
	if err != nil {
		return nil, err
	}
	return &Unreferenced{n, bytes}, nil
}

// reachedFrom returns what the index of a layout leads to. It is not sure if the index cannot be read.
func reachedFrom(
	ctx context.Context, l *layout.Layout,
) (reached map[digest.Digest]bool, sure bool, err error) {
	images, err := l.Images()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	var targets []Target
	for _, im := range images {
		targets = append(targets, Target{Root: im.Descriptor, Source: l})
	}
	return Reach(ctx, targets)
}
