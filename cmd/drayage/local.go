package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/layout"
	"drayage/registry"
)

// local is what a SOURCE on this machine holds: a layout, as a directory or in an archive, or images of a saved tar, or both.
type local struct {
	layout  *layout.Layout // nil: there are only saved images
	images  []layout.Image // of layout: those that SOURCE means
	saved   []dockerarchive.SavedImage
	remarks []dockerarchive.Remark
	faults  map[digest.Digest]error // of images
}

// openLocal opens a layout or archive. What has to be closed afterwards is added to closes.
func (e *environment) openLocal(ctx context.Context, c *cli.Context, src source, closes *[]func() error) (*local, error) {
	if src.kind == fromLayout {
		dir, err := layout.OpenDir(src.path)
		if err != nil {
			return nil, err
		}
		*closes = append(*closes, dir.Close)
		return &local{layout: dir.Layout}, nil
	}
	archive, err := e.openArchive(ctx, c, src, closes)
	if err != nil {
		return nil, err
	}
	contents, err := archive.Contents(ctx)
	if err != nil {
		return nil, err
	}
	return newLocal(contents), nil
}

func newLocal(c *dockerarchive.Contents) *local {
	return &local{layout: c.Layout, saved: c.Saved, remarks: c.Remarks, faults: c.Faults}
}

// openImages opens a layout or archive, takes the images of it that SOURCE means, and says what there is to know of them.
func (e *environment) openImages(ctx context.Context, c *cli.Context, src source, closes *[]func() error) (*local, error) {
	here, err := e.openLocal(ctx, c, src, closes)
	if err == nil {
		err = here.choose(src.name)
	}
	if err != nil {
		return nil, err
	}
	here.note(e, c)
	return here, nil
}

// choose takes the images that name means, or, if it is empty, all but those that belong to others.
func (h *local) choose(name string) (err error) {
	if h.layout == nil {
		h.saved, err = chooseSaved(h.saved, name)
		return err
	}
	if h.images, err = findInLayout(h.layout, name); name == "" || len(h.saved) == 0 {
		return err
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	all := h.saved
	h.saved, err = chooseSaved(all, name)
	switch {
	case len(h.images) > 0 && err == nil:
		return usagef("%q means several images: %s, %s", name, labels(h.images), savedLabels(h.saved))
	case len(h.images) > 0:
		h.saved = nil
		return nil
	case err == nil:
		return nil
	}
	inLayout, err := findInLayout(h.layout, "")
	if err != nil {
		return err
	}
	return fmt.Errorf("the archive has no image %q; it has: %s: %w", name, list(append(imageLabels(inLayout), savedNames(all)...)), registry.ErrNotFound)
}

// note says what there is to know of the chosen images.
func (h *local) note(e *environment, c *cli.Context) {
	for _, r := range h.remarks {
		if label := h.label(r.Image); label != "" {
			e.note(c, "note: %s: %s", plainText(label), r.Text)
		}
	}
}

// label is what messages call the chosen image with a digest or ID, or empty.
func (h *local) label(d digest.Digest) string {
	for _, im := range h.images {
		if im.Descriptor.Digest == d {
			return imageLabel(im)
		}
	}
	for _, im := range h.saved {
		if im.ID == d {
			return savedLabel(im)
		}
	}
	return ""
}

// fault says of the first chosen image that is not whole what is wrong with it.
func (h *local) fault() error {
	for _, im := range h.images {
		if err := h.faults[im.Descriptor.Digest]; err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
	}
	return nil
}

// chooseSaved returns the images that name means, or all of them if it is empty.
func chooseSaved(images []dockerarchive.SavedImage, name string) ([]dockerarchive.SavedImage, error) {
	if name == "" {
		return images, nil
	}
	full := name
	if ref, err := registry.ParseReference(name); err == nil {
		full = ref.String()
	}
	for _, im := range images {
		for _, n := range im.Names {
			if n == full {
				im.Names = []string{n}
				return []dockerarchive.SavedImage{im}, nil
			}
		}
		if im.ID.String() == name || im.ID.Encoded() == name {
			return []dockerarchive.SavedImage{im}, nil
		}
	}
	return nil, fmt.Errorf("the archive has no image %q; it has: %s: %w", name, savedLabels(images), registry.ErrNotFound)
}

func savedLabels(images []dockerarchive.SavedImage) string { return list(savedNames(images)) }

func savedNames(images []dockerarchive.SavedImage) []string {
	var names []string
	for _, im := range images {
		names = append(names, savedLabel(im))
	}
	return names
}

func savedLabel(im dockerarchive.SavedImage) string {
	if len(im.Names) > 0 {
		return im.Names[0]
	}
	return im.ID.String()
}
