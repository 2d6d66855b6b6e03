package registry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Stat finds out how large a blob is, for those who know nothing of it but its digest. The size is the registry's word;
// the descriptor's media type says nothing about the content.
func (r *Repository) Stat(ctx context.Context, d digest.Digest) (desc v1.Descriptor, err error) {
	if err := verify.Digest(d); err != nil {
		return v1.Descriptor{}, err
	}
	err = r.reading(ctx, false, func(from *Repository) (err error) {
		desc, err = from.stat(ctx, d)
		return err
	})
	return desc, err
}

// stat asks with HEAD and, where that is refused or tells no size, by beginning to read: storage behind
// some registries answers nothing but GET.
func (r *Repository) stat(ctx context.Context, d digest.Digest) (v1.Descriptor, error) {
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		req, err := r.request(ctx, method, "/blobs/"+d.String(), http.StatusOK)
		if err != nil {
			return v1.Descriptor{}, err
		}
		resp, err := r.host.do(ctx, req)
		if method == http.MethodHead && isStatus(err, http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
			continue
		}
		if err != nil {
			return v1.Descriptor{}, err
		}
		resp.Body.Close()
		desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: resp.ContentLength}
		if desc.Size >= 0 {
			return desc, verify.Descriptor(desc)
		}
	}
	return v1.Descriptor{}, fmt.Errorf("%s: %w", r.Name(), refuse("the registry does not say how large %s is", d))
}
