package upload_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/upload"
)

// Of very many images a thousand are planned at once, so that their plan takes no more memory than that of a
// thousand. The first ones are in the registry when the last ones begin. All of them are announced
// before.
func TestManyImagesArePlannedByTheThousand(t *testing.T) {
	const window, all = 1000, 1100
	onSite(t, func(s *site) {
		var targets []upload.Target
		store := imagetest.NewStore()
		for i := range all {
			root := imagetest.Image{Labels: map[string]string{"n": fmt.Sprint(i)}}.Put(store.Put)
			im, err := image.Open(s.Context(), store, root, image.Selection{All: true})
			if err != nil {
				s.Fatal(err)
			}
			target := s.to(fmt.Sprintf("app/%04d:1", i))
			target.Image = im
			targets = append(targets, target)
		}
		planned := 0
		results, err := upload.Push(s.Context(), targets, upload.Options{
			Planned: func(blobs []v1.Descriptor) {
				if planned += len(blobs); len(s.reg.Requests("", "")) > 0 {
					s.Error("there were requests before all was announced")
				}
			}})
		if err != nil {
			s.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				s.Fatalf("%s: %v", r.Target.Name(), r.Err)
			}
		}
		if planned != all {
			s.Errorf("%d blobs were announced, want %d", planned, all)
		}
		last := ""
		for _, e := range s.reg.Requests("", "/blobs/") {
			name := strings.TrimPrefix(e.Path, "/v2/app/")[:4]
			if name < fmt.Sprintf("%04d", window) && last >= fmt.Sprintf("%04d", window) {
				s.Fatalf("%s comes after %s", name, last)
			}
			last = max(last, name)
		}
		if last != fmt.Sprintf("%04d", all-1) {
			s.Errorf("the last one that was asked for is %s", last)
		}
	})
}
