package fetch_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
)

// Very many images come by turns. That shows nowhere but in the number of plans.
func TestWild32ManyImagesComeByTurns(t *testing.T) {
	onSite(t, func(s *site) {
		one, two := s.reg.PutImage("app", "", fakeregistry.Image{}),
			s.reg.PutImage("app", "", fakeregistry.Image{Labels: map[string]string{"a": "b"}})
		names := []string{"app:twin@" + one.Digest.String()}
		for i := range 1000 {
			s.reg.PutManifest("app", fmt.Sprintf("v%d", i), one.MediaType, s.reg.Manifest("app", one.Digest))
			names = append(names, fmt.Sprintf("app:v%d", i))
		}
		names = append(names, "app:twin@"+two.Digest.String())
		plans := 0
		opts := fetch.Options{Planned: func([]v1.Descriptor) { plans++ }}
		results, err := fetch.Images(s.Context(), s.client, s.refs(names...), s.dir, opts)
		if err != nil || len(results) != len(names) || plans != 2 {
			t.Fatalf("%d results, %d plans, %v", len(results), plans, err)
		}
		last := len(names) - 1
		for i, r := range results[:last] {
			if r.Err != nil || r.Reference.String() != "registry.test/"+names[i] {
				t.Errorf("%s: %v", names[i], r.Err)
			}
		}
		if err := results[last].Err; err == nil || !strings.Contains(err.Error(), "would name two images") {
			t.Errorf("another image of the name of the first: %v", err)
		}
		if images, err := s.dir.Images(); err != nil || len(images) != last {
			t.Errorf("%d images in the layout, %v", len(images), err)
		}
	})
}
