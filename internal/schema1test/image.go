// Package schema1test makes images in Docker's schema 1
// (https://distribution.github.io/distribution/spec/manifest-v2-1/) for tests: no current tool makes any.
// Fill an Image, and sign its Payload with a Signer.
package schema1test

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// EmptyBlob is what Docker stored for a layer without files: the end of a tar, compressed by an early gzip of
// Go.
var EmptyBlob = []byte(
	"\x1f\x8b\x08\x00\x00\x09\x6e\x88\x00\xff\x62\x18\x05\xa3\x60\x14\x8c\x58\x00\x08\x00\x00" +
		"\xff\xff\x2e\xaf\xb5\xef\x00\x04\x00\x00")

// Image is an image. The zero value of a field is written as it is.
type Image struct {
	Name, Tag, Architecture string
	Layers                  []Layer // base first
}

// Layer is a layer with the fields of its description. An id is added unless it is among them, and so is the
// parent, which is the id of the layer below. A field that is nil is left out.
type Layer struct {
	Blob   digest.Digest
	Fields map[string]any
}

// ID is the id of the layer at i, counted from the base, unless its fields have one.
func ID(i int) string { return digest.FromString(string(rune('a' + i))).Encoded() }

// Payload is the manifest without signatures, as the reference registry writes it.
func (im Image) Payload() []byte {
	type blob struct {
		BlobSum digest.Digest `json:"blobSum"`
	}
	type history struct {
		V1Compatibility string `json:"v1Compatibility"`
	}
	doc := struct {
		SchemaVersion int       `json:"schemaVersion"`
		Name          string    `json:"name"`
		Tag           string    `json:"tag"`
		Architecture  string    `json:"architecture"`
		FSLayers      []blob    `json:"fsLayers"`
		History       []history `json:"history"`
	}{SchemaVersion: 1, Name: im.Name, Tag: im.Tag, Architecture: im.Architecture}
	var parent any
	for i, l := range im.Layers {
		fields := map[string]any{"id": ID(i), "parent": parent}
		maps.Copy(fields, l.Fields)
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
		parent = fields["id"]
		raw, err := json.Marshal(fields)
		must(err)
		doc.FSLayers = append(doc.FSLayers, blob{l.Blob})
		doc.History = append(doc.History, history{string(raw)})
	}
	slices.Reverse(doc.FSLayers)
	slices.Reverse(doc.History)
	raw, err := json.MarshalIndent(doc, "", "   ")
	must(err)
	return raw
}

// must is for what can fail only by a mistake in a test.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
