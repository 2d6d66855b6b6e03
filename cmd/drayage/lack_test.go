package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/image"
)

// packedFile is a file of a tar.
type packedFile struct {
	header *tar.Header
	body   []byte
}

// lack IN OUT WHAT... copies an OCI tar of one image without some of it: a file, such as manifest.json, the
// manifest of a platform, such as linux/amd64, or the last layer of one, such as layer:linux/amd64, or just
// layer where there is no index.
func lack(ts *testscript.TestScript, _ bool, args []string) {
	files := map[string]packedFile{}
	var names []string
	r := tar.NewReader(strings.NewReader(ts.ReadFile(args[0])))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		body, err := io.ReadAll(r)
		ts.Check(err)
		names, files[h.Name] = append(names, h.Name), packedFile{h, body}
	}
	for _, what := range args[2:] {
		if _, ok := files[what]; ok {
			delete(files, what)
			continue
		}
		delete(files, blobNamed(ts, files, what))
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range names {
		if f, ok := files[n]; ok {
			ts.Check(w.WriteHeader(f.header))
			_, err := w.Write(f.body)
			ts.Check(err)
		}
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o644))
}

// blobNamed is the name of the blob that the last argument of lack means.
func blobNamed(ts *testscript.TestScript, files map[string]packedFile, what string) string {
	name := func(d v1.Descriptor) string { return "blobs/sha256/" + d.Digest.Encoded() }
	read := func(file string, v any) {
		f, ok := files[file]
		if !ok {
			ts.Fatalf("%s is not there", file)
		}
		ts.Check(json.Unmarshal(f.body, v))
	}
	var index v1.Index
	read("index.json", &index)
	d := index.Manifests[0]
	kind, want, nested := strings.Cut(what, ":")
	if kind != "layer" {
		want, nested = what, true
	}
	if nested {
		read(name(d), &index)
		found := false
		for _, c := range index.Manifests {
			if c.Platform != nil && image.FormatPlatform(*c.Platform) == want {
				d, found = c, true
			}
		}
		if !found {
			ts.Fatalf("no manifest for %s", want)
		}
	}
	if kind != "layer" {
		return name(d)
	}
	var m v1.Manifest
	read(name(d), &m)
	return name(m.Layers[len(m.Layers)-1])
}
