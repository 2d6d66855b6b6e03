package fakeregistry

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
)

// These are imagetest's.
type (
	Image = imagetest.Image
	Layer = imagetest.Layer
)

// These are imagetest's.
var (
	Tar        = imagetest.Tar
	GzipLayer  = imagetest.GzipLayer
	ZstdLayer  = imagetest.ZstdLayer
	PlainLayer = imagetest.PlainLayer
)

// PutImage stores an image, under a tag if that is not empty. It returns the descriptor of the manifest with
// the platform.
func (r *Registry) PutImage(name, tag string, im imagetest.Image) v1.Descriptor {
	return im.Put(func(mediaType string, raw []byte) v1.Descriptor {
		if image.IsManifest(mediaType) {
			return r.PutManifest(name, tag, mediaType, raw)
		}
		return r.PutBlob(name, raw)
	})
}

// PutIndex stores an index of manifests or other indexes, and returns its descriptor.
func (r *Registry) PutIndex(name, tag string, docker bool, children ...v1.Descriptor) v1.Descriptor {
	mediaType, raw := imagetest.Index(docker, children...)
	return r.PutManifest(name, tag, mediaType, raw)
}

// PutManifest stores the bytes of a manifest, whatever they are, and returns their descriptor.
func (r *Registry) PutManifest(name, tag, mediaType string, raw []byte) v1.Descriptor {
	d := digest.FromBytes(raw)
	r.store(name, tag, mediaType, d, raw)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
}

// PutBlob stores a blob and returns its descriptor.
func (r *Registry) PutBlob(name string, content []byte) v1.Descriptor {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digest.FromBytes(content)
	r.repo(name).blobs[d] = content
	return v1.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(content))}
}

// PutSignature signs a manifest as cosign 2 does: under a tag. as is the name that the manifest has in it.
func (r *Registry) PutSignature(name string, key imagetest.CosignKey, d digest.Digest, as string) {
	m := key.SimpleManifest(func(mediaType string, raw []byte) v1.Descriptor {
		blob := r.PutBlob(name, raw)
		blob.MediaType = mediaType
		return blob
	}, d, as)
	r.PutManifest(name, "sha256-"+d.Encoded()+".sig", m.MediaType, imagetest.Encode(m))
}

// RemoveBlob takes a blob out of a repository, as a garbage collector does.
func (r *Registry) RemoveBlob(name string, d digest.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.repo(name).blobs, d)
}
