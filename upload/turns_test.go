package upload_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/upload"
)

// Some registries lose one of two referrers of a subject that come at once. So those of one subject come one
// after another, and those of different subjects side by side.
func TestReferrersOfOneSubjectTakeTurns(t *testing.T) {
	for _, c := range []struct {
		name     string
		subjects []string
		want     time.Duration
	}{
		{"one subject", []string{"a", "a", "a"}, 3 * time.Second},
		{"different subjects", []string{"a", "b", "c"}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			onSite(t, func(s *site) {
				s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/"}, slowWithReferrers)
				var targets []upload.Target
				for i, subject := range c.subjects {
					target := s.to("team/app")
					target.Tag, target.Image = "", s.referrer(i, subject)
					targets = append(targets, target)
				}
				began := time.Now()
				s.good(upload.Options{}, targets...)
				if took := time.Since(began); took < c.want || took >= c.want+time.Second {
					s.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
}

// slowWithReferrers makes a registry that has the referrers API take a second for each manifest.
func slowWithReferrers(next http.Handler) http.Handler {
	return fakeregistry.Delay(time.Second)(fakeregistry.Header("OCI-Subject", "known")(next))
}

// referrer is a manifest that belongs to a subject.
func (s *site) referrer(number int, subject string) *image.Image {
	config := image.Describe(v1.MediaTypeEmptyJSON, []byte("{}"))
	of := image.Describe(v1.MediaTypeImageManifest, []byte(subject))
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/n%d","config":`+
		`{"mediaType":%q,"digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":%d}}`,
		of.MediaType, number, config.MediaType, config.Digest, of.MediaType, of.Digest, of.Size)
	root := image.Describe(v1.MediaTypeImageManifest, raw)
	src := &image.MemorySource{}
	src.Content = map[digest.Digest][]byte{root.Digest: raw, config.Digest: []byte("{}")}
	im, err := image.Open(s.Context(), src, root, image.Selection{All: true})
	if err != nil {
		s.Fatal(err)
	}
	return im
}
