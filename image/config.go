package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// MaxConfigSize bounds an image configuration, in bytes. Real ones have a few kilobytes, or some hundreds if
// their labels were generated.
const MaxConfigSize = limits.Config

// Config is what moving an image needs to know of its configuration
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md).
type Config struct {
	Platform v1.Platform // as far as the configuration tells it
	Created  time.Time   // zero if the configuration has no date that can be read

	// Odd says why engines cannot read the configuration although it can be read here. It is empty otherwise.
	Odd string

	diffIDs []digest.Digest
	ofImage bool // it has a field that only the configuration of an image has
}

// ParseConfig reads an image configuration. It looks at nothing but what [Config] holds, because a
// configuration reaches engines and registries byte for byte. What has another type than it should counts as
// absent. Of keys that differ only in case the exact one counts, and of equal ones the last. A byte order
// mark, UTF-16 and what stands behind the first document make the configuration odd. The error is about bytes
// that do not begin with a JSON object, or more of them than are accepted.
func ParseConfig(raw []byte) (Config, error) {
	if len(raw) > MaxConfigSize {
		return Config{}, fmt.Errorf("image configuration of %d bytes: more than the %d that are accepted",
			len(raw), MaxConfigSize)
	}
	text := plaintext.UTF8(raw)
	if err := jsonkeys.Bounded(text); err != nil {
		return Config{}, fmt.Errorf("image configuration is too large: %v", err)
	}
	var first json.RawMessage
	err := json.NewDecoder(bytes.NewReader(text)).Decode(&first)
	if err == nil {
		err = json.Unmarshal(first, new(struct{}))
	}
	if err != nil {
		return Config{}, jsonFault("image configuration", err)
	}
	return configOf(raw, first), nil
}

// configOf reads the first document of a configuration.
func configOf(raw, first []byte) Config {
	var found struct {
		OS           lenient.Text     `json:"os"`
		Architecture lenient.Text     `json:"architecture"`
		Variant      lenient.Text     `json:"variant"`
		OSVersion    lenient.Text     `json:"os.version"`
		Created      lenient.Text     `json:"created"`
		RootFS       *json.RawMessage `json:"rootfs"`
		Config       *json.RawMessage `json:"config"`
		History      *json.RawMessage `json:"history"`
	}
	lenient.Decode(first, &found)
	c := Config{
		Platform: v1.Platform{
			OS: string(found.OS), Architecture: string(found.Architecture), Variant: string(found.Variant),
			OSVersion: string(found.OSVersion),
		},
		ofImage: found.RootFS != nil || found.Config != nil || found.History != nil || found.Created != "",
	}
	c.Created, _ = time.Parse(time.RFC3339, string(found.Created)) // zero otherwise
	if !json.Valid(raw) {
		c.Odd = "it is not JSON alone in UTF-8"
	}
	if found.RootFS != nil {
		var root struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		}
		lenient.Decode(*found.RootFS, &root)
		c.diffIDs = root.DiffIDs
	}
	return c
}

// DiffIDs returns the diff ID of each of an image's layers, base first. The error says that the configuration
// does not have them.
func (c Config) DiffIDs(layers int) ([]digest.Digest, error) {
	for _, id := range c.diffIDs {
		if err := verify.Digest(id); err != nil {
			return nil, fmt.Errorf("image configuration, diff ID: %w", err)
		}
	}
	if n := len(c.diffIDs); n != layers {
		return nil, &DiffIDError{DiffIDs: n, Layers: layers}
	}
	return c.diffIDs, nil
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
