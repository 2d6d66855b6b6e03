package image

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/verify"
)

// MaxConfigSize bounds an image configuration, in bytes. Real ones have a few kilobytes, or some hundreds if
// their labels were generated.
const MaxConfigSize = 8 << 20

// Config is what moving an image needs to know of its configuration
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md).
type Config struct {
	Platform v1.Platform // as far as the configuration tells it
	Created  time.Time   // zero if the configuration has no date that can be read

	rootFS json.RawMessage
}

// ParseConfig reads an image configuration. It looks at nothing but what [Config] holds, because a
// configuration reaches engines and registries byte for byte. Where a key stands twice the last value counts,
// as it does for engines. The error is about bytes that are no JSON object, or more of them than are
// accepted.
func ParseConfig(raw []byte) (Config, error) {
	if len(raw) > MaxConfigSize {
		return Config{}, fmt.Errorf("image configuration of %d bytes: more than the %d that are accepted",
			len(raw), MaxConfigSize)
	}
	if err := jsonkeys.Bounded(raw); err != nil {
		return Config{}, fmt.Errorf("image configuration is too large: %v", err)
	}
	var c struct {
		OS           text            `json:"os"`
		Architecture text            `json:"architecture"`
		Variant      text            `json:"variant"`
		OSVersion    text            `json:"os.version"`
		Created      text            `json:"created"`
		RootFS       json.RawMessage `json:"rootfs"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return Config{}, jsonFault("image configuration", err)
	}
	created, err := time.Parse(time.RFC3339, string(c.Created))
	if err != nil {
		created = time.Time{}
	}
	p := v1.Platform{
		OS: string(c.OS), Architecture: string(c.Architecture), Variant: string(c.Variant),
		OSVersion: string(c.OSVersion),
	}
	return Config{Platform: p, Created: created, rootFS: c.RootFS}, nil
}

// text is a string, or empty where a document has something else.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*t = text(s)
	}
	return nil
}

// DiffIDs returns the diff ID of each of an image's layers, base first. The error says that the configuration
// does not have them.
func (c Config) DiffIDs(layers int) ([]digest.Digest, error) {
	var fs struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	}
	if len(c.rootFS) > 0 {
		if err := json.Unmarshal(c.rootFS, &fs); err != nil {
			return nil, fmt.Errorf("image configuration: its diff IDs cannot be read: %v", err)
		}
	}
	for _, id := range fs.DiffIDs {
		if err := verify.Digest(id); err != nil {
			return nil, fmt.Errorf("image configuration, diff ID: %w", err)
		}
	}
	if n := len(fs.DiffIDs); n != layers {
		return nil, &DiffIDError{DiffIDs: n, Layers: layers}
	}
	return fs.DiffIDs, nil
}

// DiffIDError says that a configuration does not have one diff ID for each layer.
type DiffIDError struct{ DiffIDs, Layers int }

func (e *DiffIDError) Error() string {
	return fmt.Sprintf("it has %d diff IDs for %d layers", e.DiffIDs, e.Layers)
}

// ChainIDs identify the file systems that the layers up to each one make together, base first
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid).
func ChainIDs(diffIDs []digest.Digest) []digest.Digest {
	chain := make([]digest.Digest, len(diffIDs))
	for i, id := range diffIDs {
		if chain[i] = id; i > 0 {
			chain[i] = digest.FromString(chain[i-1].String() + " " + id.String())
		}
	}
	return chain
}
