package dockerarchive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
)

// maxHinted is the compressed size up to which the end of a gzip stream is asked for the uncompressed
// size. It is kept there modulo 4 GiB; file systems compress less than seven to one, so
// that what is smaller than this can hardly have wrapped around.
const maxHinted = 4 << 30 / 7

// guess sets the size that a layer will have uncompressed, without reading it. For a plain tar that is certain; for gzip the
// last four bytes tell, if it is a single member (https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1). A wrong
// guess is found out while writing. The answer depends on the blob's content only, so that
// every source of it leads to the same archive.
func guess(ctx context.Context, l *layer) (err error) {
	l.size, l.late = -1, true
	size := int64(-1)
	switch {
	case l.blob.MediaType == v1.MediaTypeImageLayer:
		size = l.blob.Size
	case isGzip(l.blob.MediaType) && l.blob.Size < maxHinted && l.blob.Size > 18:
		if size, err = trailer(ctx, l.source, l.blob); err != nil {
			return err
		}
	}
	if plausible(size, l.blob.Size) {
		l.size, l.late = size, false
	}
	return nil
}

func isGzip(mediaType string) bool {
	return mediaType == image.DockerLayer || strings.HasSuffix(mediaType, "+gzip") || strings.HasSuffix(mediaType, ".gzip")
}

// plausible refuses what cannot be the size of a tar file that was compressed to blob bytes: the
// end of a stream of several members, as eStargz has, tells the size of the last.
func plausible(size, blob int64) bool {
	return size > 0 && size%512 == 0 && size+size/1000+1024 >= blob
}

// maxTries is how often the end of a blob is asked for before a broken connection counts.
const maxTries = 5

// trailer is the size field at the end of a gzip stream.
func trailer(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
	for try := 1; ; try++ {
		size, err := trailerOnce(ctx, src, d)
		if !retry.IsTransient(err) || try == maxTries {
			return size, err
		}
		if err := retry.Sleep(ctx, retry.Backoff{}.Delay(try)); err != nil {
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
