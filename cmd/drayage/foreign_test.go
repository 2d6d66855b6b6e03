package main

import (
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// fillForeign puts in win:1, whose lowest layer only the other registry has, and built:1, an index of two
// platforms with an attestation for each.
func fillForeign(r, elsewhere *fakeregistry.Registry, url string) {
	base := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"windows": "not ours"}))
	d := elsewhere.PutBlob("layers", base.Content)
	base.MediaType, base.URLs = image.DockerForeign+".gzip",
		[]string{url + "/v2/layers/blobs/" + d.Digest.String()}
	top := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"top": "ours"}))
	r.PutImage("win", "1", fakeregistry.Image{Docker: true, Layers: []fakeregistry.Layer{base, top}})

	var children []v1.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		im := r.PutImage("built", "", fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: arch},
			Layers: []fakeregistry.Layer{top}})
		unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
		about := r.PutImage("built", "", fakeregistry.Image{Platform: unknown,
			Labels: map[string]string{"about": arch}})
		about.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest",
			"vnd.docker.reference.digest": im.Digest.String()}
		children = append(children, im, about)
	}
	r.PutIndex("built", "1", false, children...)
}

// rmForeign LAYOUT removes the foreign layer of win:1 from a layout.
func rmForeign(ts *testscript.TestScript, _ bool, args []string) {
	content := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"windows": "not ours"})).Content
	ts.Check(os.Remove(ts.MkAbs(args[0] + "/blobs/sha256/" + digest.FromBytes(content).Encoded())))
}
