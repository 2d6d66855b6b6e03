// Package forecast adds up what a command would move, image by image and platform by platform, before
// anything moves. [Table.Add] takes what the engines tell of the blobs of an image, and
// each blob counts once. The rest shows it to people and to programs.
package forecast

import (
	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/verify"
)

// Row is what a platform of an image would move, or a command altogether.
type Row struct {
	Label string // the platform, or what else the row is about

	Total   int64 // of all its blobs
	Shared  int64 // of Total, what stands in a row above already
	There   int64 // of the rest, what is where it goes already
	Move    int64 // what moves
	LeftOut int64 // of the rest, what is not at the source on purpose

	Plain       int64 // of layers that are compressed on their way: their size before that
	PlainLayers int
}

// Image is an image in a table.
type Image struct {
	Name string
	Rows []Row
}

// Table is what a command would move. The zero value is empty.
type Table struct {
	Images  []Image
	Sum     Row
	Blobs   int           // different ones
	Largest int64         // the size of the largest blob that moves
	Lacking []image.Move  // left out at the source, and not where they go either; each once
	seen    map[blob]bool // what stands in a row already
}

// blob is what counts once.
type blob struct {
	digest digest.Digest
	size   int64
}

// Part is a part of an image that gets a row.
type Part struct {
	Label string
	Moves []image.Move
}

// Add adds an image.
func (t *Table) Add(name string, parts []Part) {
	if t.seen == nil {
		t.seen = map[blob]bool{}
	}
	im := Image{Name: name}
	for _, p := range parts {
		row := Row{Label: p.Label}
		for _, m := range p.Moves {
			t.count(&row, m)
		}
		im.Rows = append(im.Rows, row)
	}
	t.Images = append(t.Images, im)
}

// count adds a blob to a row and to the sum.
func (t *Table) count(row *Row, m image.Move) {
	key := blob{m.Blob.Digest, m.Blob.Size}
	row.Total = verify.AddSize(row.Total, m.Blob.Size)
	if t.seen[key] {
		row.Shared = verify.AddSize(row.Shared, m.Blob.Size)
		return
	}
	t.seen[key] = true
	t.Blobs++
	t.Sum.Total = verify.AddSize(t.Sum.Total, m.Blob.Size)
	if m.Lacking {
		t.Lacking = append(t.Lacking, m)
	}
	for _, r := range []*Row{row, &t.Sum} {
		switch {
		case m.LeftOut && m.Lacking:
			r.LeftOut = verify.AddSize(r.LeftOut, m.Blob.Size)
		case m.Plain:
			r.Plain, r.PlainLayers = verify.AddSize(r.Plain, m.Blob.Size), r.PlainLayers+1
		default:
			r.There = verify.AddSize(r.There, min(m.There, m.Blob.Size))
			r.Move = verify.AddSize(r.Move, m.Bytes())
		}
	}
	if m.Bytes() > 0 {
		t.Largest = max(t.Largest, m.Blob.Size)
	}
}
