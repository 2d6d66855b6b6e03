package fetch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
)

// Before anything is transferred it is told which images there are, what they consist of and what of it is
// there: progress begins at that.
func TestWhatIsThereIsToldFirst(t *testing.T) {
	onSite(t, func(s *site) {
		whole, half := layer(1, 1000), layer(2, 2_000_000)
		s.reg.PutImage("app", "1", imageOf(here, whole))
		s.reg.PutImage("app", "2", imageOf(here, whole, half))
		s.good(fetch.Options{}, "app:1")
		s.reg.Reset()
		var partial string
		var told []string
		opts := fetch.Options{
			Resolved: func(im *fetch.Image) { told = append(told, im.Reference.String()) },
			Planned: func(blobs []v1.Descriptor) {
				told = append(told, fmt.Sprint(len(blobs)))
				for _, d := range blobs {
					if d.Size > 1_000_000 { // what a run that was killed has left
						partial = filepath.Join(s.path, ".drayage/partial", "sha256-"+d.Digest.Encoded())
						if err := os.WriteFile(partial, half.Content[:d.Size/2], 0o666); err != nil {
							s.Error(err)
						}
					}
				}
			},
			Progress: func(d v1.Descriptor, held int64) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(told) < 4 {
					told = append(told, fmt.Sprintf("%d of %d, %d requests", held, d.Size,
						len(s.reg.Requests("GET", "/blobs/"))))
				}
			},
		}
		results, err := fetch.Images(s.Context(), s.client, s.refs("app:2"), s.dir, opts)
		if err != nil || results[0].Err != nil {
			s.Fatal(results, err)
		}
		n := int64(len(half.Content))
		want := []string{"registry.test/app:2", "3",
			fmt.Sprintf("%d of %[1]d, 0 requests", len(whole.Content)),
			fmt.Sprintf("%d of %d, 0 requests", n/2, n)}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			s.Errorf("%q, want %q", told, want)
		}
		s.complete("app:2")
	})
}
