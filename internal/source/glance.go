package source

import (
	"os"
	"path/filepath"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// maxGlance is how many bytes of an index.json are read while somebody waits.
const maxGlance = 8 << 20

// Glance returns the names of the images in a layout directory, for somebody who waits: where there is no
// layout, or a very large one, that is none.
func Glance(dir string) (names []string) {
	fi, err := os.Stat(filepath.Join(dir, v1.ImageIndexFile))
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxGlance {
		return nil
	}
	l, err := layout.New(os.DirFS(dir))
	if err != nil {
		return nil
	}
	images, _ := l.Images()
	for _, im := range images {
		if name := im.Label(); name != "" && im.Subject == "" {
			names = append(names, name)
		}
	}
	return names
}
