//go:build linux

package crash

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerOrder is a saved tar of an image, in the order in which docker writes it: what describes the layers
// stands behind them.
func dockerOrder(name string, sizes ...int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, content []byte) {
		must(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)),
			Format: tar.FormatUSTAR}))
		_, err := w.Write(content)
		must(err)
	}
	config := v1.Image{Platform: platform, RootFS: v1.RootFS{Type: "layers"}}
	var names []string
	for i, l := range layers(name, sizes...) {
		r, err := gzip.NewReader(bytes.NewReader(l.Content))
		must(err)
		plain, err := io.ReadAll(r)
		must(err)
		names = append(names, fmt.Sprintf("layer%d/layer.tar", i))
		put(names[i], plain)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	raw := encode(config)
	id := digest.FromBytes(raw).Encoded() + ".json"
	put(id, raw)
	put("manifest.json",
		encode([]map[string]any{{"Config": id, "RepoTags": []string{"docker.io/library/" + name + ":1"},
			"Layers": names}}))
	must(w.Close())
	return b.Bytes()
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

// must is for what can fail only by a mistake in a test.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
