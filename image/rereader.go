package image

import (
	"context"
	"slices"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

const (
	minStride = 1 << 20 // bytes between two places where a blob can be read again from
	maxPlaces = 256     // of a blob
)

// Rereader reads one blob for somebody who may lose a part of what has been read, as a registry does
// when an upload breaks off. It keeps the state of the hash at some offsets. So a blob is read again
// from shortly before the offset that is wanted, and not from its beginning. The streams together are
// verified as the one stream of a [Reader] is, if each goes on behind bytes that the streams before it
// gave out. A Rereader may be used concurrently.
type Rereader struct {
	src    Source
	desc   v1.Descriptor
	stride int64

	mu     sync.Mutex
	stream *Reader         // the last one that was opened
	places []*verify.Check // in the order of their offsets
}

// NewRereader returns a Rereader of d from src. It opens nothing.
func NewRereader(src Source, d v1.Descriptor) *Rereader {
	return &Rereader{src: src, desc: d, stride: max(minStride, d.Size/maxPlaces)}
}

// Open returns a stream that begins at an offset not behind the wanted one, and says at which: at 0 if the
// blob has not been read up to there. The caller closes the stream.
func (r *Rereader) Open(ctx context.Context, wanted int64) (stream *Reader, at int64) {
	stream = NewReader(ctx, r.src, r.desc)
	stream.again = r
	if stream.err != nil {
		return stream, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stream = stream
	// What was kept behind the wanted offset is about bytes that come once more, and maybe otherwise.
	behind := func(c *verify.Check) bool { return c.Offset() > wanted }
	if r.places = slices.DeleteFunc(r.places, behind); len(r.places) > 0 {
		stream.check = r.places[len(r.places)-1].Clone()
	}
	at = stream.check.Offset()
	stream.tries.Since = at
	return stream, at
}

// keep remembers how far a stream has been hashed, from time to time. A stream that is not the last one does
// not count.
func (r *Rereader) keep(stream *Reader) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last, at := int64(0), stream.check.Offset()
	if n := len(r.places); n > 0 {
		last = r.places[n-1].Offset()
	}
	if stream != r.stream || at < last+r.stride {
		return
	}
	if same := stream.check.Clone(); same != nil {
		r.places = append(r.places, same)
	}
}
