package dockerarchive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/retry"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// ErrIntegrity is wrapped where content is not what its digest or diff ID says.
var ErrIntegrity = verify.ErrMismatch

const (
	chunkSize = 64 << 10 // what one half of a pipeline hands to the other: it stays in the processor's cache
	chunks    = 8        // buffers between the two halves of a pipeline
)

var buffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// blob is content that is read from a source and verified by its digest. With a diff ID it is a layer that
// stands in the archive unpacked, and is verified by that too. Its descriptor is that of the image.
type blob struct {
	*v1.Descriptor
	source image.Source
	diffID digest.Digest
	image  digest.Digest // of a layer, for messages: the ID of the first image that has it

	size     int64 // in the archive, as far as it is known
	off      int64 // of the content in the archive, if that is written at offsets and the blob is not late
	late     bool  // the size cannot be told before the layer has been unpacked
	measured bool  // the layer has been unpacked once to learn its size
}

func (b *blob) unpacked() bool { return b.diffID != "" }

func (b *blob) named(err error) error {
	if err == nil || !b.unpacked() {
		return err
	}
	return fmt.Errorf("image %s, layer %s: %w", b.image, b.Digest, err)
}

// write writes the content to what begin returns, and returns its size. If the bytes of the blob are not what
// its digest says, they may have been changed on the way: write reads the blob once more, from the start.
func (b *blob) write(ctx context.Context, begin func() io.Writer, reported func(int64)) (int64, error) {
	n, err := b.writeOnce(ctx, begin(), reported)
	if errors.As(err, new(changed)) {
		n, err = b.writeOnce(ctx, begin(), reported)
	}
	return n, err
}

// changed is the error of a layer whose blob is not what its digest says.
type changed struct{ error }

func (c changed) Unwrap() error { return c.error }

func (b *blob) writeOnce(ctx context.Context, w io.Writer, reported func(int64)) (int64, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	raw := image.NewReader(ctx, transfer.ReadAhead(b.source), *b.Descriptor)
	defer raw.Close()
	if reported != nil {
		reported(0)
	}
	stored := transfer.Counted(raw, reported)
	if !b.unpacked() {
		n, err, werr := pipe(w, stored, stop)
		return n, cmp.Or(werr, err)
	}
	plain, err := unpack.NewReader(ctx, stored, compression.Layers)
	if err != nil {
		return 0, b.judge(err, stored)
	}
	defer plain.Close()
	content, packed := packedTwice(plain)
	h := b.diffID.Algorithm().Hash()
	n, err, werr := pipe(io.MultiWriter(h, w), content, stop)
	if werr != nil {
		return n, werr
	}
	if err == nil {
		err = plain.Rest() // it belongs to the blob too, and its end is where the digest is compared
	}
	if err != nil {
		return n, b.judge(err, stored)
	}
	err = unpack.CheckDiffID(digest.NewDigest(b.diffID.Algorithm(), h), b.diffID)
	return n, b.named(cmp.Or(err, packed))
}

// packedTwice is the error about a layer that is still compressed when it has been unpacked: whoever loads it
// from a docker tar would unpack it once more. It returns the content from its beginning too.
func packedTwice(plain io.Reader) (content io.Reader, err error) {
	head := make([]byte, compression.PeekSize)
	n, _ := io.ReadFull(plain, head) // an error comes again
	if kind := compression.Detect(head[:n]); kind != compression.None {
		err = fmt.Errorf("what it unpacks to is compressed once more (%s): "+
			"only --format oci could carry it: %w", kind, image.ErrUnsupported)
	}
	return io.MultiReader(bytes.NewReader(head[:n]), plain), err
}

// judge explains why a layer could not be read to its end.
func (b *blob) judge(err error, rest io.Reader) error {
	err = unpack.Explain(err, rest)
	if errors.Is(err, verify.ErrMismatch) && !errors.As(err, new(*unpack.Error)) {
		return changed{fmt.Errorf("image %s, layer %w", b.image, err)} // err begins with the digest
	}
	return b.named(err)
}

