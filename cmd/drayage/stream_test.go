package main

import (
	"archive/tar"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/internal/fakeregistry"
)

// putLarge REGISTRY puts large:1 and larger:1 into a registry in memory: images with layers that are too
// large to be held of a stream. They share one layer. Both are signed.
func putLarge(ts *testscript.TestScript, _ bool, args []string) {
	r := ts.Value(args[0]).(*fakeregistry.Registry)
	layer := func(seed byte) fakeregistry.Layer {
		content := make([]byte, 9<<20)
		rand.NewChaCha8([32]byte{seed}).Read(content)
		return fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": string(content)}))
	}
	shared, second, third := layer(1), layer(2), layer(3)
	for name, top := range map[string]fakeregistry.Layer{"large": second, "larger": third} {
		image := r.PutImage(name, "1", fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
			Layers: []fakeregistry.Layer{shared, top}})
		addSBOM(r, name, image)
	}
}

// tarEntry is an entry of a tar.
type tarEntry struct {
	header *tar.Header
	body   []byte
}

func readTar(ts *testscript.TestScript, file string) (all []tarEntry) {
	r := tar.NewReader(bytes.NewReader([]byte(ts.ReadFile(file))))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		ts.Check(err)
		body, err := io.ReadAll(r)
		ts.Check(err)
		all = append(all, tarEntry{h, body})
	}
}

func writeTar(ts *testscript.TestScript, file string, all []tarEntry) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range all {
		ts.Check(w.WriteHeader(e.header))
		_, err := w.Write(e.body)
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(file), b.Bytes(), 0o644))
}

// reverseTar FROM TO writes a tar with its entries in reverse order.
func reverseTar(ts *testscript.TestScript, _ bool, args []string) {
	all := readTar(ts, args[0])
	slices.Reverse(all)
	writeTar(ts, args[1], all)
}

// contradict FROM TO writes a tar whose last layer stands in it twice, with another content.
func contradict(ts *testscript.TestScript, _ bool, args []string) {
	all := readTar(ts, args[0])
	last := all[len(all)-1]
	body := bytes.Clone(last.body)
	body[1000] ^= 1
	writeTar(ts, args[1], append(all, tarEntry{last.header, body}))
}
