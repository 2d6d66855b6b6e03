package fetch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
)

// Wild case 31: where each blob begins late, the configuration of an image without an index does not wait
// before its layers. The time is that of the bubble.
func TestWild31ConfigurationTravelsBesideLayers(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutImage("app", "1", imageOf(riscv64, layer(1, 50_000), layer(2, 1000)))
		s.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/"}, fakeregistry.Delay(time.Second))
		begun := time.Now()
		results := s.good(fetch.Options{}, "app:1")
		if took := time.Since(begun); took >= 2*time.Second {
			s.Errorf("one blob waited for another: %v", took)
		}
		if got := image.FormatPlatforms(results[0].Image.Platforms); got != "linux/riscv64" {
			s.Errorf("the image is for %s", got)
		}
		s.complete("app:1")
	})
}

// What is there is not asked for again, not even the configuration. Its platform comes from the layout.
func TestWild31NothingIsReadAgain(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutImage("app", "1", imageOf(riscv64, layer(1, 1000)))
		s.good(fetch.Options{}, "app:1")
		s.reg.Reset()
		results := s.good(fetch.Options{}, "app:1")
		if n := len(s.reg.Requests("GET", "/blobs/")); n != 0 {
			s.Errorf("%d blobs were read again", n)
		}
		if got := image.FormatPlatforms(results[0].Image.Platforms); got != "linux/riscv64" {
			s.Errorf("the image is for %s", got)
		}
	})
}

// A platform that is asked for is found out before anything moves.
func TestWild31PlatformThatIsAskedForComesFirst(t *testing.T) {
	onSite(t, func(s *site) {
		own := layer(1, 1000)
		s.reg.PutImage("app", "1", imageOf(riscv64, own))
		err := s.fetch(fetch.Options{Platforms: []v1.Platform{arm64}}, "app:1")[0].Err
		if diff := cmp.Diff(map[int]int{}, layerReads(s.reg, own)); diff != "" || err == nil {
			s.Errorf("error %v: %s", err, diff)
		}
	})
}
