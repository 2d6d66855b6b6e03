package dockerarchive

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/manifest"
)

// v1Image is the per-layer json of docker's first image format. Docker names the layer directories by
// a hash of it, so the fields and their order are part of the format.
type v1Image struct {
	ID              string           `json:"id,omitempty"`
	Parent          string           `json:"parent,omitempty"`
	Comment         string           `json:"comment,omitempty"`
	Created         time.Time        `json:"created"`
	Container       string           `json:"container,omitempty"`
	ContainerConfig containerConfig  `json:"container_config,omitempty"`
	DockerVersion   string           `json:"docker_version,omitempty"`
	Author          string           `json:"author,omitempty"`
	Config          *containerConfig `json:"config,omitempty"`
	Architecture    string           `json:"architecture,omitempty"`
	Variant         string           `json:"variant,omitempty"`
	OS              string           `json:"os,omitempty"`
	Size            int64            `json:",omitempty"`
}

type containerConfig struct {
	Hostname        string
	Domainname      string
	User            string
	AttachStdin     bool
	AttachStdout    bool
	AttachStderr    bool
	ExposedPorts    map[string]struct{} `json:",omitempty"`
	Tty             bool
	OpenStdin       bool
	StdinOnce       bool
	Env             []string
	Cmd             oneOrMany
	Healthcheck     *healthcheck `json:",omitempty"`
	ArgsEscaped     bool         `json:",omitempty"`
	Image           string
	Volumes         map[string]struct{}
	WorkingDir      string
	Entrypoint      oneOrMany
	NetworkDisabled bool   `json:",omitempty"`
	MacAddress      string `json:",omitempty"`
	OnBuild         []string
	Labels          map[string]string
	StopSignal      string    `json:",omitempty"`
	StopTimeout     *int      `json:",omitempty"`
	Shell           oneOrMany `json:",omitempty"`
}

type healthcheck struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// oneOrMany is a list that old configurations give as a bare string.
type oneOrMany []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMany) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one != "" {
			*o = oneOrMany{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return err
	}
	*o = many
	return nil
}

// v1Layer is one layer directory.
type v1Layer struct {
	id   string // 64 hex digits
	json []byte
}

// v1Layers computes the directories' names and json files, base first, as docker does. Docker dates lower layers
// to 1970 in the daemon's time zone, which makes its names depend on it; UTC is taken here.
func v1Layers(config []byte, diffIDs []digest.Digest) ([]v1Layer, error) {
	var top v1Image
	if err := json.Unmarshal(config, &top); err != nil {
		return nil, fmt.Errorf("image configuration: %v", err)
	}
	layers := make([]v1Layer, len(diffIDs))
	var parent digest.Digest
	for i := range diffIDs {
		im := v1Image{Created: time.Unix(0, 0).UTC()}
		if i == len(diffIDs)-1 {
			im = top
		}
		id, err := v1ID(im, manifest.ChainID(diffIDs[:i+1]), parent)
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

// v1ID hashes the json with its top-level keys sorted, without an id and with the chain ID.
func v1ID(im v1Image, chain, parent digest.Digest) (digest.Digest, error) {
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
