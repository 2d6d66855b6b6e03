package fetch_test

import (
	"context"
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

// Brief results say what an image is, and list nothing that it consists of.
func TestBriefResults(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutImage("app", "1", fakeregistry.Image{Layers: []fakeregistry.Layer{layer(1, 1000)}})
		whole := 0
		opts := fetch.Options{Brief: true, Finished: func(r fetch.Result) { whole += len(r.Image.Wanted()) }}
		results := s.good(opts, "app:1")
		im := results[0].Image
		if whole != 2 || len(im.Wanted()) != 0 || len(im.Platforms) != 1 ||
			im.Root.Digest != im.RootNode().Descriptor.Digest {
			t.Errorf("%d blobs were told of, and the result is %+v", whole, im)
		}
		s.complete("app:1")
	})
}

// Images that have been resolved, such as those of an archive, come by turns too. The second one of a name is
// refused in whatever turn it comes.
func TestManyResolvedImagesComeByTurns(t *testing.T) {
	onSite(t, func(s *site) {
		const many = 1001
		one, two := s.reg.PutImage("app", "", fakeregistry.Image{}),
			s.reg.PutImage("app", "", fakeregistry.Image{Labels: map[string]string{"a": "b"}})
		names := []string{"app:twin@" + one.Digest.String()}
		for i := range many {
			s.reg.PutManifest("app", fmt.Sprintf("v%d", i), one.MediaType, s.reg.Manifest("app", one.Digest))
			names = append(names, fmt.Sprintf("app:v%d", i))
		}
		names = append(names, "app:twin@"+two.Digest.String())
		plans, finished := 0, map[string]int{}
		opts := fetch.Options{Planned: func([]v1.Descriptor) { plans++ },
			Finished: func(r fetch.Result) { finished[r.Reference.String()]++ }}
		resolved := fetch.Resolve(s.Context(), s.client, s.refs(names...), fetch.Options{})
		results, err := fetch.Into(s.Context(), resolved, s.dir, opts)
		if err != nil || len(results) != len(names) || plans != 2 || len(finished) != len(names) {
			t.Fatalf("%d results, %d plans, %d are finished, %v", len(results), plans, len(finished), err)
		}
		for i, r := range results {
			if refused := i == len(names)-1; (r.Err != nil) != refused || finished[r.Reference.String()] != 1 {
				t.Errorf("%s: %v, told %d times", names[i], r.Err, finished[r.Reference.String()])
			}
		}
		if images, err := s.dir.Images(); err != nil || len(images) != len(names)-1 {
			t.Errorf("%d images in the layout, %v", len(images), err)
		}
	})
}

// What the end of the context leaves undone has its cause, in every turn.
func TestTurnsThatDoNotComeFail(t *testing.T) {
	onSite(t, func(s *site) {
		names := make([]string, 1001)
		s.reg.PutImage("app", "1", fakeregistry.Image{})
		for i := range names {
			names[i] = "app:1"
		}
		resolved := fetch.Resolve(s.Context(), s.client, s.refs(names...), fetch.Options{})
		ctx, stop := context.WithCancel(s.Context())
		stop()
		results, err := fetch.Into(ctx, resolved, s.dir, fetch.Options{})
		if err == nil || len(results) != len(names) {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for i, r := range results {
			if r.Err == nil {
				t.Errorf("image %d has no error", i)
			}
		}
	})
}
