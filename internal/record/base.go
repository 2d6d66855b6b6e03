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
// run of layers from the first one on, but not all, that another image begins with too: an image that has
// just these layers, or else the one with the fewest. What is built on an image is not its base.
func (doc *Document) findBases() {
	rows := doc.rows()
	var whole [][]digest.Digest // all layers of rows before this one that it begins with, the fewest first
	for i := range rows {
		r := &rows[i]
		layers := r.platform.Layers
		for len(whole) > 0 && !begins(layers, whole[len(whole)-1]) {
			whole = whole[:len(whole)-1]
		}
		shared := 0
		if len(whole) > 0 {
			shared = len(whole[len(whole)-1])
		}
		for _, k := range []int{r.left, r.right} {
			if k < 0 || k == len(rows) {
				continue
			}
			if n := alike(layers, rows[k].platform.Layers); n < len(layers) {
				shared = max(shared, n)
			}
		}
		if shared > 0 && r.platform.Base == nil {
			if at := first(rows, i, shared); at >= 0 {
				r.platform.Base = &Base{From: fromLayers, Layers: shared, Image: doc.Images[rows[at].image].Title()}
			}
		}
		whole = append(whole, layers)
	}
}

// first finds the first row of another image that begins with so many layers of row i. In the order of the
// rows it has the fewest layers of all that do.
func first(rows []row, i, shared int) int {
	beginning := rows[i].platform.Layers[:shared]
	at := sort.Search(i, func(k int) bool { return slices.Compare(rows[k].platform.Layers, beginning) >= 0 })
	if rows[at].image == rows[i].image {
		at = rows[at].right
	}
	if at == len(rows) || alike(rows[at].platform.Layers, beginning) < shared {
		return -1
	}
	return at
}

// begins reports whether layers begin with others, and are more.
func begins(layers, others []digest.Digest) bool {
	return len(layers) > len(others) && slices.Equal(layers[:len(others)], others)
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
