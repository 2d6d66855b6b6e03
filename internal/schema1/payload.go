package schema1

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drayage/image"
)

// Payload returns the part of a schema 1 manifest that its digest covers: all but the signatures
// (https://distribution.github.io/distribution/spec/json/). A manifest without signatures is its own payload.
// Payload does not check the signatures: nobody has ever published whose keys to trust.
func Payload(raw []byte) ([]byte, error) {
	if len(raw) > image.MaxManifestSize {
		return nil, fmt.Errorf("schema 1 manifest of %d bytes: more than the %d that are accepted",
			len(raw), image.MaxManifestSize)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("schema 1 manifest is not valid JSON: %v", err)
	}
	list, signed := fields["signatures"]
	if !signed {
		return raw, nil
	}
	var signatures []struct {
		Protected string `json:"protected"`
	}
	if err := json.Unmarshal(list, &signatures); err != nil {
		return nil, fmt.Errorf("signatures of the schema 1 manifest: %v", err)
	}
	if len(signatures) == 0 {
		return nil, errors.New("schema 1 manifest has an empty list of signatures")
	}
	var first cut
	for i, s := range signatures {
		c, err := parseCut(s.Protected)
		if err != nil {
			return nil, fmt.Errorf("signature of the schema 1 manifest: %v", err)
		}
		if i == 0 {
			first = c
		} else if c.length != first.length || !bytes.Equal(c.tail, first.tail) {
			return nil, errors.New("the signatures of the schema 1 manifest are not of the same payload")
		}
	}
	return first.of(raw)
}

// cut says what the payload consists of: the first length bytes of the signed manifest, and then tail.
type cut struct {
	length int
	tail   []byte
}

// parseCut reads the protected header of a signature.
func parseCut(protected string) (cut, error) {
	var header struct {
		FormatLength int    `json:"formatLength"`
		FormatTail   string `json:"formatTail"`
	}
	raw, err := decode(protected)
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	if err != nil {
		return cut{}, fmt.Errorf("protected header: %v", err)
	}
	tail, err := decode(header.FormatTail)
	if err != nil {
		return cut{}, fmt.Errorf("tail of the payload: %v", err)
	}
	return cut{header.FormatLength, tail}, nil
}

func (c cut) of(raw []byte) ([]byte, error) {
	if c.length <= 0 || c.length > len(raw) || c.length+len(c.tail) > image.MaxManifestSize {
		const format = "schema 1 manifest of %d bytes: its signatures are of its first %d bytes and %d others"
		return nil, fmt.Errorf(format, len(raw), c.length, len(c.tail))
	}
	return slices.Concat(raw[:c.length], c.tail), nil
}

// decode reads base64 with or without padding.
func decode(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
