package layout

import (
	"errors"
	"io/fs"
	"path"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Blobs lists the blobs that are there with their sizes, whether anything refers to them or not. Nothing is read of
// them, and their media types are unknown. It fails where the file system cannot list directories, as that of an archive.
func (l *Layout) Blobs() ([]v1.Descriptor, error) {
	var all []v1.Descriptor
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		entries, err := fs.ReadDir(l.fsys, path.Join(v1.ImageBlobsDir, a.String()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			d := digest.NewDigestFromEncoded(a, e.Name())
			if verify.Digest(d) != nil || !e.Type().IsRegular() {
				continue
			}
			fi, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return nil, err
			}
			all = append(all, v1.Descriptor{Digest: d, Size: fi.Size()})
		}
	}
	return all, nil
}
