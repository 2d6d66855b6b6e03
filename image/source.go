package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/kind"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

// ToEnd as a length asks a [Source] for everything from the offset on.
const ToEnd = -1

// Source gives out the bytes of blobs and manifests.
type Source interface {
	// Open returns the bytes of d from offset on: length of them, or all that follow if length is [ToEnd]. The
	// bytes are raw. Whoever reads them verifies them, as [Reader] does. Open and Read mark an error with
	// [Transient] if it may go away when the blob is opened again. The error about a blob that the source does
	// not have wraps fs.ErrNotExist, or registry.ErrNotFound. The caller closes the reader. Open may be called
	// concurrently.
	Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error)
}

// ParallelSource is a [Source] that gives out several ranges of one blob faster than one stream of it.
// Registries are: their storage often limits each connection.
type ParallelSource interface {
	Source
	// ExtraStream asks for a second or further stream of one blob. It returns a function that the caller calls
	// when that stream has ended, or nil if there are enough streams already. It may be called concurrently.
	ExtraStream() (release func())
}

// Transient marks an error that may go away when the same thing is tried again, such as a broken connection.
func Transient(err error) error { return retry.Transient(err) }

// ErrIntegrity is wrapped by every error that says that content is not what its digest, size or diff ID
// promises.
var ErrIntegrity = verify.ErrMismatch

// ErrNoRanges is the error of Open where a bounded length was asked for and the source has only whole
// streams.
var ErrNoRanges = errors.New("the source does not give out ranges")

// MemorySource is a [Source] of small content, by digest, in front of another source. Its pointer is one.
type MemorySource struct {
	Content map[digest.Digest][]byte
	Next    Source // asked for all other digests; may be nil
}

// Open implements [Source].
func (m *MemorySource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (
	io.ReadCloser, error) {
	p, ok := m.Content[d.Digest]
	if !ok {
		if m.Next == nil {
			return nil, kind.Errorf(fs.ErrNotExist, "%s: not here", d.Digest)
		}
		return m.Next.Open(ctx, d, offset, length)
	}
	return io.NopCloser(Section(bytes.NewReader(p), int64(len(p)), offset, length)), nil
}

// ExtraStream implements [ParallelSource] for what is not in memory, where the next source does.
func (m *MemorySource) ExtraStream() func() {
	if next, ok := AsParallel(m.Next); ok {
		return next.ExtraStream()
	}
	return nil
}

// AsParallel returns src as a [ParallelSource] if it is one. A [MemorySource] is one if its next source is.
// The source of an image that [Image.Fill] has filled is one if any of its sources is.
func AsParallel(src Source) (ParallelSource, bool) {
	switch s := src.(type) {
	case *MemorySource:
		if _, ok := AsParallel(s.Next); !ok {
			return nil, false
		}
	case *filledSource:
		if s.parallel == nil {
			return nil, false
		}
	}
	p, ok := src.(ParallelSource)
	return p, ok
}

// InMemory reports whether src gives out d without asking anybody: it has been read already.
func InMemory(src Source, d v1.Descriptor) bool {
	switch s := src.(type) {
	case *MemorySource:
		_, has := s.Content[d.Digest]
		return has || InMemory(s.Next, d)
	case interface{ InMemory(v1.Descriptor) bool }:
		return s.InMemory(d)
	}
	return false
}

// Retry says that a stream of a blob broke and is about to be opened again.
type Retry struct {
	Blob   v1.Descriptor
	Number int           // counted from 1; progress makes it begin anew
	Most   int           // after so many in a row the stream is given up
	Wait   time.Duration // until it is opened
	Cause  error
}

// RetryObserver is a [Source] that is told when a stream that it has opened is about to be opened again.
type RetryObserver interface {
	Source
	// Retrying is called before the wait. It may be called concurrently, and must return at once.
	Retrying(Retry)
}

// Retrying implements [RetryObserver]: it tells the next source.
func (m *MemorySource) Retrying(r Retry) { TellRetry(m.Next, r) }

// TellRetry tells src that a stream is about to be opened again, if src is a [RetryObserver].
func TellRetry(src Source, r Retry) {
	if o, ok := src.(RetryObserver); ok {
		o.Retrying(r)
	}
}

// Retries returns a function that takes the numbers of retries of the streams of d, and tells src. Those who
// repeat streams themselves use it.
func Retries(src Source, d v1.Descriptor) func(number, most int, wait time.Duration, cause error) {
	return func(number, most int, wait time.Duration, cause error) {
		TellRetry(src, Retry{Blob: d, Number: number, Most: most, Wait: wait, Cause: cause})
	}
}

// Section is for those who implement [Source]: it is the part of r that Open is asked for. size is the
// length of r.
func Section(r io.ReaderAt, size, offset, length int64) *io.SectionReader {
	offset = min(max(offset, 0), size)
	if rest := size - offset; length == ToEnd || length > rest {
		length = rest
	}
	return io.NewSectionReader(r, offset, length)
}

// ReadAll returns the verified content of d, which may be at most limit bytes. Content that is wrong is
// read once more.
func ReadAll(ctx context.Context, src Source, d v1.Descriptor, limit int64) ([]byte, error) {
	p, err := readOnce(ctx, src, d, limit)
	if errors.Is(err, verify.ErrMismatch) {
		p, err = readOnce(ctx, src, d, limit)
	}
	return p, err
}

func readOnce(ctx context.Context, src Source, d v1.Descriptor, limit int64) ([]byte, error) {
	if err := verify.Descriptor(d); err != nil {
		return nil, err
	}
	if d.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d that are accepted for %s",
			d.Digest, d.Size, limit, d.MediaType)
	}
	r := NewReader(ctx, src, d)
	defer r.Close()
	b := documents.Get().(*bytes.Buffer) // grows with what arrives: the announced size is no reason to allocate
	b.Reset()
	defer func() {
		if b.Cap() <= 2*maxPooled {
			documents.Put(b)
		}
	}()
	if _, err := b.ReadFrom(r); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil // without the room to grow: manifests are kept
}

// documents are buffers for one document each, of maxPooled bytes or twice that.
var documents = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, maxPooled)) }}

const maxPooled = 16 << 10
