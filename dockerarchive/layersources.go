package dockerarchive

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layerSources are the descriptors that Docker adds to an image in manifest.json. Since version 25 its graph
// drivers give one for every layer: all uncompressed, and in index.json a manifest that was made for them and
// never was in a registry. In 25.0.0 that manifest had its layers in any order.
type layerSources map[digest.Digest]v1.Descriptor

// UnmarshalJSON implements json.Unmarshaler. What is something else counts for nothing.
func (s *layerSources) UnmarshalJSON(raw []byte) error {
	var m map[digest.Digest]v1.Descriptor
	if json.Unmarshal(raw, &m) == nil {
		*s = m
	}
	return nil
}

// rebuilt reports whether the image is one of those, which manifest.json describes better than index.json.
func (s layerSources) rebuilt() bool {
	for diffID, d := range s {
		if d.MediaType != v1.MediaTypeImageLayer || d.Digest != diffID {
			return false
		}
	}
	return len(s) > 0
}

// uncompressed returns the sources of layers that are all uncompressed, or nil.
func uncompressed(layers []v1.Descriptor) layerSources {
	s := layerSources{}
	for _, l := range layers {
		if l.MediaType != v1.MediaTypeImageLayer {
			return nil
		}
		s[l.Digest] = v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}
	}
	return s
}
