// Package verify is the one place that compares bytes with the digest and size that a descriptor promises.
// Call [Descriptor] before a descriptor is used in a path, a URL or an allocation. [Check] follows the bytes
// as they pass.
package verify

import (
	_ "crypto/sha256" // registers the algorithm that every registry uses
	_ "crypto/sha512" // registers the other algorithm of the image specification
	"errors"
	"fmt"
	"hash"
	"math"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrMismatch is wrapped by every error that says that content is not what its digest or size promises.
var ErrMismatch = errors.New("integrity check failed")

// MaxBlobSize bounds the declared size of a blob, so that offsets can be added without overflow. It is far
// above any real layer.
const MaxBlobSize = 1 << 50

// NoSize stands for the size of a descriptor that has none. [Descriptor] refuses it.
const NoSize = -MaxBlobSize

// AddSize adds the size of one more blob to a sum, or takes it away if it is negative. Descriptors may
// promise more bytes together than an int64 holds: then and from there on the sum is the largest int64.
func AddSize(sum, size int64) int64 {
	if sum == math.MaxInt64 || sum > 0 && size > math.MaxInt64-sum {
		return math.MaxInt64
	}
	return sum + size
}

// Digest reports why d cannot be used: bad syntax or an algorithm other than sha256 and sha512. Every digest
// from outside passes here before it becomes part of a path or URL
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests).
func Digest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("invalid digest %q: %v", string(d), err)
	}
	if a := d.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return fmt.Errorf("invalid digest %q: only sha256 and sha512 are supported", string(d))
	}
	return nil
}

// Descriptor reports why a descriptor from outside cannot be used.
func Descriptor(d v1.Descriptor) error {
	if err := Digest(d.Digest); err != nil {
		return err
	}
	if d.Size == NoSize {
		return fmt.Errorf("%s: its descriptor has no size", d.Digest)
	}
	if d.Size < 0 || d.Size > MaxBlobSize {
		return fmt.Errorf("%s: impossible size %d", d.Digest, d.Size)
	}
	return nil
}

// Check compares a stream of bytes with a descriptor. It is not safe for concurrent use.
type Check struct {
	want v1.Descriptor
	hash hash.Hash
	n    int64
}

// NewCheck starts a check of the content of d, which must have passed [Descriptor].
func NewCheck(d v1.Descriptor) *Check {
	return &Check{want: d, hash: d.Digest.Algorithm().Hash()}
}

// Clone returns a check that has taken the same bytes. Neither changes with the other from then on. It is nil
// if the hash cannot be copied.
func (c *Check) Clone() *Check {
	h, ok := c.hash.(hash.Cloner)
	if !ok {
		return nil
	}
	same, err := h.Clone()
	if err != nil {
		return nil
	}
	return &Check{want: c.want, hash: same, n: c.n}
}

// Offset is how many bytes have been taken so far.
func (c *Check) Offset() int64 { return c.n }

// Write takes the next bytes. It fails, wrapping [ErrMismatch], as soon as there are more of them than the
// descriptor allows. So an endless body is cut off one buffer after its promised end.
func (c *Check) Write(p []byte) (int, error) {
	if int64(len(p)) > c.want.Size-c.n {
		return 0, Mismatchf("%s: more than the %d bytes announced", c.want.Digest, c.want.Size)
	}
	c.n += int64(len(p))
	return c.hash.Write(p)
}

// Done reports whether the bytes taken are the whole content. The error wraps [ErrMismatch].
func (c *Check) Done() error {
	if c.n != c.want.Size {
		return Mismatchf("%s: only %d of %d bytes", c.want.Digest, c.n, c.want.Size)
	}
	if got := digest.NewDigest(c.want.Digest.Algorithm(), c.hash); got != c.want.Digest {
		return Mismatchf("%s: the bytes hash to %s", c.want.Digest, got)
	}
	return nil
}

// Bytes compares content that is in memory with its descriptor. Its error wraps [ErrMismatch].
func Bytes(d v1.Descriptor, p []byte) error {
	c := NewCheck(d)
	if _, err := c.Write(p); err != nil {
		return err
	}
	return c.Done()
}

// Mismatchf is [fmt.Errorf] for errors that match [ErrMismatch] without ending in its text.
func Mismatchf(format string, args ...any) error { return mismatch{fmt.Errorf(format, args...)} }

type mismatch struct{ error }

func (m mismatch) Is(target error) bool { return target == ErrMismatch }
func (m mismatch) Unwrap() error        { return m.error }
