package main

import (
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/registry"
)

func tagFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "tag", Usage: "`NAME:TAG` of the image in the tar instead of the names it has, repeatable; for a single image"}
}

// newNames reads --tag, in full form and each name once.
func newNames(c *cli.Context) ([]string, error) {
	var names []string
	for _, text := range c.StringSlice("tag") {
		ref, err := registry.ParseReference(text)
		if err != nil {
			return nil, usagef("--tag %q: %v", text, err)
		}
		if ref.Digest != "" {
			return nil, usagef("--tag %q has a digest, which cannot be chosen: give a tag", text)
		}
		if name := ref.Tagged(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// rename gives the only image its new names, if there are any.
func (s *saver) rename() error {
	if len(s.names) == 0 {
		return nil
	}
	roots := map[digest.Digest]bool{}
	for _, im := range s.images {
		roots[im.Manifest.Digest] = true
	}
	for _, w := range s.wholes {
		if w.Subject == "" {
			roots[w.Graph.Root.Digest] = true
		}
	}
	if len(roots) > 1 {
		return usagef("--tag names one image, but there are %d: choose one as in oci:DIR:NAME, or save each to its own tar", len(roots))
	}
	if len(s.images) > 0 {
		s.images = s.images[:1]
		s.images[0].Names = s.names
	}
	var wholes []dockerarchive.Whole
	named := false
	for _, w := range s.wholes {
		if w.Subject != "" {
			w.Names = s.besides(w.Names)
		} else if named {
			continue // the same image, under another of its old names
		} else {
			named, w.Names = true, s.names
		}
		wholes = append(wholes, w)
	}
	s.wholes = wholes
	return nil
}

// besides moves the tags of what belongs to the image, as cosign has them, to where the image has its new names.
func (s *saver) besides(old []string) []string {
	var names []string
	for _, o := range old {
		tag, err := registry.ParseReference(o)
		if err != nil {
			continue
		}
		for _, n := range s.names {
			ref, err := registry.ParseReference(n)
			if err != nil {
				continue
			}
			if name := ref.Name() + ":" + tag.Tag; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
