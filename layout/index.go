package layout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// index is index.json with everything in it that other tools have put there.
type index struct {
	fields  map[string]json.RawMessage // all but manifests
	entries []entry
}

// entry is a descriptor with its original bytes.
type entry struct {
	raw  json.RawMessage
	desc v1.Descriptor
}

func (e entry) image() Image {
	im := Image{Descriptor: e.desc, Name: e.desc.Annotations[AnnotationName], Ref: e.desc.Annotations[v1.AnnotationRefName]}
	if im.Name == "" && strings.ContainsAny(im.Ref, "/") {
		im.Name = im.Ref // podman, skopeo and others put the full name there
	}
	im.Descriptor.Annotations = nil
	return im
}

// emptyIndex is what a layout starts with.
func emptyIndex() *index {
	return &index{fields: map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"),
		"mediaType":     json.RawMessage(`"` + v1.MediaTypeImageIndex + `"`),
	}}
}

func parseIndex(raw []byte) (*index, error) {
	ix := &index{}
	if err := json.Unmarshal(raw, &ix.fields); err != nil {
		return nil, fmt.Errorf("index.json is damaged: %v", err)
	}
	if ix.fields == nil {
		return nil, fmt.Errorf("index.json is damaged: it is %.20q", raw)
	}
	var raws []json.RawMessage
	if m, ok := ix.fields["manifests"]; ok {
		if err := json.Unmarshal(m, &raws); err != nil {
			return nil, fmt.Errorf("index.json is damaged: manifests: %v", err)
		}
	}
	delete(ix.fields, "manifests")
	for i, r := range raws {
		e := entry{raw: r}
		if err := json.Unmarshal(r, &e.desc); err != nil {
			return nil, fmt.Errorf("index.json is damaged: entry %d: %v", i, err)
		}
		ix.entries = append(ix.entries, e)
	}
	return ix, nil
}

// set makes name, and tag if not empty, refer to d, and returns what name referred to before. An entry
// of the same name is replaced; all others stay as they are. Entries are kept sorted by name, so that the order
// in which images arrive does not show.
func (ix *index) set(d v1.Descriptor, name, tag string) (old v1.Descriptor, changed bool, err error) {
	d.Annotations = map[string]string{AnnotationName: name}
	if tag != "" {
		d.Annotations[v1.AnnotationRefName] = tag
	}
	d.Platform = nil
	raw, err := json.Marshal(d)
	if err != nil {
		return old, false, err
	}
	for i, e := range ix.entries {
		if e.desc.Annotations[AnnotationName] != name {
			continue
		}
		if old = e.desc; bytes.Equal(e.raw, raw) || e.desc.Digest == d.Digest {
			return old, false, nil
		}
		ix.entries[i] = entry{raw, d}
		return old, true, nil
	}
	ix.entries = append(ix.entries, entry{raw, d})
	slices.SortStableFunc(ix.entries, func(a, b entry) int {
		return strings.Compare(a.desc.Annotations[AnnotationName], b.desc.Annotations[AnnotationName])
	})
	return old, true, nil
}

func (ix *index) marshal() ([]byte, error) {
	doc := map[string]any{}
	for k, v := range ix.fields {
		doc[k] = v
	}
	raws := []json.RawMessage{}
	for _, e := range ix.entries {
		raws = append(raws, e.raw)
	}
	doc["manifests"] = raws
	return json.Marshal(doc)
}
