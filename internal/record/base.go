package record

import (
	"cmp"
	"slices"
	"sort"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// told returns the base that annotations or labels name.
func told(by map[string]string, from string) *Base {
	base := &Base{From: from, Name: by[v1.AnnotationBaseImageName], Digest: by[v1.AnnotationBaseImageDigest]}
	if base.Name == "" && base.Digest == "" {
		return nil
	}
	return base
}

// fromLayers says that no builder has told a base: the layers tell.
const fromLayers = "layers"

// row is the layers of one platform of an image.
type row struct {
	image    int
	platform *Platform
	left     int // the next row before this one that is of another image; -1: there is none
	right    int // the next row behind this one that is of another image; or the number of rows
}

// findBases looks in the record for what images are built on whose builders do not tell. It is the longest
// run of layers from the first one on, but not all, that another image begins with too. Of several such
// images it takes the one with the fewest layers.
func (doc *Document) findBases() {
	rows := doc.rows()
	for i := range rows {
		r := &rows[i]
		layers := r.platform.Layers
		shared := 0
		if r.left >= 0 {
			shared = alike(layers, rows[r.left].platform.Layers)
		}
		if r.right < len(rows) {
			shared = max(shared, alike(layers, rows[r.right].platform.Layers))
		}
		shared = min(shared, len(layers)-1)
		if shared < 1 || r.platform.Base != nil {
			continue
		}
		// In their order, the shortest of those that begin alike is the first.
		first := sort.Search(i, func(k int) bool {
			return slices.Compare(rows[k].platform.Layers, layers[:shared]) >= 0
		})
		if rows[first].image == r.image {
			first = rows[first].right
		}
		r.platform.Base = &Base{From: fromLayers, Layers: shared, Image: doc.Images[rows[first].image].Title()}
	}
}

// rows are the platforms of all images, sorted by their layers.
func (doc *Document) rows() (rows []row) {
	for i := range doc.Images {
		for k := range doc.Images[i].Platforms {
			if p := &doc.Images[i].Platforms[k]; p.ArtifactType == "" && len(p.Layers) > 0 {
				rows = append(rows, row{image: i, platform: p})
			}
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		return cmp.Or(slices.Compare(x.platform.Layers, y.platform.Layers), cmp.Compare(x.image, y.image))
	})
	for i := range rows {
		rows[i].left = -1
		if i > 0 {
			rows[i].left = i - 1
			if rows[i-1].image == rows[i].image {
				rows[i].left = rows[i-1].left
			}
		}
	}
	for i := len(rows) - 1; i >= 0; i-- {
		rows[i].right = i + 1
		if i+1 < len(rows) && rows[i+1].image == rows[i].image {
			rows[i].right = rows[i+1].right
		}
	}
	return rows
}

// alike counts the layers that two images begin with.
func alike(x, y []digest.Digest) int {
	n := 0
	for n < min(len(x), len(y)) && x[n] == y[n] {
		n++
	}
	return n
}
