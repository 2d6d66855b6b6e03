// Package lenient reads JSON where only a part matters. [Decode] takes what has the wanted type and leaves
// out the rest. [Text] and [Value] do that for one field of a document that json.Unmarshal reads. A
// [Descriptor] is strict about what bytes are found and checked by, and lenient about the rest.
//
// All documents have been bounded before.
package lenient

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/verify"
)

// Decode reads raw into what v points to, as json.Unmarshal does, with three differences. What is of another
// type than the one wanted is left out. Of keys that differ only in case the exact one counts, and of equal
// ones the last. Decode does not fail: of bytes that are no JSON it reads nothing.
func Decode(raw []byte, v any) {
	if json.Unmarshal(raw, v) != nil || jsonkeys.Unique(raw) != nil {
		decode(raw, reflect.ValueOf(v).Elem())
	}
}

// decode goes no deeper than the type of v.
func decode(raw []byte, v reflect.Value) {
	v.SetZero()
	if _, own := v.Addr().Interface().(json.Unmarshaler); own {
		whole(raw, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(raw, &fields)
		decodeFields(fields, v)
	case reflect.Pointer:
		if string(raw) != "null" {
			v.Set(reflect.New(v.Type().Elem()))
			decode(raw, v.Elem())
		}
	case reflect.Map:
		var values map[string]json.RawMessage
		if json.Unmarshal(raw, &values) != nil || values == nil {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for k, one := range values {
			value := reflect.New(v.Type().Elem())
			if json.Unmarshal(one, value.Interface()) == nil {
				v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), value.Elem())
			}
		}
	case reflect.Slice:
		decodeList(raw, v)
	default:
		whole(raw, v)
	}
}

// whole takes raw if all of it is of the type of v.
func whole(raw []byte, v reflect.Value) {
	if json.Unmarshal(raw, v.Addr().Interface()) != nil {
		v.SetZero()
	}
}

func decodeFields(fields map[string]json.RawMessage, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			decodeFields(fields, v.Field(i))
			continue
		case name == "":
			name = f.Name
		}
		if raw, ok := find(fields, name); ok && f.IsExported() {
			decode(raw, v.Field(i))
		}
	}
}

// find returns the field of a name, or else one whose name differs only in case.
func find(fields map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if raw, ok := fields[name]; ok {
		return raw, true
	}
	var like []string
	for k := range fields {
		if strings.EqualFold(k, name) {
			like = append(like, k)
		}
	}
	if len(like) == 0 {
		return nil, false
	}
	return fields[slices.Min(like)], true
}

// decodeList keeps the places of a list: what is of another type is zero.
func decodeList(raw []byte, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		whole(raw, v)
		return
	}
	var values []json.RawMessage
	if json.Unmarshal(raw, &values) != nil || values == nil {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
	for i, one := range values {
		decode(one, v.Index(i))
	}
}

// Text is a string, or empty where the document has something else.
type Text string

// UnmarshalJSON implements json.Unmarshaler. It does not fail.
func (t *Text) UnmarshalJSON(raw []byte) error {
	*t = ""
	_ = json.Unmarshal(raw, (*string)(t)) // empty then
	return nil
}

// Value is as much of a T as the document has.
type Value[T any] struct{ V T }

// UnmarshalJSON implements json.Unmarshaler. It does not fail.
func (v *Value[T]) UnmarshalJSON(raw []byte) error {
	Decode(raw, &v.V)
	return nil
}

// Descriptor is a descriptor (https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md). Its
// media type, digest and size have to be of the right types. A missing size is [verify.NoSize].
type Descriptor v1.Descriptor

// UnmarshalJSON implements json.Unmarshaler.
func (d *Descriptor) UnmarshalJSON(raw []byte) error {
	if *d = (Descriptor{Size: verify.NoSize}); json.Unmarshal(raw, (*v1.Descriptor)(d)) == nil {
		d.share()
		return nil // as nearly all
	}
	var found struct {
		MediaType    string                   `json:"mediaType"`
		Digest       digest.Digest            `json:"digest"`
		Size         int64                    `json:"size"`
		URLs         Value[[]string]          `json:"urls"`
		Annotations  Value[map[string]string] `json:"annotations"`
		Data         Value[[]byte]            `json:"data"`
		Platform     Value[*v1.Platform]      `json:"platform"`
		ArtifactType Text                     `json:"artifactType"`
	}
	found.Size = verify.NoSize
	if err := json.Unmarshal(raw, &found); err != nil {
		return err
	}
	*d = Descriptor{
		MediaType: found.MediaType, Digest: found.Digest, Size: found.Size, URLs: found.URLs.V,
		Annotations: found.Annotations.V, Data: found.Data.V, Platform: found.Platform.V,
		ArtifactType: string(found.ArtifactType),
	}
	return nil
}

// Descriptors are those of a list.
func Descriptors(all []Descriptor) []v1.Descriptor {
	if all == nil {
		return nil
	}
	list := make([]v1.Descriptor, len(all))
	for i, d := range all {
		list[i] = v1.Descriptor(d)
	}
	return list
}
