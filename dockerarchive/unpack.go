package dockerarchive

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// ErrIntegrity is wrapped where content is not what its digest or diff ID says.
var ErrIntegrity = verify.ErrMismatch

const (
	chunkSize = 64 << 10 // what one half of a pipeline hands to the other: it stays in the cache of the processor
	chunks    = 8        // buffers between the two halves of a pipeline
)

// unpackLayer writes a layer, uncompressed, to what begin returns, and returns its size. Bytes that are not what the blob's digest
// says may have been changed on the way, so the blob is read once more, from the start.
func unpackLayer(ctx context.Context, l *layer, begin func() io.Writer, progress func(v1.Descriptor, int64)) (int64, error) {
	n, err := unpackOnce(ctx, l, begin(), progress)
	if errors.As(err, new(wrongBlob)) {
		n, err = unpackOnce(ctx, l, begin(), progress)
	}
	return n, err
}

// wrongBlob is the error of a blob whose bytes are not what its digest says.
type wrongBlob struct{ error }

func (w wrongBlob) Unwrap() error { return w.error }

// unpackOnce verifies the blob against its digest and what comes out of it against the diff ID. Decompression and what
// follows it, hashing and writing, run side by side: on one core each they take about the same time.
func unpackOnce(ctx context.Context, l *layer, w io.Writer, progress func(v1.Descriptor, int64)) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	free, full := make(chan []byte, chunks), make(chan []byte, chunks)
	for range chunks {
		free <- make([]byte, chunkSize)
	}
	failed := make(chan error, 1)
	go func() {
		failed <- decompress(ctx, l, free, full, progress)
		close(full)
	}()
	h := l.diffID.Algorithm().Hash()
	n, err := drain(io.MultiWriter(h, w), free, full)
	if err != nil {
		cancel(err) // the decompressor may be waiting for the network
		for range full {
		}
		<-failed
		return n, err
	}
	if err := <-failed; err != nil {
		return n, err
	}
	return n, checkDiffID(l, h)
}

// decompress fills buffers from free and hands them on through full.
func decompress(ctx context.Context, l *layer, free <-chan []byte, full chan<- []byte, progress func(v1.Descriptor, int64)) error {
	raw := image.NewReader(ctx, transfer.ReadAhead(l.source), l.blob)
	defer raw.Close()
	var src io.Reader = raw
	if progress != nil {
		progress(l.blob, 0)
		src = transfer.Counted(raw, func(n int64) { progress(l.blob, n) })
	}
	plain, _, err := compression.NewReader(src)
	if err != nil {
		return l.corrupt(err, src)
	}
	defer plain.Close()
	for {
		var buf []byte
		select {
		case buf = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		n, err := fill(plain, buf)
		select {
		case full <- buf[:n]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return l.corrupt(err, src)
		}
	}
	// What stands behind the compressed stream belongs to the blob too, and its end is where the digest is compared.
	_, err = io.Copy(io.Discard, src)
	return l.corrupt(err, src)
}

// fill reads until buf is full or r fails. Unlike io.ReadFull it keeps apart the end of a stream and
// a stream that was cut.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// drain writes what comes through full.
func drain(w io.Writer, free chan<- []byte, full <-chan []byte) (n int64, err error) {
	for buf := range full {
		if _, err := w.Write(buf); err != nil {
			return n, err
		}
		n += int64(len(buf))
		free <- buf[:cap(buf)]
	}
	return n, nil
}

func checkDiffID(l *layer, h hash.Hash) error {
	if got := digest.NewDigest(l.diffID.Algorithm(), h); got != l.diffID {
		return fmt.Errorf("image %s, layer %s: its content hashes to %s, the image configuration says %s: %w",
			l.image, l.blob.Digest, got, l.diffID, verify.ErrMismatch)
	}
	return nil
}

// corrupt names the layer in an error of its stream. When a decompressor cannot go on, the rest of the blob tells why: either
// the blob is not what its digest says, or it was broken when the image was made.
func (l *layer) corrupt(err error, rest io.Reader) error {
	if err == nil {
		return nil
	}
	_, rerr := io.Copy(io.Discard, rest)
	switch {
	case errors.Is(rerr, verify.ErrMismatch):
		return wrongBlob{fmt.Errorf("image %s, layer %w", l.image, rerr)}
	case rerr != nil:
		return fmt.Errorf("image %s, layer %s: %w", l.image, l.blob.Digest, rerr)
	}
	return fmt.Errorf("image %s, layer %s: it cannot be decompressed, although its digest is right: %v: %w", l.image, l.blob.Digest, err, verify.ErrMismatch)
}
