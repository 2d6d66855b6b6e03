// Package transfertest makes sources of blobs that fail in ways a test chooses. It is for tests only. A
// [Source] is opened several times while a blob travels; a [Try] says what happens to one opening.
package transfertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing/iotest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
)

// ErrBroken is what a broken stream ends with; [Break] marks it as transient.
var ErrBroken = errors.New("connection reset by peer")

// Source gives out one blob. The first opening goes as the first of Tries says, and so on; later ones as
// Always says, or without a fault if that is nil. It may be used concurrently.
type Source struct {
	Content []byte
	Tries   []Try
	Always  Try
	Wrap    func(io.Reader) io.Reader // put around every stream; may be nil

	mu     sync.Mutex
	opened []int64
}

// Try turns what is left of the content behind the offset that was asked for into a stream.
type Try func(rest []byte) (io.Reader, error)

// Open implements image.Source. It does not look at ctx: a stream need not know about it.
func (s *Source) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	try := s.Always
	if n := len(s.opened); n < len(s.Tries) {
		try = s.Tries[n]
	}
	s.opened = append(s.opened, offset)
	s.mu.Unlock()
	rest := s.Content[min(offset, int64(len(s.Content))):]
	if length >= 0 {
		rest = rest[:min(length, int64(len(rest)))]
	}
	if try == nil {
		try = Whole
	}
	r, err := try(rest)
	if err != nil {
		return nil, err
	}
	if s.Wrap != nil {
		r = s.Wrap(r)
	}
	return io.NopCloser(r), nil
}

// Opened lists the offsets that were asked for so far.
func (s *Source) Opened() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64{}, s.opened...)
}

// Whole is a try without a fault.
func Whole(rest []byte) (io.Reader, error) { return bytes.NewReader(rest), nil }

// Break ends the stream after n bytes with an error that may go away.
func Break(n int) Try { return Fail(n, retry.Transient(ErrBroken)) }

// Fail ends the stream after n bytes with err.
func Fail(n int, err error) Try {
	return func(rest []byte) (io.Reader, error) {
		return io.MultiReader(bytes.NewReader(rest[:min(n, len(rest))]), iotest.ErrReader(err)), nil
	}
}

// Refuse fails to open with err.
func Refuse(err error) Try {
	return func([]byte) (io.Reader, error) { return nil, err }
}

// Flip changes the byte at position n.
func Flip(n int) Try {
	return func(rest []byte) (io.Reader, error) {
		wrong := bytes.Clone(rest)
		if n < len(wrong) {
			wrong[n] ^= 0x40
		}
		return bytes.NewReader(wrong), nil
	}
}

// Short ends the stream n bytes early, as if that were its end.
func Short(n int) Try {
	return func(rest []byte) (io.Reader, error) { return bytes.NewReader(rest[:max(0, len(rest)-n)]), nil }
}

// Long puts tail behind the content.
func Long(tail string) Try {
	return func(rest []byte) (io.Reader, error) {
		return io.MultiReader(bytes.NewReader(rest), bytes.NewReader([]byte(tail))), nil
	}
}

// Endless goes on for ever behind the content.
func Endless(rest []byte) (io.Reader, error) {
	return io.MultiReader(bytes.NewReader(rest), zeros{}), nil
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Repeat is n tries that go alike.
func Repeat(n int, t Try) (all []Try) {
	for range n {
		all = append(all, t)
	}
	return all
}

// Slowly gives out a byte a millisecond.
func Slowly(r io.Reader) io.Reader { return slow{r} }

type slow struct{ r io.Reader }

// Read implements io.Reader.
func (s slow) Read(p []byte) (int, error) {
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	<-t.C
	return s.r.Read(p[:min(1, len(p))])
}

// Blob is content of a length, which looks random and is always the same, with its descriptor.
func Blob(n int) ([]byte, v1.Descriptor) {
	content := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(content)
	return content, Describe(content)
}

// Describe is the descriptor of content.
func Describe(content []byte) v1.Descriptor {
	return image.Describe("application/octet-stream", content)
}
