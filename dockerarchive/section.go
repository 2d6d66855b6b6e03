package dockerarchive

import (
	"crypto/sha256"
	"encoding/binary"

	"drayage/internal/marks"
)

// resumable is implemented by files that remember from run to run which blocks of their parts have been written. A
// durable.Resumable is one.
type resumable interface {
	// Begin says what is going to be written, and removes what an earlier run has left of anything else.
	Begin(plan []byte, sizes []int64) error
	// Part returns the part with a number, which begins at off.
	Part(number int, off int64) *marks.Part
}

// begin returns the places of the blobs as parts of f. It empties f, or finds out what of the same archive is in it:
// everything that decides the places of the parts is in heads.
func begin(f OCIFile, heads []head, places []place) ([]*marks.Part, error) {
	parts := make([]*marks.Part, len(places))
	r, ok := f.(resumable)
	if !ok {
		for i, p := range places {
			parts[i] = marks.NewPart(f, p.off, p.blob.desc.Size, nil)
		}
		return parts, f.Truncate(0)
	}
	h := sha256.New()
	for _, part := range heads {
		binary.Write(h, binary.LittleEndian, part.off)
		h.Write(part.data)
	}
	var sizes []int64
	for _, p := range places {
		sizes = append(sizes, p.blob.desc.Size)
	}
	if err := r.Begin(h.Sum(nil), sizes); err != nil {
		return nil, err
	}
	for i, p := range places {
		parts[i] = r.Part(i, p.off)
	}
	return parts, nil
}
