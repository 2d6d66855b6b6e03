package main

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
)

// checkPlatforms refuses platforms that the images of a saved tar are not for: there are no others to choose from. Done is what is done with them.
func checkPlatforms(images []dockerarchive.SavedImage, chosen []v1.Platform, done string) error {
	for _, im := range images {
		config, err := image.ParseConfig(im.Config)
		if err != nil {
			return err
		}
		have := image.PlatformOf(config)
		for _, want := range chosen {
			if !image.MatchPlatform(want, have) {
				return usagef("--platform chooses among the images of a layout or registry; a saved tar is %s as it is, and %s is for %s, not %s",
					done, savedLabel(im), image.FormatPlatform(have), image.FormatPlatform(want))
			}
		}
	}
	return nil
}
