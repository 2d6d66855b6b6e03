package upload

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/internal/layercache"
	"drayage/registry"
)

// minRemembered is the size from which on it is remembered where an upload goes on. To send less once more takes no longer than to ask.
const minRemembered = 1 << 20

// blobUpload is the memory of the upload of a blob, of which the caller closes what it is given. Of content that can be read only once nothing is
// remembered: if the registry then wanted it from the beginning, it would be gone.
func (p *pusher) blobUpload(repo *registry.Repository, d v1.Descriptor) *layercache.Upload {
	if d.Size < minRemembered || p.opts.Stream != nil {
		return nil
	}
	return p.cache.BlobUpload(repo.Root(), repo.Path(), d.Digest)
}

// layerUpload is that of a layer that is compressed on the way.
func (p *pusher) layerUpload(repo *registry.Repository, l *dockerarchive.SavedLayer) *layercache.Upload {
	if l.Size() < minRemembered || p.opts.Stream != nil {
		return nil
	}
	return p.cache.LayerUpload(repo.Root(), repo.Path(), l.DiffID)
}
