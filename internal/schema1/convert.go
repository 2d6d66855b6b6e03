package schema1

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/dockerv1"
)

// Blob is the blob of a layer, with what schema 1 does not say about it.
type Blob struct {
	Size   int64         // as it is stored
	DiffID digest.Digest // of the uncompressed tar
	Kind   string
}

// descriptor and schema2 have their fields in Docker's order, not in that of OCI. So the manifest is byte for
// byte the one that skopeo makes, and both push the same digest.
type descriptor struct {
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	Digest    digest.Digest `json:"digest"`
}

type schema2 struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// Convert makes the configuration of the image, and its manifest of type image.DockerManifest. blobs must
// have all of im.Blobs. The same image gives the same bytes.
//
// A layer is empty only if its description says "throwaway", as for Docker and skopeo. Docker before 1.10
// stored an empty tar instead. Such layers stay: without them the image would have another ID than the one
// that Docker gives it.
func (im Image) Convert(blobs map[digest.Digest]Blob) (config, manifest []byte, err error) {
	m := schema2{SchemaVersion: 2, MediaType: image.DockerManifest, Layers: []descriptor{}}
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, l := range im.Layers {
		history = append(history, l.image.History(l.Empty))
		if l.Empty {
			continue
		}
		b, known := blobs[l.Blob]
		if !known {
			return nil, nil, fmt.Errorf("the content of layer %s is not known", l.Blob)
		}
		mediaType, err := layerType(b.Kind)
		if err != nil {
			return nil, nil, fmt.Errorf("layer %s: %w", l.Blob, err)
		}
		m.Layers = append(m.Layers, descriptor{mediaType, b.Size, l.Blob})
		diffIDs = append(diffIDs, b.DiffID)
	}
	top := im.Layers[len(im.Layers)-1].Description
	if config, err = dockerv1.Config(top, history, diffIDs); err != nil {
		return nil, nil, err
	}
	if len(config) > image.MaxConfigSize {
		return nil, nil, fmt.Errorf("its configuration would have %d bytes, more than the %d that are accepted",
			len(config), image.MaxConfigSize)
	}
	m.Config = descriptor{image.DockerConfig, int64(len(config)), digest.FromBytes(config)}
	manifest, err = json.Marshal(m)
	return config, manifest, err
}

func layerType(k string) (string, error) {
	switch k {
	case compression.Gzip:
		return image.DockerLayer, nil
	case compression.None:
		return image.DockerPlainLayer, nil
	}
	return "", fmt.Errorf("docker has no media type for a layer compressed with %s: %w", k, image.ErrUnsupported)
}
