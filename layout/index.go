package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// index is index.json, with everything in it that other tools have put there.
type index struct {
	fields  map[string]json.RawMessage // all but manifests
	entries []entry
	at      map[string][]int // where entries with a name are, and referrers: see [index.find]; nil: not known
	added   bool             // the entries are not in their order
	raw     []byte           // what was read or has been made
}

// entry is a descriptor with its original bytes, if it has any.
type entry struct {
	raw  json.RawMessage
	desc v1.Descriptor
	keys []string // of [index.find], once it has been asked for them
	gone bool     // it is not written
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
	raw, err := readFile(fsys, v1.ImageIndexFile, limits.IndexJSON)
	if errors.Is(err, errNotRegular) {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("index.json, which lists the images of the layout: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return parseIndex(raw)
}

// withinLimits is for those who read index.json and for those who write it.
func withinLimits(parts ...[]byte) error {
	bytes, values := 0, 0
	for _, raw := range parts {
		bytes += len(raw)
	}
	if bytes > limits.IndexJSON {
		return fmt.Errorf("index.json has %d bytes, more than the %d that are accepted", bytes, limits.IndexJSON)
	}
	if bytes < 2*limits.IndexValues { // each value takes two bytes at least
		return nil
	}
	for _, raw := range parts {
		values += jsonkeys.Values(raw)
	}
	if values > limits.IndexValues {
		return fmt.Errorf("index.json has %d values, more than the %d that are accepted", values,
			limits.IndexValues)
	}
	return nil
}

func parseIndex(raw []byte) (*index, error) {
	ix := &index{fields: map[string]json.RawMessage{}, raw: raw}
	raw = plaintext.UTF8(raw)
	if err := withinLimits(raw); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, new(skipped)); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if err := jsonkeys.UniqueRead(raw); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, _ := dec.Token(); open != json.Delim('{') {
		return nil, fmt.Errorf("%w: it is %.20q", ErrDamaged, raw)
	}
	for dec.More() {
		token, _ := dec.Token()
		switch key := token.(string); {
		case key == "manifests":
			if err := ix.parseEntries(dec, raw); err != nil {
				return nil, err
			}
		case strings.EqualFold(key, "manifests"): // some readers would take it for that
			return nil, fmt.Errorf("%w: it has %q in place of \"manifests\"", ErrDamaged, key)
		default:
			ix.fields[key] = value(dec, raw)
		}
	}
	return ix, nil
}

// parseEntries reads the list of entries.
func (ix *index) parseEntries(dec *json.Decoder, raw []byte) error {
	open, _ := dec.Token()
	if open == nil { // null
		return nil
	}
	if open != json.Delim('[') {
		return fmt.Errorf("%w: manifests is not a list", ErrDamaged)
	}
	for dec.More() {
		e := entry{raw: value(dec, raw)}
		if string(e.raw) == "null" { // nothing, as in every list
			continue
		}
		if err := json.Unmarshal(e.raw, (*lenient.Descriptor)(&e.desc)); err != nil {
			return fmt.Errorf("%w: entry %d: %v", ErrDamaged, len(ix.entries), err)
		}
		ix.entries = append(ix.entries, e)
	}
	_, err := dec.Token()
	return err
}

// value is the next value that dec reads from raw, which is valid. It is not copied.
func value(dec *json.Decoder, raw []byte) json.RawMessage {
	var v skipped
	_ = dec.Decode(&v)
	end := dec.InputOffset()
	return raw[end-int64(v) : end : end]
}

// skipped is the length of a value.
type skipped int64

func (s *skipped) UnmarshalJSON(v []byte) error {
	*s = skipped(len(v))
	return nil
}

// marshal returns the index as it is to be written.
func (ix *index) marshal() ([]byte, error) {
	ix.sort()
	fields := maps.Clone(ix.fields)
	fields["manifests"] = nil
	size, err := ix.encode()
	if err != nil {
		return nil, err
	}
	for name, value := range ix.fields {
		size += 6*len(name) + len(value) + 4
	}
	b := bytes.NewBuffer(make([]byte, 0, size+64))
	b.WriteByte('{')
	ends := make([]int, len(ix.entries))
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		b.Write(append(key, ':'))
		if name != "manifests" {
			b.Write(fields[name])
		} else {
			ix.writeEntries(b, ends)
		}
	}
	b.WriteByte('}')
	ix.raw = b.Bytes()
	for i := range ix.entries { // so that what was read before is held no longer
		e := &ix.entries[i]
		e.raw = ix.raw[ends[i]-len(e.raw) : ends[i] : ends[i]]
	}
	return ix.raw, nil
}

// encode makes the bytes of new entries, and returns how many those of all have with commas. Those that were
// read keep their bytes, because they may have fields that desc does not know.
func (ix *index) encode() (size int, err error) {
	for i := range ix.entries {
		e := &ix.entries[i]
		if e.raw == nil {
			if e.raw, err = json.Marshal(e.desc); err != nil {
				return 0, err
			}
		}
		size += len(e.raw) + 1
	}
	return size, nil
}

// writeEntries writes the list of entries, and notes where each one ends.
func (ix *index) writeEntries(b *bytes.Buffer, ends []int) {
	b.WriteByte('[')
	for i := range ix.entries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(ix.entries[i].raw)
		ends[i] = b.Len()
	}
	b.WriteByte(']')
}
