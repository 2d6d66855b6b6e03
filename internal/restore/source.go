package restore

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
)

// Source makes blobs of layers while they are read.
type Source map[digest.Digest]Made

// Made is a layer and who makes the blob of it.
type Made struct {
	Layer Layer
	Maker Maker
}

// Open implements [image.Source]. Whatever the offset, the layer is compressed from its beginning.
func (s Source) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	made, ok := s[d.Digest]
	if !ok {
		return nil, kind.Errorf(fs.ErrNotExist, "%s: not here", d.Digest)
	}
	pr, pw := io.Pipe()
	b := &blob{Reader: pr, pipe: pr, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		pw.CloseWithError(made.Maker.write(ctx, made.Layer, pw))
	}()
	if _, err := io.CopyN(io.Discard, pr, offset); err != nil {
		b.Close()
		return nil, fmt.Errorf("%s, made by %s: %w", d.Digest, made.Maker.Encoder.Name, err)
	}
	if length != image.ToEnd {
		b.Reader = io.LimitReader(pr, length)
	}
	return b, nil
}

// blob is a stream whose goroutine ends when it is closed.
type blob struct {
	io.Reader
	pipe *io.PipeReader
	done chan struct{}
}

func (b *blob) Close() error {
	err := b.pipe.Close()
	<-b.done
	return err
}