// pipe copies r to w. It reads in one goroutine and writes in another: on one core each, unpacking takes
// about as long as hashing and writing. If writing fails, stop has to end the reading.
func pipe(w io.Writer, r io.Reader, stop func(error)) (n int64, rerr, werr error) {
	type filled struct {
		array *[chunkSize]byte
		n     int
	}
	held, full := make(chan struct{}, chunks), make(chan filled, chunks)
	go func() {
		defer close(full)
		for rerr == nil {
			held <- struct{}{}
			buf := filled{buffers.Get().(*[chunkSize]byte), 0}
			buf.n, rerr = fill(r, buf.array[:])
			full <- buf
		}
	}()
	for buf := range full {
		if werr == nil {
			if _, werr = w.Write(buf.array[:buf.n]); werr != nil {
				stop(werr) // the reader may be waiting for the network
			} else {
				n += int64(buf.n)
			}
		}
		buffers.Put(buf.array)
		<-held
	}
	if rerr == io.EOF {
		rerr = nil
	}
	return n, rerr, werr
}

// fill reads until buf is full or r fails. Unlike [io.ReadFull] it returns io.EOF after some bytes too: a
// stream that was cut fails with io.ErrUnexpectedEOF.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// maxHinted is the compressed size up to which guess believes the end of a gzip stream. That tells the size
// modulo 4 GiB, and file systems compress less than seven to one.
const maxHinted = 4 << 30 / 7

// guess sets the size that the blob will have in the archive, without reading it. Of gzip the last four bytes
// tell, if it is a single member (https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1). Writing finds out a
// wrong guess. A guess depends on the content only, so every source of a blob leads to the same archive.
func (b *blob) guess(ctx context.Context, end trailerFunc) (err error) {
	size := int64(-1)
	switch {
	case !b.unpacked():
		b.size = b.Size
		return nil
	case b.MediaType == v1.MediaTypeImageLayer:
		size = b.Size
	case b.hinted():
		if size, err = end(ctx, b.source, *b.Descriptor); err != nil {
			return err
		}
	}
	if b.late = !plausible(size, b.Size); !b.late {
		b.size = size
	}
	return nil
}

// hinted reports whether the end of the blob tells its size in the archive.
func (b *blob) hinted() bool {
	return b.unpacked() && b.MediaType != v1.MediaTypeImageLayer && b.Size < maxHinted && b.Size > 18 &&
		image.ParseLayerType(b.MediaType).Compression == "gzip"
}

// plausible refuses what cannot be the size of a tar that was compressed to so many bytes. The end of a
// stream of several members, as eStargz has, tells the size of the last.
func plausible(size, compressed int64) bool {
	return size > 0 && size%512 == 0 && size+size/1000+1024 >= compressed
}

// trailerFunc reads the last four bytes of a blob, as a number.
type trailerFunc func(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error)

func trailer(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
	tries := retry.Persistence{Since: d.Size - 4, Tell: image.Retries(src, d)}
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

const trailerSize = 4 // bytes

func trailerOnce(ctx context.Context, src image.Source, d v1.Descriptor) (int64, error) {
	rc, err := src.Open(ctx, d, d.Size-trailerSize, trailerSize)
	if errors.Is(err, image.ErrNoRanges) {
		rc, err = src.Open(ctx, d, d.Size-trailerSize, image.ToEnd)
	}
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	var field [trailerSize]byte
	switch _, err := io.ReadFull(rc, field[:]); err {
	case nil:
		return int64(binary.LittleEndian.Uint32(field[:])), nil
	case io.EOF, io.ErrUnexpectedEOF:
		return 0, verify.Mismatchf("%s: shorter than the %d bytes announced", d.Digest, d.Size)
	default:
		return 0, err
	}
}
