package upload

import (
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/pack"
)

// Compression says how layers of docker tars are sent that are not compressed yet. The same layer gets the
// same digest on every machine, however many processors work on it. The zero value is gzip at its default
// level.
type Compression struct {
	Kind  string // "gzip", "zstd" or "none"; empty means gzip
	Level int    // gzip 1 to 9, zstd 1 to 22; 0 means the default of the kind
}

const (
	// defaultGzip makes blobs some percent larger than level 6 in four fifths of the time; defaultZstd makes
	// smaller ones in half of it. Level 3 of zstd makes blobs another twentieth smaller, in almost twice the
	// time.
	defaultGzip = 4
	defaultZstd = 1

	gzipBlock  = 1 << 20
	zstdWindow = 512 << 10
)

// slots bounds the layers that are compressed at once. Each is spread over all processors already: with gzip
// two keep them busy while one waits for the network, with zstd one does, and two would hold too much memory.
func (c Compression) slots() chan struct{} {
	if c.kind() == compression.Zstd {
		return make(chan struct{}, 1)
	}
	return make(chan struct{}, 2)
}

// Check returns an error if there is no such compression.
func (c Compression) Check() error {
	most := map[string]int{compression.Gzip: 9, compression.Zstd: 22, compression.None: 0}
	top, known := most[c.kind()]
	switch {
	case !known:
		return fmt.Errorf("layers cannot be compressed with %q, only with gzip, zstd or none", c.Kind)
	case c.Level < 0 || c.Level > top:
		return fmt.Errorf("%s has no compression level %d: they go from 1 to %d", c.kind(), c.Level, top)
	}
	return nil
}

func (c Compression) kind() string {
	if c.Kind == "" {
		return compression.Gzip
	}
	return c.Kind
}

func (c Compression) level() int {
	if c.Level == 0 && c.kind() == compression.Zstd {
		return defaultZstd
	}
	if c.Level == 0 {
		return defaultGzip
	}
	return c.Level
}

// method names what decides the bytes of a compressed layer, for the cache.
func (c Compression) method() string {
	switch c.kind() {
	case compression.Zstd:
		return fmt.Sprintf("zstd-%d-%dk", c.level(), zstdWindow>>10)
	case compression.None:
		return "none"
	}
	return fmt.Sprintf("pgzip-%d-%dk", c.level(), gzipBlock>>10)
}

// mediaType is Docker's for gzip, which every registry and engine knows, and OCI's for the others, for
// which Docker has none.
func (c Compression) mediaType() string {
	switch c.kind() {
	case compression.Zstd:
		return v1.MediaTypeImageLayerZstd
	case compression.None:
		return v1.MediaTypeImageLayer
	}
	return image.DockerLayer
}

// writer compresses into w. Its Close does not close w.
func (c Compression) writer(e *pack.Encoders, w io.Writer) (io.WriteCloser, error) {
	switch c.kind() {
	case compression.Zstd:
		return e.NewZstd(w, c.level(), zstdWindow)
	case compression.None:
		return uncompressed{w}, nil
	}
	return pack.NewGzip(w, c.level(), gzipBlock)
}

type uncompressed struct{ io.Writer }

func (uncompressed) Close() error { return nil }
