package registry

import (
	"context"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/transfer"
)

// withoutPatch reports whether a registry has refused a PATCH because it knows none, and remembers it.
func (h *host) withoutPatch(err error) bool {
	if !isStatus(err, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
		return false
	}
	h.noPatch.Store(true)
	return true
}

// pushInOne stores a blob of which digest and size are not known yet in a registry that takes only whole blobs: the content is read
// twice.
func (r *Repository) pushInOne(ctx context.Context, open func() (io.ReadCloser, error), reported func(int64)) (v1.Descriptor, error) {
	rc, err := open()
	if err != nil {
		return v1.Descriptor{}, err
	}
	hash := digest.SHA256.Digester()
	size, err := io.Copy(hash.Hash(), transfer.WithContext(ctx, rc))
	rc.Close()
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{Digest: hash.Digest(), Size: size}
	if there, err := r.Exists(ctx, d); there || err != nil {
		return d, err
	}
	s, err := r.begin(ctx)
	if err != nil {
		return d, err
	}
	r.forget() // nothing of it can go on
	err = r.commit(ctx, s.location, d.Digest, &body{length: size, once: true, open: func() (io.ReadCloser, error) {
		rc, err := open()
		return &countedReader{ReadCloser: rc, reported: reported}, err
	}})
	if err != nil {
		r.cancel(ctx, s.location)
	}
	return d, err
}
