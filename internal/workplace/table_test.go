package workplace

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/inspect"
	"drayage/internal/report"
)

func TestTableFitsTheTerminal(t *testing.T) {
	n := int64(7_300_000)
	var images []report.Image
	for _, name := range []string{"docker.io/library/alpine:3.20", "r.test/a:1"} {
		im := report.Image{Name: name, Blobs: &n}
		im.Platforms = []inspect.Platform{{Platform: "windows/amd64:10.0.17763"}, {Platform: "linux/amd64"}}
		im.Digest = digest.FromString(name)
		images = append(images, im)
	}
	for _, width := range []int{40, 60, 70, 80, 120} {
		lines := table(images, []error{nil, errors.New("x")}, width)
		for _, l := range lines {
			if len(l) > width {
				t.Errorf("%d columns of %d: %q", len(l), width, l)
			}
		}
		text := strings.Join(lines, "\n")
		if digests := strings.Contains(text, "DIGEST"); digests != (width > narrow) {
			t.Errorf("%d columns: digests %t", width, digests)
		}
		for _, part := range []string{"docker.io/library/alpine:3.20", "r.test/a:1", "7.3 MB", "is dam", "FREES"} {
			if !strings.Contains(text, part) {
				t.Errorf("%d columns: no %q in\n%s", width, part, text)
			}
		}
	}
}
