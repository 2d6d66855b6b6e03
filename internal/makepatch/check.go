package makepatch

import (
	"context"
	"errors"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/rebuild"
)

// check rebuilds the layer from the files, and compares the digest.
func (m *maker) check(ctx context.Context, w *work, a image.Absent, bases []opened) error {
	if w.lossy {
		a = a.Plain()
	}
	src := rebuild.New([]image.Absent{a}, &parts{w, a.Rebuilt}, finder(bases), m.Temp)
	r := image.NewReader(ctx, src, a.Descriptor)
	_, err := io.Copy(io.Discard, r)
	r.Close()
	return errors.Join(err, src.Close())
}

// parts is the source of the patch and the recipe while they are tried.
type parts struct {
	*work
	how *image.Rebuilt
}

// Open implements [image.Source].
func (p *parts) Open(_ context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	f := p.patch
	if d.Digest == p.how.Recipe.Digest {
		f = p.recipe
	}
	return io.NopCloser(image.Section(f, d.Size, offset, length)), nil
}
