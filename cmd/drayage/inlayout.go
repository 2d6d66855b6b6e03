package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/layout"
	"drayage/registry"
)

// findInLayout returns the images of a layout that name means, or all of them if it is empty.
func findInLayout(l *layout.Layout, name string) ([]layout.Image, error) {
	all, err := l.Images()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the layout holds no image: %w", registry.ErrNotFound)
	}
	if name == "" {
		return slices.DeleteFunc(all, func(im layout.Image) bool { return im.Subject != "" }), nil
	}
	names := []string{name}
	if ref, err := registry.ParseReference(name); err == nil {
		names = append(names, ref.String())
	}
	for _, n := range names {
		found, err := l.Find(n)
		if err != nil {
			return nil, err
		}
		if len(found) == 1 {
			return found, nil
		}
		if len(found) > 1 {
			return nil, usagef("%q means several images: %s", name, labels(found))
		}
	}
	return nil, fmt.Errorf("the layout has no image %q; it has: %s: %w", name, labels(all), registry.ErrNotFound)
}

// maxLabels is how many images an error lists.
const maxLabels = 20

// list joins names for a message, the first of many.
func list(names []string) string {
	if n := len(names); n > maxLabels {
		names = append(slices.Clone(names[:maxLabels]), fmt.Sprintf("and %d more", n-maxLabels))
	}
	return strings.Join(names, ", ")
}

func labels(images []layout.Image) string { return list(imageLabels(images)) }

func imageLabels(images []layout.Image) []string {
	var names []string
	for _, im := range images {
		names = append(names, imageLabel(im))
	}
	return names
}

func imageLabel(im layout.Image) string {
	switch {
	case im.Name != "":
		return im.Name
	case im.Ref != "":
		return im.Ref
	}
	return im.Descriptor.Digest.String()
}

// taggedName is the full name with a tag under which an image of a layout is known, or empty.
func taggedName(im layout.Image) string {
	if im.Name == "" {
		return ""
	}
	ref, err := registry.ParseReference(im.Name)
	if err != nil {
		return ""
	}
	return ref.Tagged()
}

// subjects groups what belongs to images by the digest it belongs to.
func subjects(l *layout.Layout) (map[digest.Digest][]layout.Image, error) {
	all, err := l.Images()
	if err != nil {
		return nil, err
	}
	by := map[digest.Digest][]layout.Image{}
	for _, im := range all {
		if im.Subject != "" {
			by[im.Subject] = append(by[im.Subject], im)
		}
	}
	return by, nil
}
