package inspect

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/lenient"
	"drayage/internal/plaintext"
)

// configure takes what the configuration says, which has been read as c. It leaves out what it cannot read:
// engines read the configuration for themselves.
func (p *Platform) configure(raw []byte, c image.Config, diffIDs []digest.Digest) {
	p.place(c.Platform)
	for i, id := range diffIDs {
		p.Layers[i].DiffID = id
	}
	var shown struct {
		Author scalar
		Config struct {
			Entrypoint, Cmd, Env         words
			User, WorkingDir, StopSignal scalar
			ExposedPorts, Volumes        names
			Labels                       pairs
		}
	}
	lenient.Decode(plaintext.UTF8(raw), &shown)
	r := shown.Config
	p.Config = &Config{
		Author: string(shown.Author), Entrypoint: r.Entrypoint, Cmd: r.Cmd, Env: r.Env, User: string(r.User),
		WorkingDir: string(r.WorkingDir), ExposedPorts: r.ExposedPorts, Volumes: r.Volumes, Labels: r.Labels,
		StopSignal: string(r.StopSignal),
	}
	if created := c.Created; created != (time.Time{}) {
		p.Config.Created = &created
	}
}

// scalar is a string, or the text of a number or truth value, as some tools write where a string belongs.
type scalar string

func (s *scalar) UnmarshalJSON(raw []byte) error {
	var v any
	switch _ = json.Unmarshal(raw, &v); v := v.(type) {
	case string:
		*s = scalar(v)
	case float64, bool:
		*s = scalar(raw)
	}
	return nil
}

// words is a command line. Old images give a bare string, which means a list of one.
type words []string

func (w *words) UnmarshalJSON(raw []byte) error {
	var list []scalar
	var one scalar
	if json.Unmarshal(raw, &list) != nil && json.Unmarshal(raw, &one) == nil && one != "" {
		list = []scalar{one}
	}
	*w = nil
	for _, s := range list {
		*w = append(*w, string(s))
	}
	return nil
}

// names are the keys of an object, sorted.
type names []string

func (n *names) UnmarshalJSON(raw []byte) error {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m)
	*n = slices.Sorted(maps.Keys(m))
	return nil
}

type pairs map[string]string

func (p *pairs) UnmarshalJSON(raw []byte) error {
	var m map[string]scalar
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil
	}
	*p = pairs{}
	for k, v := range m {
		(*p)[k] = string(v)
	}
	return nil
}
