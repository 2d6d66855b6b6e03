//go:build linux

package crash

import (
	"bytes"
	"compress/gzip"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// dockerOrder is a docker tar of an image, in the order in which docker writes it: what describes the layers
// stands behind them.
func dockerOrder(name string, sizes ...int) []byte {
	config := v1.Image{Platform: platform, RootFS: v1.RootFS{Type: "layers"}}
	saved := imagetest.Saved{Names: []string{"docker.io/library/" + name + ":1"}}
	for _, l := range layers(name, sizes...) {
		r, err := gzip.NewReader(bytes.NewReader(l.Content))
		if err != nil {
			panic(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			panic(err)
		}
		saved.Layers = append(saved.Layers, plain)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	saved.Config = imagetest.Encode(config)
	return imagetest.Pack(imagetest.Entries(saved)...)
}
