// Package unpack gives out what stored layers hold. A layer is stored as a tar, compressed or not; its
// first bytes tell how. [Sum] hashes what is in a layer, [NewReader] is for callers that need the bytes one
// after another. Both tell a layer that cannot be decompressed, which is an [Error], from a source that
// fails. The caller names the layer in errors.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// Error says that a layer cannot be decompressed although its source has not failed.
type Error struct {
	Kind     string // what the layer seems to be compressed with
	Err      error  // of the decompressor
	Verified bool   // the stored bytes are those that their digest promises
}

func (e *Error) Error() string {
	if e.Large() {
		return "it cannot be unpacked here: " + e.Err.Error()
	}
	if e.Verified {
		return fmt.Sprintf("it cannot be decompressed, although its digest is right: %v", e.Err)
	}
	return fmt.Sprintf("it cannot be decompressed (%s): %v", e.Kind, e.Err)
}

// Large reports whether nothing speaks against the layer but the memory that unpacking it takes.
func (e *Error) Large() bool { return errors.Is(e.Err, compression.ErrMemory) }

// Unwrap returns [verify.ErrMismatch], or [compression.ErrMemory] for a layer that takes too much memory.
func (e *Error) Unwrap() error {
	if e.Large() {
		return compression.ErrMemory
	}
	return verify.ErrMismatch
}

// Explain finds out more about err, which this package returned for a blob that verifies itself at its end,
// as image.Reader does. If err is an [Error], Explain reads the rest of the blob. It returns the blob's own
// error if there is one, and otherwise an [Error] that says that the blob is verified.
func Explain(err error, blob io.Reader) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return err
	}
	return &Error{Kind: e.Kind, Err: e.Err, Verified: true}
}

// CheckDiffID compares what a layer hashes to with what the image's configuration says. Its error wraps
// [verify.ErrMismatch].
func CheckDiffID(got, want digest.Digest) error {
	if got != want {
		return verify.Mismatchf("its content hashes to %s, the image configuration says %s",
			got, want)
	}
	return nil
}

// Layer is what a stored layer holds.
type Layer struct {
	DiffID digest.Digest // of the uncompressed tar
	Size   int64         // of the uncompressed tar, in bytes
	Kind   string
}

// Sum reads stored to its end and hashes what it holds, uncompressed, with a. It writes the same bytes to
// w, unless w is nil. Only if w is nil it waits for room in [compression.Layers]: w may wait for another
// layer that does.
func Sum(ctx context.Context, stored io.Reader, a digest.Algorithm, w io.Writer) (Layer, error) {
	h, budget := a.Hash(), compression.Layers
	out := io.Writer(h)
	if w != nil {
		out, budget = io.MultiWriter(h, w), nil
	}
	r, err := NewReader(ctx, stored, budget)
	if err != nil {
		return Layer{}, err
	}
	defer r.Close()
	n, err := transfer.Copy(out, r)
	if err == nil {
		err = r.Rest()
	}
	if err != nil {
		return Layer{}, err
	}
	return Layer{DiffID: digest.NewDigest(a, h), Size: n, Kind: r.kind}, nil
}

// Reader gives out the uncompressed content of a layer.
type Reader struct {
	kind  string
	plain io.ReadCloser
	from  *source
	ctx   context.Context // of NewReader
}

// NewReader begins to unpack the layer that stored holds. When ctx has ended, reading fails with its cause.
// The caller closes the Reader, which does not close stored. Until then the decoder has a part of the budget.
func NewReader(ctx context.Context, stored io.Reader, budget *compression.Budget) (*Reader, error) {
	r := &Reader{from: &source{r: transfer.WithContext(ctx, stored)}, ctx: ctx}
	var err error
	if r.plain, r.kind, err = compression.NewReader(ctx, r.from, budget); err != nil {
		return nil, r.judge(err)
	}
	return r, nil
}

// Read returns an error of the source as it is.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if err != nil && err != io.EOF {
		err = r.judge(err)
	}
	return n, err
}

// Kind is what the layer is compressed with, as package compression names it.
func (r *Reader) Kind() string { return r.kind }

// Rest reads what stands behind the layer's content. It is for sources that verify themselves at their end.
func (r *Reader) Rest() error {
	_, err := io.Copy(io.Discard, r.from)
	return err
}

func (r *Reader) Close() error { return r.plain.Close() }

func (r *Reader) judge(err error) error {
	if r.from.err != nil && r.from.err != io.EOF {
		return r.from.err
	}
	if r.ctx.Err() != nil { // a decoder that waits for memory ends with it
		return context.Cause(r.ctx)
	}
	return &Error{Kind: r.kind, Err: err}
}

// source remembers how reading the stored layer has ended.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.r.Read(p)
	return n, s.err
}
