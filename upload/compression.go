package upload

import (
	"cmp"
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

// format is what there is to know of a kind of compression.
type format struct {
	level, most int    // the default level and the highest one
	slots       int    // how many layers are compressed at once
	mediaType   string // Docker's where Docker has one that every registry and engine knows, or else OCI's
	encoder     string // names what makes the bytes, for the cache
	block       int    // bytes that gzip compresses at once, or the window of zstd
}

// formats has all kinds of compression. Level 4 of gzip makes blobs some percent larger than level 6 in four
// fifths of the time. Level 1 of zstd makes smaller ones in half of it; level 3 makes blobs another twentieth
// smaller, in almost twice the time.
//
// Each layer is spread over all processors already. With gzip two layers keep them busy while one waits for
// the network. With zstd one does, and two would hold too much memory.
var formats = map[string]format{
	compression.Gzip: {4, 9, 2, image.DockerLayer, "pgzip", 1 << 20},
	compression.Zstd: {1, 22, 1, v1.MediaTypeImageLayerZstd, "zstd", 512 << 10},
	compression.None: {0, 0, 2, v1.MediaTypeImageLayer, "none", 0},
}

// Check returns an error if there is no such compression.
func (c Compression) Check() error {
	f, known := formats[c.kind()]
	switch {
	case !known:
		return fmt.Errorf("layers cannot be compressed with %q, only with gzip, zstd or none", c.Kind)
	case c.Level < 0 || c.Level > f.most:
		return fmt.Errorf("%s has no compression level %d: they go from 1 to %d", c.kind(), c.Level, f.most)
	}
	return nil
}

func (c Compression) kind() string { return cmp.Or(c.Kind, compression.Gzip) }

func (c Compression) format() format { return formats[c.kind()] }

func (c Compression) level() int { return cmp.Or(c.Level, c.format().level) }

// method names what decides the bytes of a compressed layer, for the cache.
func (c Compression) method() string {
	f := c.format()
	if f.block == 0 {
		return f.encoder
	}
	return fmt.Sprintf("%s-%d-%dk", f.encoder, c.level(), f.block>>10)
}

// NewWriter returns what compresses a layer into w as Push does. Its Close does not close w.
func (c Compression) NewWriter(w io.Writer) (io.WriteCloser, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return c.writer(&pack.Encoders{}, w)
}

// MediaType is that of layers that were compressed so.
func (c Compression) MediaType() string { return c.format().mediaType }

// Method names everything that decides the bytes of a compressed layer: two layers with one diff ID that were
// compressed by one method are equal.
func (c Compression) Method() string { return c.method() }

// writer compresses into w. Its Close does not close w.
func (c Compression) writer(e *pack.Encoders, w io.Writer) (io.WriteCloser, error) {
	switch c.kind() {
	case compression.Zstd:
		return e.NewZstd(w, c.level(), c.format().block)
	case compression.None:
		return uncompressed{w}, nil
	}
	return e.NewGzip(w, c.level(), c.format().block)
}

type uncompressed struct{ io.Writer }

func (uncompressed) Close() error { return nil }
