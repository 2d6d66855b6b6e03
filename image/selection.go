package image

import (
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Selection says which platforms of an image travel. The zero value means [DefaultPlatform].
type Selection struct {
	All       bool          // everything, the index unchanged
	Platforms []v1.Platform // the wanted ones
}

// wanted is the list that an empty selection stands for, and whether the user gave it.
func (s Selection) wanted() ([]v1.Platform, bool) {
	if len(s.Platforms) > 0 {
		return s.Platforms, true
	}
	return []v1.Platform{DefaultPlatform()}, false
}

// Check returns a [PlatformError] if an image that has no index, and is for p, is not what was asked for.
func (s Selection) Check(p v1.Platform) error {
	want, asked := s.wanted()
	if !asked || s.All || p.OS == "" {
		return nil
	}
	for _, w := range want {
		if !MatchPlatform(w, p) {
			return &PlatformError{Want: w, Have: []v1.Platform{p}}
		}
	}
	return nil
}

// PlatformError says that an image is not to be had for a platform, and lists those it has.
type PlatformError struct {
	Want v1.Platform
	Have []v1.Platform
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("no image for platform %s; it has: %s", FormatPlatform(e.Want), FormatPlatforms(e.Have))
}
