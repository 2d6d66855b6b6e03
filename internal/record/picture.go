package record

import (
	"fmt"
	"strconv"

	"drayage/internal/verify"
)

// bar is a row of the picture: the layers of one platform of an image.
type bar struct {
	Label   string
	Summary string // for those who do not see the picture
	Bytes   int64
	Blocks  []block
}

// block is a layer in a row. Its place and width are in percent of the row.
type block struct {
	State, Title, X, Width string

	size int64
}

// bars draws the first rows of the picture.
func (p *page) bars() (rows []bar) {
	for i := range p.Images {
		im := &p.Images[i]
		for k := range im.Platforms {
			if len(rows) == maxRows {
				break
			}
			if len(im.Platforms[k].Layers) > 0 {
				rows = append(rows, p.bar(im, &im.Platforms[k]))
			}
		}
	}
	place(rows)
	return rows
}

// RowsLeft counts the rows that the picture has no room for.
func (p *page) RowsLeft() int {
	n := 0
	for _, im := range p.Images {
		for _, pl := range im.Platforms {
			if len(pl.Layers) > 0 {
				n++
			}
		}
	}
	return n - len(p.Rows)
}

func (p *page) bar(im *Image, pl *Platform) bar {
	r := bar{Label: im.Title()}
	if len(im.Platforms) > 1 {
		r.Label += " " + pl.Platform
	}
	count := map[string]int{}
	for _, l := range p.list(pl.Layers) {
		b := block{State: stateNew, Title: strconv.Itoa(l.More) + " more layers", size: l.Size}
		if l.Layer != nil {
			b.State = l.state()
			b.Title = fmt.Sprintf("%s: %d bytes, %s", l.Key(), l.Size, l.Says())
		}
		count[b.State]++
		r.Bytes = verify.AddSize(r.Bytes, l.Size)
		r.Blocks = append(r.Blocks, b)
	}
	r.Summary = fmt.Sprintf("%s: %d layers new, %d shared, %d absent", r.Label, count[stateNew],
		count[stateShared], count[stateAbsent])
	return r
}

// narrowest is the width of the smallest block, in percent of the largest image: a layer without content is a
// layer too.
const narrowest = 0.7

// place gives each block its place, on one scale for all rows. The widest row has all the width.
func place(rows []bar) {
	largest := int64(1)
	for _, r := range rows {
		largest = max(largest, r.Bytes)
	}
	width := func(b block) float64 { return max(narrowest, 100*float64(b.size)/float64(largest)) }
	widest := 100.0
	for _, r := range rows {
		sum := 0.0
		for _, b := range r.Blocks {
			sum += width(b)
		}
		widest = max(widest, sum)
	}
	for _, r := range rows {
		x := 0.0
		for i := range r.Blocks {
			w := 100 * width(r.Blocks[i]) / widest
			r.Blocks[i].X, r.Blocks[i].Width = percent(x), percent(w)
			x += w
		}
	}
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
