package fetch_test

import (
	"errors"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// windows puts an image into a repository whose lowest layer only the other registry has, and returns that
// layer.
func (s *site) windows(repo string, other *fakeregistry.Registry) v1.Descriptor {
	layer := fakeregistry.GzipLayer([]byte("a layer of Windows"))
	top := fakeregistry.GzipLayer([]byte("on top for " + repo))
	d := other.PutBlob("layers", layer.Content)
	layer.MediaType, layer.URLs = image.DockerForeign+".gzip", []string{"http://other.test/v2/layers/blobs/" +
		d.Digest.String()}
	s.reg.PutImage(repo, "1", fakeregistry.Image{Layers: []fakeregistry.Layer{layer, top}})
	return d
}

func TestForeignLayersAreFetchedOnlyIfAllowed(t *testing.T) {
	onSite(t, func(s *site) {
		other := s.other("other.test:80")
		layer := s.windows("win", other)
		s.windows("more", other)
		for _, r := range s.fetch(fetch.Options{All: true}, "win:1", "more:1") {
			var foreign *registry.ForeignError
			if !errors.As(r.Err, &foreign) || foreign.Layer.Digest != layer.Digest {
				s.Errorf("%s: %v", r.Reference, r.Err)
			}
		}
		if n := len(s.names()); n != 0 {
			s.Errorf("the layout names %d images that are not whole", n)
		}
		s.client.Foreign = s.client.Transport
		s.good(fetch.Options{All: true}, "win:1", "more:1")
		s.complete("win:1")
		s.complete("more:1")
		if n := len(other.Requests("GET", layer.Digest.String())); n != 1 {
			s.Errorf("the layer was fetched %d times", n)
		}
	})
}
