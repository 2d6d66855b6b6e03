package upload

import (
	"encoding/json"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
)

// rebuild makes the manifest of a saved image from what its layers have become. The configuration keeps its
// bytes, and so the image its ID. Docker's media types are used, as docker push would, unless a layer needs
// OCI's: zstd, or no compression.
func (p *pusher) rebuild(s *dockerarchive.SavedImage) (raw []byte, mediaType string, err error) {
	m := v1.Manifest{MediaType: image.DockerManifest, Layers: []v1.Descriptor{}}
	m.SchemaVersion, m.Config = 2, image.Describe(image.DockerConfig, s.Config)
	oci := false
	for _, l := range s.Layers {
		p.mu.Lock()
		d := p.packed[l.DiffID]
		p.mu.Unlock()
		oci = oci || d.MediaType != image.DockerLayer
		m.Layers = append(m.Layers, d)
	}
	if oci {
		m.MediaType, m.Config.MediaType = v1.MediaTypeImageManifest, v1.MediaTypeImageConfig
		for i := range m.Layers {
			if m.Layers[i].MediaType == image.DockerLayer {
				m.Layers[i].MediaType = v1.MediaTypeImageLayerGzip
			}
		}
	}
	raw, err = json.MarshalIndent(m, "", "   ")
	return raw, m.MediaType, err
}
