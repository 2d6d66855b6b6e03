package imagesign

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"drayage/internal/jsonkeys"
)

// object is a JSON object as it stands: its keys are told apart by case, and none stands twice.
type object map[string]json.RawMessage

// parse reads a JSON document that is an object.
func parse(raw []byte) (object, error) {
	if err := jsonkeys.Bounded(raw); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil || o == nil {
		return nil, errors.New("no JSON object")
	}
	if err := jsonkeys.UniqueNames(raw); err != nil {
		return nil, err
	}
	return o, nil
}

// has reports whether a key stands in the object with a value.
func (o object) has(key string) bool { return len(o[key]) > 0 && string(o[key]) != "null" }

// object is the object under a key; empty if there is none.
func (o object) object(key string) object {
	var found object
	_ = json.Unmarshal(o[key], &found)
	return found
}

// text is the text under a key; empty if there is none.
func (o object) text(key string) string {
	var found string
	_ = json.Unmarshal(o[key], &found)
	return found
}

// list is the list of objects under a key.
func (o object) list(key string) (all []object, err error) {
	if err := json.Unmarshal(o[key], &all); err != nil {
		return nil, fmt.Errorf("%q is no list", key)
	}
	return all, nil
}

// bytes are those under a key, in any of the four forms of base64 that JSON of protocol buffers may have.
func (o object) bytes(key string) ([]byte, error) {
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(o.text(key), "="))
	p, err := base64.RawStdEncoding.DecodeString(plain)
	if err == nil && len(p) == 0 {
		err = errors.New("empty")
	} else if err != nil {
		err = errors.New("no base64")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is %v", key, err)
	}
	return p, nil
}
