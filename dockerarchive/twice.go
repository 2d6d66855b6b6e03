package dockerarchive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// checkKeys refuses a JSON document in which a key stands twice in one object, also in another case: of two, readers take the one or
// the other. The document must be valid JSON.
func checkKeys(what string, raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []*level
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return wrongf("%s: %v", what, err)
		}
		var top *level
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				top.value()
				open = append(open, &level{object: t == '{', key: true})
			} else {
				open = open[:len(open)-1]
			}
			continue
		case string:
			if top != nil && top.object && top.key {
				if err := top.enter(t); err != nil {
					return wrongf("%s %v", what, err)
				}
				continue
			}
		}
		top.value()
	}
}

// level is an object or list that has been opened.
type level struct {
	object bool
	key    bool // a key comes next
	keys   map[string]bool
}

// enter notes a key.
func (l *level) enter(key string) error {
	folded := strings.ToLower(strings.ToUpper(key)) // as encoding/json folds: the long s is an s
	if l.keys[folded] {
		return fmt.Errorf("is ambiguous: %q stands twice in one object", key)
	}
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	l.keys[folded], l.key = true, false
	return nil
}

// value notes that the value of a key has come. The level nil is outside of everything.
func (l *level) value() {
	if l != nil {
		l.key = true
	}
}
