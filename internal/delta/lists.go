package delta

import (
	"encoding/json"
	"fmt"

	"drayage/internal/limits"
)

// names, blobs, layers and bases are lists of a document. Their elements are counted before there is room for
// them: an empty one takes two bytes in the document, and much more in memory.
type (
	names  []string
	blobs  []Blob
	layers []Rebuilt
	bases  []Base
)

func (n *names) UnmarshalJSON(raw []byte) error {
	if err := bounded(raw, limits.Images, "images"); err != nil {
		return err
	}
	return json.Unmarshal(raw, (*[]string)(n))
}

func (b *blobs) UnmarshalJSON(raw []byte) error {
	if err := bounded(raw, limits.DeltaBlobs, "blobs"); err != nil {
		return err
	}
	return json.Unmarshal(raw, (*[]Blob)(b))
}

func (l *layers) UnmarshalJSON(raw []byte) error {
	if err := bounded(raw, limits.DeltaBlobs, "patches"); err != nil {
		return err
	}
	err := json.Unmarshal(raw, (*[]Rebuilt)(l))
	if len(*l) == 0 {
		*l = nil
	}
	return err
}

func (b *bases) UnmarshalJSON(raw []byte) error {
	if err := bounded(raw, limits.PatchBases, "bases of a layer"); err != nil {
		return err
	}
	return json.Unmarshal(raw, (*[]Base)(b))
}

func bounded(raw []byte, limit int, what string) error {
	if n := elements(raw); n > limit {
		return fmt.Errorf("it lists %d %s, more than the %d that are accepted", n, what, limit)
	}
	return nil
}

// elements counts those of a list of valid JSON.
func elements(raw []byte) (n int) {
	depth, empty := 0, true
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '[', '{':
			if depth++; depth > 1 {
				empty = false
			}
		case ']', '}':
			depth--
		case ',':
			if depth == 1 {
				n++
			}
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			empty = false
		case ' ', '\t', '\r', '\n':
		default:
			empty = false
		}
	}
	if empty {
		return 0
	}
	return n + 1
}
