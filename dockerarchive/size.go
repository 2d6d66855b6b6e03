package dockerarchive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
)

// maxHinted is the compressed size up to which the end of a gzip stream is asked for the uncompressed size.
// The stream tells that modulo 4 GiB. File systems compress less than seven to one, so for what is smaller
// than this it can hardly have wrapped around.
const maxHinted = 4 << 30 / 7

// guess sets the size that the blob will have in the archive, without reading it. For what is not unpacked,
// and for a plain tar, that is certain. For gzip the last four bytes tell, if it is a single member
// (https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1). A wrong guess is found out while writing. The
// answer depends on the content only, so every source of it leads to the same archive.
func (b *blob) guess(ctx context.Context) (err error) {
	size := int64(-1)
	switch {
	case !b.unpacked():
		b.size = b.Size
		return nil
	case b.MediaType == v1.MediaTypeImageLayer:
		size = b.Size
	case image.ParseLayerType(b.MediaType).Compression == "gzip" && b.Size < maxHinted && b.Size > 18:
		if size, err = trailer(ctx, b.source, b.Descriptor); err != nil {
			return err
		}
	}
	if b.late = !plausible(size, b.Size); !b.late {
		b.size = size
	}
	return nil
}

// plausible refuses what cannot be the size of a tar that was compressed to so many bytes. The end of a
// stream of several members, as eStargz has, tells the size of the last.
func plausible(size, compressed int64) bool {
	return size > 0 && size%512 == 0 && size+size/1000+1024 >= compressed
}

// trailer is the size field at the end of a gzip stream.
func trailer(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
	tries := retry.Persistence{Since: d.Size - 4}
	for {
		size, err := trailerOnce(ctx, src, d)
		if err == nil {
			return size, nil
		}
		if err := tries.Again(ctx, d, d.Size-4, err); err != nil {
			return 0, err
		}
	}
}

func trailerOnce(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
	rc, err := src.Open(ctx, d, d.Size-4, 4)
	if errors.Is(err, image.ErrNoRanges) {
		rc, err = src.Open(ctx, d, d.Size-4, image.ToEnd)
	}
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	var field [4]byte
	switch _, err := io.ReadFull(rc, field[:]); err {
	case nil:
		return int64(binary.LittleEndian.Uint32(field[:])), nil
	case io.EOF, io.ErrUnexpectedEOF:
		return 0, fmt.Errorf("%s: shorter than the %d bytes announced: %w", d.Digest, d.Size, ErrIntegrity)
	default:
		return 0, err
	}
}
