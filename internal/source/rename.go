package source

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/usage"
	"drayage/registry"
)

// Rename gives a single image new names. images may hold it several times, under different old names, and its
// referrers: the tags by which cosign finds these move to where the image has its new names.
func Rename(images []*image.Image, names []string) ([]*image.Image, error) {
	roots := map[digest.Digest]bool{}
	for _, im := range images {
		if im.Subject == "" {
			roots[im.Root.Digest] = true
		}
	}
	if len(roots) > 1 {
		return nil, usage.Errorf("--tag names one image, but there are %d: "+
			"choose one as in oci:DIR:NAME, or save each to its own tar", len(roots))
	}
	var renamed []*image.Image
	named := false
	for _, im := range images {
		switch {
		case im.Subject != "":
			im.Names = beside(names, im.Names)
		case named:
			continue // the same image, under another of its old names
		default:
			named, im.Names = true, names
		}
		renamed = append(renamed, im)
	}
	return renamed, nil
}

// beside returns the tags of old in the repositories of names.
func beside(names, old []string) []string {
	var all []string
	for _, o := range old {
		tag, err := registry.ParseReference(o)
		if err != nil {
			continue
		}
		for _, n := range names {
			ref, err := registry.ParseReference(n)
			if err != nil {
				continue
			}
			if name := ref.Name() + ":" + tag.Tag; !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}
