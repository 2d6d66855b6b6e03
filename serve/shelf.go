package serve

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Shelf is one place whose images are served: a layout, an archive.
type Shelf struct {
	Name    string // what messages call it
	Images  []Image
	Content Content // what the images are read from

	// Repository is the repository of images that have no full name. If it is empty, nobody finds them but by
	// their digest, in any other repository.
	Repository string
}

// Image is an image on a shelf, or a referrer of one.
type Image struct {
	// Names are full names, each with a tag or a digest: docker.io/library/alpine:3.20. A name without a
	// registry stands for itself. What is no name is left out.
	Names []string
	// Tag is the tag of an image without names, in [Shelf].Repository. Of a referrer it is the tag under which
	// cosign looks for it in the repositories of its subject.
	Tag  string
	Root v1.Descriptor // of its manifest or index; the media type may be empty

	// Subject is set for a referrer, such as a signature: the manifest that it belongs to.
	Subject digest.Digest
}

// Content gives out blobs and manifests, as a *layout.Layout does. All its methods may be called
// concurrently.
type Content interface {
	// Open gives out raw bytes: they are verified when they are served.
	image.Source
	// Stat returns the digest and the size of a blob or manifest. The error about one that is not there wraps
	// fs.ErrNotExist, or is an [image.Absent]: that says why, and who asks for the blob reads it.
	Stat(d digest.Digest) (v1.Descriptor, error)
}
