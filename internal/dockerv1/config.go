package dockerv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// History is an entry in the history of an image configuration. The fields stand in Docker's order, which is
// not that of the OCI specification: the image ID is a hash over them.
type History struct {
	Created    time.Time `json:"created"`
	Author     string    `json:"author,omitempty"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

// History returns the entry for this layer in the history of its image.
func (im Image) History(empty bool) History {
	return History{
		Created:    im.Created,
		Author:     im.Author,
		CreatedBy:  strings.Join(im.ContainerConfig.Cmd, " "),
		Comment:    im.Comment,
		EmptyLayer: empty,
	}
}

// ofLayer lists the fields that say something about the layer and nothing about the image.
var ofLayer = []string{"id", "parent", "Size", "parent_id", "layer_id", "throwaway"}

// Config makes the configuration of an image from the JSON of its top layer, as Docker does. So the image ID
// is the one that Docker gives it. history and diffIDs begin at the base. All other fields of the JSON stay,
// with their keys in order.
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

// fieldsOf returns the fields of a description that Docker keeps.
func fieldsOf(top []byte) (map[string]json.RawMessage, error) {
	var im *Image
	if err := json.Unmarshal(top, &im); err != nil {
		return nil, err
	}
	if im == nil {
		return nil, errors.New("there is none")
	}
	if before(im.DockerVersion, firstExact) {
		var err error
		if top, err = json.Marshal(im); err != nil {
			return nil, err
		}
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(top, &fields)
	return fields, err
}

// firstExact is the first version of Docker that kept unknown fields of a description. Of descriptions by
// older versions only the known fields stay.
const firstExact = "1.8.3"

// before compares versions number by number. What is no number counts as 0, so that an absent version is the
// oldest.
func before(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if x, y := number(as, i), number(bs, i); x != y {
			return x < y
		}
	}
	return false
}

func number(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, _ := strconv.Atoi(parts[i])
	return n
}
