package image_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"drayage/image"
	"drayage/internal/imagetest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// site is a registry in memory that counts what it is asked for.
type site struct {
	imagetest.Store
	t     *testing.T
	mu    sync.Mutex
	asked map[digest.Digest]int
}

func newSite(t *testing.T) *site {
	return &site{Store: imagetest.NewStore(), t: t, asked: map[digest.Digest]int{}}
}

func (s *site) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	s.asked[d.Digest]++
	s.mu.Unlock()
	return s.Store.Open(ctx, d, offset, length)
}

// image stores an image for a platform: a base layer that all have, and one of its own.
func (s *site) image(p string) v1.Descriptor {
	config := s.PutJSON(v1.MediaTypeImageConfig, v1.Image{Platform: parse(s.t, p)})
	return s.PutJSON(v1.MediaTypeImageManifest, imagetest.Manifest(config,
		s.Put(v1.MediaTypeImageLayer, []byte("base")), s.Put(v1.MediaTypeImageLayer, []byte("layer of "+p))))
}

// artifact stores something that is no container image, such as the attestation of one.
func (s *site) artifact(configType string) v1.Descriptor {
	statement := s.Put("application/vnd.in-toto+json", []byte("statement"))
	return s.PutJSON(v1.MediaTypeImageManifest, imagetest.Manifest(s.Put(configType, []byte("{}")), statement))
}

func (s *site) index(children ...v1.Descriptor) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: append([]v1.Descriptor{}, children...),
		Annotations: map[string]string{"note": "kept"}}
	ix.SchemaVersion = 2
	return s.PutJSON(v1.MediaTypeImageIndex, ix)
}

// at is d with a platform in it, as indexes have.
func at(d v1.Descriptor, p string) v1.Descriptor {
	d.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	if parsed, err := image.ParsePlatform(p); err == nil {
		d.Platform = &parsed
	}
	return d
}

func parse(t *testing.T, s string) v1.Platform {
	t.Helper()
	if s == "" || s == "unknown/unknown" {
		return v1.Platform{OS: s[:len(s)/2], Architecture: s[:len(s)/2]}
	}
	p, err := image.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func platforms(t *testing.T, all ...string) (ps []v1.Platform) {
	for _, s := range all {
		ps = append(ps, parse(t, s))
	}
	return ps
}

// multi is an index of three platforms with the attestation of the first.
func (s *site) multi() v1.Descriptor {
	attestation := at(s.artifact(v1.MediaTypeImageConfig), "?")
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	return s.index(at(s.image("linux/amd64"), "linux/amd64"), at(s.image("linux/arm64"), "linux/arm64"),
		at(s.image("linux/arm/v7"), "linux/arm/v7"), attestation)
}

// chain is an image below n indexes.
func (s *site) chain(n int) v1.Descriptor {
	d := at(s.image("linux/amd64"), "linux/amd64")
	for range n {
		d = s.index(d)
	}
	return d
}

func (s *site) name(d digest.Digest) string { return fmt.Sprintf("%.30s", s.Content[d]) }
