package restore

import (
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// Layer is a layer of a docker tar.
type Layer struct {
	DiffID digest.Digest
	Stored v1.Descriptor // as it stands in the tar
	// Open returns the content, unpacked. It may be called any number of times and concurrently.
	Open func(context.Context) (io.ReadCloser, error)
	// Raw returns the layer as it stands in the tar, in the same way.
	Raw func(context.Context) (io.ReadCloser, error)
}

// compressed reports whether the tar holds the layer compressed: then it may be what a registry had.
func (l Layer) compressed() bool { return image.ParseLayerType(l.Stored.MediaType).Compression != "" }

// Encoder makes what a tool makes of a layer.
type Encoder struct {
	Name    string   // for people: "Go gzip -6"
	Headers [][]byte // the gzip headers that tools write before what this encoder makes
	Rare    bool     // it is not tried for a layer whose digest is not known, nor where others were in vain
	// Compress writes what stands behind the header. It reads content to its end.
	Compress func(ctx context.Context, w io.Writer, content io.Reader) error
}

// Maker is an encoder and the header before what it makes.
type Maker struct {
	Encoder *Encoder
	Header  int // in Encoder.Headers
}

// What stands in the tar already is made by nobody.
var (
	asStored = &Encoder{Name: "as it is in the tar", Headers: [][]byte{nil}}
	unpacked = &Encoder{
		Name: "uncompressed", Headers: [][]byte{nil},
		Compress: func(_ context.Context, w io.Writer, content io.Reader) error {
			_, err := transfer.Copy(w, content)
			return err
		},
	}
)

// there returns the maker of a blob that the tar has, or nil.
func (l Layer) there(blob digest.Digest) *Maker {
	switch {
	case blob == l.DiffID:
		return &Maker{Encoder: unpacked}
	case blob == l.Stored.Digest:
		return &Maker{Encoder: asStored}
	}
	return nil
}

// how says in a few words what the maker does.
func (m Maker) how() string {
	if m.Encoder == asStored || m.Encoder == unpacked {
		return m.Encoder.Name
	}
	return "compressed as " + m.Encoder.Name + " does"
}

// key names what decides the bytes that a maker makes of a layer.
func (m Maker) key() string {
	name := strings.ReplaceAll(strings.ToLower(m.Encoder.Name), " ", "-")
	return name + "-" + hex.EncodeToString(m.Encoder.Headers[m.Header])
}

// write compresses a layer.
func (m Maker) write(ctx context.Context, l Layer, w io.Writer) error {
	open := l.Open
	if m.Encoder == asStored {
		open = l.Raw
	}
	content, err := open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	if m.Encoder == asStored {
		_, err := transfer.Copy(w, content)
		return err
	}
	if _, err := w.Write(m.Encoder.Headers[m.Header]); err != nil {
		return err
	}
	return m.Encoder.Compress(ctx, w, checked(ctx, content, l.DiffID))
}

// checked returns content that fails at its end if it is not what the diff ID says.
func checked(ctx context.Context, content io.Reader, diffID digest.Digest) io.Reader {
	r := transfer.WithContext(ctx, content)
	if diffID.Validate() != nil {
		return r
	}
	return &checkedReader{content: r, diffID: diffID, hash: diffID.Algorithm().Hash()}
}

type checkedReader struct {
	content io.Reader
	diffID  digest.Digest
	hash    hash.Hash
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.content.Read(p)
	c.hash.Write(p[:n])
	if got := digest.NewDigest(c.diffID.Algorithm(), c.hash); err == io.EOF && got != c.diffID {
		return n, verify.Mismatchf("layer %s: its content is %s", c.diffID, got)
	}
	return n, err
}

// errTooLarge ends an attempt whose result is larger than what is looked for.
var errTooLarge = errors.New("it gets too large")

// sums hashes what an encoder makes, once behind each of its headers.
type sums struct {
	hashes []hash.Hash
	size   int64 // behind the header
	limit  int64 // 0: none
}

func newSums(e *Encoder, limit int64) *sums {
	s := &sums{limit: limit}
	for _, h := range e.Headers {
		s.hashes = append(s.hashes, digest.SHA256.Hash())
		s.hashes[len(s.hashes)-1].Write(h)
	}
	return s
}

func (s *sums) Write(p []byte) (int, error) {
	if s.size += int64(len(p)); s.limit > 0 && s.size > s.limit {
		return 0, errTooLarge
	}
	for _, h := range s.hashes {
		h.Write(p)
	}
	return len(p), nil
}

// results are the blobs that came out, by header.
func (s *sums) results(e *Encoder) (all []v1.Descriptor) {
	mediaType := image.DockerLayer
	if e == unpacked {
		mediaType = image.DockerPlainLayer
	}
	for i, h := range s.hashes {
		all = append(all, v1.Descriptor{
			MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, h),
			Size: s.size + int64(len(e.Headers[i])),
		})
	}
	return all
}
