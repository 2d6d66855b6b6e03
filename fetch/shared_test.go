package fetch_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// A registry that is down is asked for a blob as often as for one image, however many of its repositories
// have it.
func TestSharedBlobOfADeadRegistry(t *testing.T) {
	base := layer(1, 1000)
	asked := func(names ...string) (n int) {
		onSite(t, func(s *site) {
			for _, name := range names {
				s.reg.PutImage(strings.TrimSuffix(name, ":1"), "1", imageOf(here, base))
			}
			s.reg.On(fakeregistry.Match{Path: "/blobs/" + digestOf(base)}, fakeregistry.Status(500))
			for _, r := range s.fetch(fetch.Options{}, names...) {
				if !errors.Is(r.Err, registry.ErrUnavailable) {
					s.Errorf("%s: %v", r.Reference, r.Err)
				}
			}
			n = layerReads(s.reg, base)[0]
		})
		return n
	}
	if one, four := asked("a:1"), asked("a:1", "b:1", "c:1", "d:1"); one == 0 || four != one {
		t.Errorf("asked %d times for one image, %d for four", one, four)
	}
}

// A large blob that several repositories have is read by several streams like any other where one is slow.
func TestSharedBlobBySeveralStreams(t *testing.T) {
	onSite(t, func(s *site) {
		base := layer(1, 9<<20)
		s.reg.PutImage("a", "1", imageOf(here, base))
		s.reg.PutImage("b", "1", imageOf(here, base))
		s.reg.On(fakeregistry.Match{Path: "/blobs/" + digestOf(base), Count: 1}, fakeregistry.Stall(4<<20))
		s.good(fetch.Options{}, "a:1", "b:1")
		if n := layerReads(s.reg, base)[0]; n < 2 {
			s.Errorf("read in %d requests", n)
		}
		s.complete("b:1")
	})
}

// Of two images that would have one name the first has it, whichever is there sooner.
func TestTwins(t *testing.T) {
	onSite(t, func(s *site) {
		first := s.reg.PutImage("app", "old", imageOf(here, layer(1, 50_000)))
		second := s.reg.PutImage("app", "1", imageOf(here, layer(2, 10)))
		names := []string{"app:1@" + first.Digest.String(), "app:1", "app:1@" + second.Digest.String(), "app:old"}
		results := s.fetch(fetch.Options{}, names...)
		for i, bad := range []bool{false, true, true, false} {
			if (results[i].Err != nil) != bad {
				s.Errorf("%s: %v", names[i], results[i].Err)
			}
		}
		if root := s.complete("app:1"); root.Digest != first.Digest {
			s.Errorf("app:1 is %s, want %s", root.Digest, first.Digest)
		}
	})
}

// A list of more referrers than anybody has is refused before the first of them is read.
func TestTooManyReferrers(t *testing.T) {
	onSite(t, func(s *site) {
		d := s.reg.PutImage("app", "1", imageOf(here, layer(1, 10)))
		many := make([]v1.Descriptor, 1001)
		for i := range many {
			many[i] = v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString(strconv.Itoa(i)),
				Size: 10}
		}
		s.reg.PutIndex("app", registry.ReferrersTag(d.Digest), false, many...)
		s.reg.Reset()
		r := s.fetch(fetch.Options{Referrers: true}, "app:1")[0]
		if r.Err == nil || !strings.Contains(r.Err.Error(), "more than 1000 referrers") {
			s.Errorf("%v", r.Err)
		}
		if asked := s.reg.Requests("GET", "/manifests/sha256:"+many[0].Digest.Encoded()); len(asked) > 0 {
			s.Errorf("the first was read %d times", len(asked))
		}
	})
}
