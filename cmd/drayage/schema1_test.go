package main

import (
	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/internal/schema1test"
)

// fillOld puts in old:1, an image for amd64 in Docker's schema 1 of two layers and a step without files,
// and broken:1, one whose layer is not what it was when it was compressed.
func fillOld(r *fakeregistry.Registry) {
	layer := func(name string, cut int) schema1test.Layer {
		content := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{name: name})).Content
		blob := r.PutBlob(name, content[:len(content)-cut])
		return schema1test.Layer{Blob: blob.Digest, Fields: map[string]any{"os": "linux", "architecture": "amd64",
			"docker_version": "1.10.0"}}
	}
	put := func(name string, cut int) {
		empty := schema1test.Layer{Blob: digest.FromBytes(schema1test.EmptyBlob),
			Fields: map[string]any{"throwaway": true}}
		r.PutSchema1(name, "1", schema1test.Image{Name: name, Tag: "1", Architecture: "amd64",
			Layers: []schema1test.Layer{layer(name, 0), empty, layer(name, cut)}})
	}
	put("old", 0)
	put("broken", 9)
}
