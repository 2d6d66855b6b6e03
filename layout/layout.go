// Package layout reads and writes OCI image layouts
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md). [New] reads one from any fs.FS, be it a
// directory or an archive; [OpenDir] and [CreateDir] add writing to a directory.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/verify"
)

// AnnotationName is where Docker and containerd look for the full name of an image in index.json.
const AnnotationName = "io.containerd.image.name"

// AnnotationSubject marks an entry of index.json that belongs to the image with this digest, as Docker writes it.
const AnnotationSubject = "io.containerd.manifest.subject"

// ErrIntegrity is wrapped where content is not what its digest says.
var ErrIntegrity = verify.ErrMismatch

// Limits on index.json: some hundred thousand images.
const (
	maxIndexSize   = 64 << 20 // bytes
	maxIndexValues = 1 << 21
)

// Layout is an image layout to read from. It may be used concurrently.
type Layout struct {
	fsys fs.FS
}

var _ image.Source = (*Layout)(nil)

// Image is an entry of index.json.
type Image struct {
	Descriptor v1.Descriptor
	Name       string // full name, as in docker.io/library/alpine:3.20; empty if the entry has nothing that can be one
	Ref        string // org.opencontainers.image.ref.name: the tag, or whatever its writer put there

	// Subject is set for what is no image of its own but belongs to one: a signature, an SBOM.
	Subject digest.Digest
}

// New checks that fsys is an image layout of a version that is understood.
func New(fsys fs.FS) (*Layout, error) {
	raw, err := readFile(fsys, v1.ImageLayoutFile, 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("not an OCI layout: there is no oci-layout file")
	}
	if err != nil {
		return nil, err
	}
	var marker v1.ImageLayout
	if err := json.Unmarshal(raw, &marker); err != nil {
		return nil, fmt.Errorf("oci-layout is not valid JSON: %v", err)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, fmt.Errorf("oci-layout is ambiguous: %v", err)
	}
	if !strings.HasPrefix(marker.Version, "1.") {
		return nil, fmt.Errorf("OCI layout version %q is not supported, only 1.x", marker.Version)
	}
	return &Layout{fsys: fsys}, nil
}

// openFile opens a regular file. Everything else is refused unopened: a named pipe would wait for its other end.
func openFile(fsys fs.FS, name string) (fs.File, error) {
	fi, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file (%s)", name, fi.Mode().Type())
	}
	return fsys.Open(name)
}

// readFile reads a small file; one that is larger than limit is an error.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := openFile(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return raw, nil
}

// blobPath is where the content of a valid digest lies.
func blobPath(d v1.Descriptor) string {
	return v1.ImageBlobsDir + "/" + d.Digest.Algorithm().String() + "/" + d.Digest.Encoded()
}

// Open returns the raw bytes of a blob from offset on: length of them, or all if length is negative. They are not
// verified. The caller closes the reader.
func (l *Layout) Open(_ context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if err := verify.Descriptor(d); err != nil {
		return nil, err
	}
	f, err := openFile(l.fsys, blobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("layout has no blob %s: %w", d.Digest, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{image.Section(r, fi.Size(), offset, length), f}, nil
	}
	return skipTo(f, offset, length)
}

// skipTo serves file systems whose files can only be read from their beginning.
func skipTo(f fs.File, offset, length int64) (io.ReadCloser, error) {
	if _, err := io.CopyN(io.Discard, f, offset); err != nil && err != io.EOF {
		f.Close()
		return nil, err
	}
	var r io.Reader = f
	if length >= 0 {
		r = io.LimitReader(f, length)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// Images lists the entries of index.json in its order.
func (l *Layout) Images() ([]Image, error) {
	raw, err := readFile(l.fsys, v1.ImageIndexFile, maxIndexSize)
	if err != nil {
		return nil, err
	}
	ix, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	var all []Image
	for _, e := range ix.entries {
		if err := verify.Descriptor(e.desc); err != nil {
			return nil, fmt.Errorf("index.json refers to %w", err)
		}
		all = append(all, e.image())
	}
	return all, nil
}

// Find returns the images that name means: a full name, a tag or other ref.name, or a digest.
func (l *Layout) Find(name string) ([]Image, error) {
	all, err := l.Images()
	if err != nil {
		return nil, err
	}
	var found []Image
	for _, im := range all {
		if name == im.Name || name == im.Ref || name == im.Descriptor.Digest.String() {
			found = append(found, im)
		}
	}
	return found, nil
}
