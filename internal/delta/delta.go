// Package delta is about the delta document. A thin archive lacks blobs that its destination has already, and
// its delta document lists them. The top-level [Annotation] of the archive's index.json has the digest of the
// document, which is a blob of the archive.
//
// [Document.Marshal] and [Parse] write and read one. Whether it is true of its archive, package dockerarchive
// finds out.
package delta

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

const (
	// Annotation is where the index.json of a thin archive has the digest of its delta document.
	Annotation = "io.drayage.delta"
	// MediaType is that of the document.
	MediaType = "application/vnd.drayage.delta.v1+json"

	// versions is how the media types of all versions of the document begin.
	versions = "application/vnd.drayage.delta."
	// maxMediaType bounds the media type of a blob, in bytes. A type has at most 127 on each side of the slash
	// (https://www.rfc-editor.org/rfc/rfc6838#section-4.2).
	maxMediaType = 255
)

// ErrNewer is wrapped by the error about a document that only a later version can use.
var ErrNewer = errors.New("a newer drayage is needed")

// Document says what a thin archive lacks. A blob stands in Absent or in Rebuilt.
type Document struct {
	Images  []string  // names, or digests of images without a name: sorted, each once
	Absent  []Blob    // sorted by digest, each once
	Rebuilt []Rebuilt // the same
}

// Blob is one that is not in the archive.
type Blob struct {
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	DiffID    digest.Digest `json:"diffID,omitempty"` // of a layer, if a configuration tells it
	MediaType string        `json:"mediaType"`

	// Images are those that need it, as places in Document.Images: sorted, each once.
	Images []int32 `json:"images"`
}

// Descriptor is that of the blob.
func (b *Blob) Descriptor() v1.Descriptor {
	return v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
}

// wire is a document as it is written.
type wire struct {
	MediaType string `json:"mediaType"`
	Images    names  `json:"images"`
	Absent    blobs  `json:"absent"`
	Rebuilt   layers `json:"rebuilt"`
}

// Marshal returns the bytes of the document, with one entry a line. Equal documents give equal bytes. A
// document without patches has no list of them, so that versions take it which do not know patches.
func (d *Document) Marshal() ([]byte, error) {
	b := bytes.NewBufferString(`{"mediaType":"` + MediaType + `"`)
	err := list(b, "images", d.Images)
	if err == nil {
		err = list(b, "absent", d.Absent)
	}
	if err == nil && len(d.Rebuilt) > 0 {
		err = list(b, "rebuilt", d.Rebuilt)
	}
	b.WriteString("}\n")
	return b.Bytes(), err
}

// list adds a list with each element in a line of its own. A very long one is not held twice.
func list[T any](b *bytes.Buffer, key string, all []T) error {
	b.WriteString(",\n\"" + key + "\":[")
	for i := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		raw, err := json.Marshal(&all[i])
		if err != nil {
			return err
		}
		b.Write(raw)
	}
	b.WriteString("\n]")
	return nil
}

// Parse reads a document. It accepts what Marshal writes, in any spacing and with fields that it does not
// know. All digests and sizes of the result are valid. The error about a document that needs another version
// wraps [ErrNewer].
func Parse(raw []byte) (*Document, error) {
	if len(raw) > limits.Delta {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are accepted", len(raw), limits.Delta)
	}
	if n := jsonkeys.Values(raw); n > limits.DeltaValues {
		return nil, fmt.Errorf("it has %d values, more than the %d that are accepted", n, limits.DeltaValues)
	}
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("it is not valid: %v", err)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, fmt.Errorf("it is ambiguous: %v", err)
	}
	switch {
	case w.MediaType != MediaType && strings.HasPrefix(w.MediaType, versions):
		return nil, fmt.Errorf("it is of the type %.100q: %w", w.MediaType, ErrNewer)
	case w.MediaType != MediaType:
		return nil, fmt.Errorf("it is of the type %.100q and not %q", w.MediaType, MediaType)
	case len(w.Absent)+len(w.Rebuilt) == 0:
		return nil, errors.New("it lists no blob")
	}
	d := &Document{Images: w.Images, Absent: w.Absent, Rebuilt: w.Rebuilt}
	return d, d.Validate()
}

// Validate checks what [Parse] asks of a document beside its size.
func (d *Document) Validate() error { return cmp.Or(d.validate(), d.validatePatches()) }

func (d *Document) validate() error {
	for i, name := range d.Images {
		if name == "" || len(name) > limits.Name || i > 0 && name <= d.Images[i-1] {
			return fmt.Errorf("its images are not sorted, each once: %.100q", name)
		}
	}
	for i := range d.Absent {
		b := &d.Absent[i]
		if err := b.validate(len(d.Images)); err != nil {
			return err
		}
		if i > 0 && b.Digest <= d.Absent[i-1].Digest {
			return fmt.Errorf("its blobs are not sorted, each once: %s", b.Digest)
		}
	}
	return nil
}

func (b *Blob) validate(images int) error {
	if err := verify.Descriptor(b.Descriptor()); err != nil {
		return err
	}
	if b.DiffID != "" {
		if err := verify.Digest(b.DiffID); err != nil {
			return fmt.Errorf("%s: diff ID: %w", b.Digest, err)
		}
	}
	if b.MediaType == "" || len(b.MediaType) > maxMediaType {
		return fmt.Errorf("%s has no media type, or one of more than %d bytes", b.Digest, maxMediaType)
	}
	b.MediaType = lenient.Shared(b.MediaType)
	outside := func(i int32) bool { return i < 0 || int(i) >= images }
	if slices.ContainsFunc(b.Images, outside) || !slices.IsSorted(b.Images) || len(b.Images) == 0 ||
		len(slices.Compact(slices.Clone(b.Images))) != len(b.Images) {
		return fmt.Errorf("%s: the images that need it are not places in the list of images, sorted, each once",
			b.Digest)
	}
	return nil
}
