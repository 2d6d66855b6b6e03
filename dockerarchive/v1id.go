package dockerarchive

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/dockerv1"
)

// v1Layer is one layer directory.
type v1Layer struct {
	id   string // 64 hex digits
	json []byte
}

// v1Layers computes the names and json files of the layer directories as Docker does, base first. Docker
// dates lower layers to 1970 in the daemon's time zone, on which its names then depend. The zone here is UTC.
func v1Layers(config []byte, diffIDs []digest.Digest) ([]v1Layer, error) {
	var top dockerv1.Image
	if json.Unmarshal(config, &top) != nil {
		// Docker reads no more of it than that it is the image's configuration.
		c, err := image.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		top = dockerv1.Image{Created: time.Unix(0, 0).UTC()}
		top.OS, top.Architecture = c.Platform.OS, c.Platform.Architecture
	}
	layers, chain := make([]v1Layer, len(diffIDs)), image.ChainIDs(diffIDs)
	var parent digest.Digest
	for i := range diffIDs {
		im := dockerv1.Image{Created: time.Unix(0, 0).UTC()}
		if i == len(diffIDs)-1 {
			im = top
		}
		id, err := v1ID(im, chain[i], parent)
		if err != nil {
			return nil, err
		}
		im.ID, im.Parent, im.OS = id.Encoded(), "", top.OS
		if parent != "" {
			im.Parent = parent.Encoded()
		}
		raw, err := json.Marshal(im)
		if err != nil {
			return nil, err
		}
		layers[i] = v1Layer{id: id.Encoded(), json: raw}
		parent = id
	}
	return layers, nil
}

// v1ID hashes the json of a layer without its id and with the chain ID. The keys at the top are sorted.
func v1ID(im dockerv1.Image, chain, parent digest.Digest) (digest.Digest, error) {
	im.ID = ""
	raw, err := json.Marshal(im)
	if err != nil {
		return "", err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return "", err
	}
	fields["layer_id"] = json.RawMessage(`"` + chain.String() + `"`)
	if parent != "" {
		fields["parent"] = json.RawMessage(`"` + parent.String() + `"`)
	}
	if raw, err = json.Marshal(fields); err != nil {
		return "", err
	}
	return digest.FromBytes(raw), nil
}
