// Package dockerv1 knows the JSON that described one layer in Docker's first image format. Schema 1 manifests
// and the layer directories of docker tars still have it. [Image] is that JSON as Docker's daemon reads and
// writes it. [Image.History] and [Config] make the parts of an image configuration of it.
package dockerv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/lenient"
)

// Image is the JSON of one layer. Docker hashes it, so the fields, their order and what is left out when
// empty are part of the format (https://github.com/moby/moby/blob/v20.10.27/image/image.go).
type Image struct {
	ID              string           `json:"id,omitempty"`
	Parent          string           `json:"parent,omitempty"`
	Comment         string           `json:"comment,omitempty"`
	Created         time.Time        `json:"created"`
	Container       string           `json:"container,omitempty"`
	ContainerConfig ContainerConfig  `json:"container_config"`
	DockerVersion   string           `json:"docker_version,omitempty"`
	Author          string           `json:"author,omitempty"`
	Config          *ContainerConfig `json:"config,omitempty"`
	Architecture    string           `json:"architecture,omitempty"`
	Variant         string           `json:"variant,omitempty"`
	OS              string           `json:"os,omitempty"`
	Size            int64            `json:",omitempty"`
}

// Parse reads the JSON of one layer. ID and parent have to be right, all else is left out where it has
// another type than it should.
func Parse(raw []byte) (Image, error) {
	var im Image
	var needed *struct {
		ID     string `json:"id"`
		Parent string `json:"parent"`
	}
	if err := json.Unmarshal(raw, &needed); err != nil {
		return im, err
	}
	if needed == nil {
		return im, errors.New("there is none")
	}
	lenient.Decode(raw, &im)
	return im, nil
}

// ContainerConfig says how to run a container of an image, or how the build ran one.
type ContainerConfig struct {
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
	Cmd             Words
	Healthcheck     *Healthcheck `json:",omitempty"`
	ArgsEscaped     bool         `json:",omitempty"`
	Image           string
	Volumes         map[string]struct{}
	WorkingDir      string
	Entrypoint      Words
	NetworkDisabled bool   `json:",omitempty"`
	MacAddress      string `json:",omitempty"`
	OnBuild         []string
	Labels          map[string]string
	StopSignal      string `json:",omitempty"`
	StopTimeout     *int   `json:",omitempty"`
	Shell           Words  `json:",omitempty"`
}

// Healthcheck is the test that tells whether a container works.
type Healthcheck struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// Words is a command line. Old configurations give it as one string.
type Words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Words) UnmarshalJSON(raw []byte) error {
	list := []string{}
	if json.Unmarshal(raw, &list) == nil {
		*w = list
		return nil
	}
	var one string
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	*w = Words{one}
	return nil
}

// History is an entry in the history of an image configuration. The fields stand in Docker's order, not in
// that of the OCI specification: the image ID is a hash over them.
type History struct {
	Created    time.Time `json:"created"`
	Author     string    `json:"author,omitempty"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

// History is the entry of this layer in the history of an image.
func (im Image) History(empty bool) History {
	return History{
		Created:    im.Created,
		Author:     im.Author,
		CreatedBy:  strings.Join(im.ContainerConfig.Cmd, " "),
		Comment:    im.Comment,
		EmptyLayer: empty,
	}
}

// ofLayer are the fields that describe the layer and not the image.
var ofLayer = []string{"id", "parent", "Size", "parent_id", "layer_id", "throwaway"}

// Config makes the configuration of an image from the JSON of its top layer, as Docker does, so that the
// image gets the same image ID. history and diffIDs begin at the base. All other fields of the JSON stay,
// sorted.
func Config(top []byte, history []History, diffIDs []digest.Digest) ([]byte, error) {
	fields, err := fieldsOf(top)
	if err != nil {
		return nil, fmt.Errorf("description of the top layer: %v", err)
	}
	for _, name := range ofLayer {
		delete(fields, name)
	}
	rootfs := struct {
		Type    string          `json:"type"`
		DiffIDs []digest.Digest `json:"diff_ids,omitempty"`
	}{"layers", diffIDs}
	if fields["rootfs"], err = json.Marshal(rootfs); err != nil {
		return nil, err
	}
	if fields["history"], err = json.Marshal(history); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// fieldsOf are the fields of a description that Docker keeps.
func fieldsOf(top []byte) (map[string]json.RawMessage, error) {
	im, err := Parse(top)
	if err != nil {
		return nil, err
	}
	// What Docker would not read stays as it is: nothing is to get lost of how the image runs.
	if json.Unmarshal(top, new(Image)) == nil && before(im.DockerVersion, firstExact) {
		if top, err = json.Marshal(im); err != nil {
			return nil, err
		}
	}
	var fields map[string]json.RawMessage
	err = json.Unmarshal(top, &fields)
	return fields, err
}

// firstExact is the first Docker that kept unknown fields in a description. Descriptions of older versions
// keep only the known fields.
const firstExact = "1.8.3"

// before compares versions number by number. What is no number counts as 0: an absent version is the oldest.
func before(a, b string) bool {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		n, _ := strconv.Atoi(x)
		m, _ := strconv.Atoi(y)
		if n != m {
			return n < m
		}
	}
	return false
}
