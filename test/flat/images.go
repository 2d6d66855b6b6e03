//go:build linux

package flat

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// Shape says what each of the images is made of.
type Shape string

// The shapes.
const (
	Plain  Shape = "plain"  // a layer that all images share, and one of its own
	Shared Shape = "shared" // one layer, the same for all images
	Multi  Shape = "multi"  // an index of two platforms
	Signed Shape = "signed" // as Plain, with a signature that refers to it
)

// Shapes are all shapes.
var Shapes = []Shape{Plain, Shared, Multi, Signed}

// fill puts n images into a registry, and returns their names without the registry's.
func fill(r *registry, shape Shape, n int) []string {
	base := imagetest.GzipLayer(imagetest.Tar(map[string]string{"base": "base"}))
	names := make([]string, n)
	for i := range n {
		names[i] = fmt.Sprintf("app/n%05d:1", i)
		var root v1.Descriptor
		if shape == Multi {
			amd := r.put(layers(base, shape, i, v1.Platform{OS: "linux", Architecture: "amd64"}))
			arm := r.put(layers(base, shape, i, v1.Platform{OS: "linux", Architecture: "arm64"}))
			root = r.hold(imagetest.Index(false, amd, arm))
		} else {
			root = r.put(layers(base, shape, i, v1.Platform{}))
		}
		r.tags[names[i]] = root
		if shape == Signed {
			r.sign(root)
		}
	}
	return names
}

func layers(base imagetest.Layer, shape Shape, i int, p v1.Platform) imagetest.Image {
	all := []imagetest.Layer{base}
	if shape != Shared {
		name := fmt.Sprint("own", i, p.Architecture)
		all = append(all, imagetest.GzipLayer(imagetest.Tar(map[string]string{name: name})))
	}
	return imagetest.Image{Platform: p, Labels: map[string]string{"n": fmt.Sprint(i)}, Layers: all}
}

func (r *registry) put(im imagetest.Image) v1.Descriptor { return im.Put(r.hold) }

// hold keeps content and describes it.
func (r *registry) hold(mediaType string, raw []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	r.held[d.Digest] = content{mediaType, raw}
	return d
}

// sign stores a referrer.
func (r *registry) sign(root v1.Descriptor) {
	config := r.hold(v1.MediaTypeEmptyJSON, []byte("{}"))
	payload := r.hold(imagetest.SimpleSigning, imagetest.Payload(root.Digest, "app"))
	m := imagetest.Manifest(config, payload)
	m.Subject, m.ArtifactType = &root, imagetest.SimpleSigning
	d := r.hold(m.MediaType, imagetest.Encode(m))
	d.ArtifactType = m.ArtifactType
	r.referrers[root.Digest] = d
}
