package image

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/dockerv1"
	"drayage/internal/jsonkeys"
	"drayage/internal/verify"
)

// MaxConfigSize bounds an image configuration, in bytes. Real ones have a few kilobytes, or some hundreds
// if their labels were generated.
const MaxConfigSize = 8 << 20

// ParseConfig reads an image configuration and validates what drayage relies on: the diff IDs, and that no
// key stands twice (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md).
func ParseConfig(raw []byte) (v1.Image, error) {
	if len(raw) > MaxConfigSize {
		return v1.Image{}, fmt.Errorf("image configuration of %d bytes: more than the %d that are accepted",
			len(raw), MaxConfigSize)
	}
	if err := jsonkeys.Bounded(raw); err != nil {
		return v1.Image{}, fmt.Errorf("image configuration is too large: %v", err)
	}
	var tolerant struct {
		v1.Image
		Config struct { // old ones give a command as a bare string, and Docker takes that
			v1.ImageConfig
			Cmd        dockerv1.Words
			Entrypoint dockerv1.Words
		} `json:"config"`
	}
	if err := json.Unmarshal(raw, &tolerant); err != nil {
		return v1.Image{}, fmt.Errorf("image configuration is not valid JSON: %v", err)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return v1.Image{}, fmt.Errorf("image configuration is ambiguous: %v", err)
	}
	c := tolerant.Image
	c.Config = tolerant.Config.ImageConfig
	c.Config.Cmd, c.Config.Entrypoint = tolerant.Config.Cmd, tolerant.Config.Entrypoint
	for _, id := range c.RootFS.DiffIDs {
		if err := verify.Digest(id); err != nil {
			return c, fmt.Errorf("image configuration, diff ID: %w", err)
		}
	}
	return c, nil
}

// ChainID identifies the file system that the layers up to diffIDs' last make together
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid).
func ChainID(diffIDs []digest.Digest) digest.Digest {
	var chain digest.Digest
	for i, id := range diffIDs {
		if i == 0 {
			chain = id
		} else {
			chain = digest.FromString(chain.String() + " " + id.String())
		}
	}
	return chain
}
