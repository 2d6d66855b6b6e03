package layout

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Stat finds out how large a blob is, for those who know nothing of it but its digest. The descriptor's media type says
// nothing about the content. If the layout has no such blob, the error wraps fs.ErrNotExist.
func (l *Layout) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d}
	if err := verify.Digest(d); err != nil {
		return v1.Descriptor{}, err
	}
	fi, err := fs.Stat(l.fsys, blobPath(desc))
	if errors.Is(err, fs.ErrNotExist) {
		return v1.Descriptor{}, fmt.Errorf("layout has no blob %s: %w", d, fs.ErrNotExist)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	if !fi.Mode().IsRegular() {
		return v1.Descriptor{}, fmt.Errorf("layout: %s is not a regular file", blobPath(desc))
	}
	desc.Size = fi.Size()
	return desc, nil
}
