package layout

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
)

// index is index.json, with everything in it that other tools have put there.
type index struct {
	fields  map[string]json.RawMessage // all but manifests
	entries []entry
}

// entry is a descriptor with its original bytes, if it has any.
type entry struct {
	raw  json.RawMessage
	desc v1.Descriptor
}

// MarshalJSON returns the original bytes, because they may have fields that desc does not know.
func (e entry) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return json.Marshal(e.desc)
}

// fullName returns s as the full name of an image. It returns nothing if s is no name: regctl writes
// ocidir://, other tools write whatever they were given.
func fullName(s string) string {
	ref, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return ""
	}
	return reference.TagNameOnly(ref).String()
}

// emptyIndex is what a layout starts with.
func emptyIndex() *index {
	return &index{fields: map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"),
		"mediaType":     json.RawMessage(`"` + v1.MediaTypeImageIndex + `"`),
	}}
}

func readIndex(fsys fs.FS) (*index, error) {
	raw, err := readFile(fsys, v1.ImageIndexFile, maxIndexSize)
	if err != nil {
		return nil, err
	}
	return parseIndex(raw)
}

// withinLimits is for those who read index.json and for those who write it.
func withinLimits(raw []byte) error {
	if len(raw) > maxIndexSize {
		return fmt.Errorf("index.json has %d bytes, more than the %d that are accepted", len(raw), maxIndexSize)
	}
	if n := jsonkeys.Values(raw); n > maxIndexValues {
		return fmt.Errorf("index.json has %d values, more than the %d that are accepted", n, maxIndexValues)
	}
	return nil
}

func parseIndex(raw []byte) (*index, error) {
	ix := &index{}
	if err := withinLimits(raw); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &ix.fields); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if ix.fields == nil {
		return nil, fmt.Errorf("%w: it is %.20q", ErrDamaged, raw)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	for k := range ix.fields {
		if k != "manifests" && strings.EqualFold(k, "manifests") { // some readers would take it for that
			return nil, fmt.Errorf("%w: it has %q in place of \"manifests\"", ErrDamaged, k)
		}
	}
	var raws []json.RawMessage
	if m, ok := ix.fields["manifests"]; ok {
		if err := json.Unmarshal(m, &raws); err != nil {
			return nil, fmt.Errorf("%w: manifests: %v", ErrDamaged, err)
		}
	}
	delete(ix.fields, "manifests")
	ix.entries = make([]entry, 0, len(raws))
	for i, r := range raws {
		e := entry{raw: r}
		if err := json.Unmarshal(r, &e.desc); err != nil {
			return nil, fmt.Errorf("%w: entry %d: %v", ErrDamaged, i, err)
		}
		ix.entries = append(ix.entries, e)
	}
	return ix, nil
}

// refer adds an entry without a name for a referrer of subject, unless there is one.
func (ix *index) refer(d v1.Descriptor, subject digest.Digest) (changed bool) {
	for _, e := range ix.entries {
		if e.desc.Digest == d.Digest && e.desc.Annotations[AnnotationSubject] == subject.String() {
			return false
		}
	}
	ix.add(v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType,
		Annotations: map[string]string{AnnotationSubject: subject.String()}})
	return true
}

// add adds an entry. Entries are sorted by name, and referrers without a name by their subject, so that the
// order in which images arrive does not show.
func (ix *index) add(d v1.Descriptor) {
	ix.entries = append(ix.entries, entry{desc: d})
	key := func(e entry) string {
		return e.desc.Annotations[AnnotationName] + " " + e.desc.Annotations[AnnotationSubject]
	}
	slices.SortStableFunc(ix.entries, func(a, b entry) int {
		if c := strings.Compare(key(a), key(b)); c != 0 || a.desc.Annotations[AnnotationSubject] == "" {
			return c
		}
		return strings.Compare(a.desc.Digest.String(), b.desc.Digest.String())
	})
}

// set makes name refer to d, and to tag unless that is empty. It returns what name referred to before. An
// entry of the same name is replaced; all others stay as they are.
func (ix *index) set(d v1.Descriptor, name, tag string) (old v1.Descriptor, changed bool) {
	d.Annotations = map[string]string{AnnotationName: name}
	if tag != "" {
		d.Annotations[v1.AnnotationRefName] = tag
	}
	d.Platform, d.Data = nil, nil
	for i, e := range ix.entries {
		if e.desc.Annotations[AnnotationName] != name {
			continue
		}
		if e.desc.Digest != d.Digest {
			ix.entries[i], changed = entry{desc: d}, true
		}
		return e.desc, changed
	}
	ix.add(d)
	return old, true
}

func (ix *index) marshal() ([]byte, error) {
	doc := map[string]any{"manifests": append([]entry{}, ix.entries...)} // an empty list, not null
	for k, v := range ix.fields {
		doc[k] = v
	}
	return json.Marshal(doc)
}
