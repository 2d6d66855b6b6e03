package inspect

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/internal/compression"
)

// Saved describes an image of a saved tar. Sizes are those that are stored there, which mostly are
// uncompressed; digests of layers that are stored compressed are left empty, because it would take reading
// them.
func Saved(s dockerarchive.SavedImage) (*Image, error) {
	p := Platform{ID: s.ID, DockerID: &DockerID{GraphDriver: s.ID}}
	for _, l := range s.Layers {
		kind, err := l.Compression()
		if err != nil {
			return nil, err
		}
		add := Layer{DiffID: l.DiffID, MediaType: v1.MediaTypeImageLayer, Size: l.Size()}
		if kind == compression.None {
			add.Digest = l.DiffID
		} else {
			add.MediaType += "+" + kind
		}
		p.Layers = append(p.Layers, add)
	}
	_, p.LayerBytes = distinct(p.Layers, map[digest.Digest]bool{})
	if err := p.configure(s.Config); err != nil {
		return nil, err
	}
	im := &Image{Names: append([]string{}, s.Names...), Kind: SavedTar, Platforms: []Platform{p}}
	im.count()
	return im, nil
}
