package schema1

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drayage/internal/compression"
	"drayage/internal/verify"
)

// Content is what the blob of a layer holds.
type Content struct {
	DiffID digest.Digest // of the uncompressed tar
	Size   int64         // of the same, in bytes
	Kind   compression.Kind
}

// ReadContent reads a blob, which must be verified when it ends, to its end. Schema 1 knows no media types of layers: the
// first bytes tell how it is compressed.
func ReadContent(blob io.Reader) (Content, error) {
	plain, kind, err := compression.NewReader(blob)
	if err != nil {
		return Content{}, cause(err, blob)
	}
	defer plain.Close()
	h := sha256.New()
	n, err := io.Copy(h, plain)
	if err != nil {
		return Content{}, cause(err, blob)
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return Content{}, err
	}
	return Content{DiffID: digest.NewDigest(digest.SHA256, h), Size: n, Kind: kind}, nil
}

// cause tells whether a decompressor failed because of its input, by reading the rest of that: the input's own error
// is the better one.
func cause(err error, blob io.Reader) error {
	if _, rerr := io.Copy(io.Discard, blob); rerr != nil {
		return rerr
	}
	return fmt.Errorf("it cannot be decompressed, although its digest is right: %v: %w", err, verify.ErrMismatch)
}
