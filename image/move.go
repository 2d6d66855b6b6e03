package image

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Move says of one blob of an image how much of it would move, before anything does.
type Move struct {
	Blob v1.Descriptor

	// There is how many of its bytes are where they go already, or need not be sent there.
	There int64
	// Again is how many of its bytes move a second time.
	Again int64
	// Plain says that the blob is compressed on its way: its digest and size are those of the uncompressed
	// layer, and nobody knows yet how many bytes move.
	Plain bool
	// LeftOut says that the blob is not where the image comes from, on purpose. Lacking says that it is not
	// where the image goes to either.
	LeftOut, Lacking bool
}

// Bytes is how many bytes of the blob move.
func (m Move) Bytes() int64 {
	if m.Plain || m.LeftOut {
		return 0
	}
	return max(m.Blob.Size-m.There, 0) + m.Again
}
